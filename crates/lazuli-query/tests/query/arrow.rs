//! Answers in Arrow: what goes into which column, and what does not fit. The stream itself is the
//! matter of `lazuli-wire` and its tests.

use lazuli_model::ErrorCode;
use lazuli_query::request::{ArrowField, ArrowKind, OutputFormat, Request};
use lazuli_wire::arrow::{Kind, Table, write_end};

use super::{headed, json, refusal, run_in, text};

fn arrow(request: Request, fields: &[(&str, ArrowKind)]) -> Request {
    let field =
        |(name, kind): &(&str, ArrowKind)| ArrowField { name: (*name).to_owned(), kind: *kind };
    Request { output: OutputFormat::Arrow(fields.iter().map(field).collect()), ..request }
}

const DECIMAL: ArrowKind = ArrowKind::Decimal { precision: 6, scale: 2 };

#[test]
fn columns_hold_what_the_schema_says() {
    let request = arrow(
        text("SELECT _1, _2, CAST(_3 AS TIMESTAMP), _1, _4, _1 FROM BlobStorage"),
        &[
            ("n", ArrowKind::Int64),
            ("is", ArrowKind::Bool),
            ("at", ArrowKind::Timestamp),
            ("text", ArrowKind::Text),
            ("d", ArrowKind::Double),
            ("m", DECIMAL),
        ],
    );
    let input = "7,true,1970-01-01T00:00:01.5Z,0.25\n,,1969-12-31T23:59:59Z,\n";
    let answer = run_in(&request, input.as_bytes(), usize::MAX).expect("an answer");
    assert_eq!(answer.errors, []);
    let mut table = Table::new([
        ("n", Kind::Whole),
        ("is", Kind::Flag),
        ("at", Kind::Millis),
        ("text", Kind::Text),
        ("d", Kind::Double),
        ("m", Kind::Decimal { precision: 6, scale: 2 }),
    ]);
    table.whole(Some(7));
    table.flag(Some(true));
    table.moment(Some(1_500));
    table.text(Some("7"));
    table.double(Some(0.25));
    table.decimal(Some(700));
    table.end_row();
    table.whole(None);
    table.flag(None);
    table.moment(Some(-1_000));
    table.text(Some(""));
    table.end_row();
    assert_eq!(answer.bytes, table.finish(&[]));
}

#[test]
fn rows_that_do_not_fit_are_told_and_left_out() {
    let request = arrow(text("SELECT _1 FROM BlobStorage"), &[("m", DECIMAL)]);
    let answer = run_in(&request, b"1.5\nx\n99999\n2\n", usize::MAX).expect("an answer");
    assert_eq!(answer.names(), ["InvalidTypeConversion", "ArithmeticOverflow"]);
    let mut table = Table::new([("m", Kind::Decimal { precision: 6, scale: 2 })]);
    table.decimal(Some(150));
    table.end_row();
    table.decimal(Some(200));
    table.end_row();
    assert_eq!(answer.bytes, table.finish(&[]));
}

#[test]
fn whole_records_go_into_the_first_columns_or_those_of_their_names() {
    let fields = [("a", ArrowKind::Text), ("b", ArrowKind::Int64)];
    let mut table = Table::new([("a", Kind::Text), ("b", Kind::Whole)]);
    table.text(Some("x"));
    table.whole(Some(1));
    table.end_row();
    let stream = table.finish(&[]);
    let request = arrow(text("SELECT * FROM BlobStorage"), &fields);
    let answer = run_in(&request, b"x,1,more\ny\n", usize::MAX).expect("an answer");
    assert_eq!(
        (answer.names().as_slice(), &answer.bytes),
        (&["InvalidColumnOrdinal"][..], &stream)
    );
    let request = arrow(headed("SELECT * FROM BlobStorage"), &fields);
    let answer = run_in(&request, b"p,q\nx,1\n", usize::MAX).expect("an answer");
    assert_eq!((answer.names().len(), &answer.bytes), (0, &stream));
    let request = arrow(json("SELECT * FROM BlobStorage"), &fields);
    let answer = run_in(&request, b"{\"b\":1,\"c\":2,\"a\":\"x\"}", usize::MAX).expect("an answer");
    assert_eq!((answer.names().len(), &answer.bytes), (0, &stream));
}

#[test]
fn batches_are_bounded_and_an_answer_without_rows_is_a_stream() {
    let input = "12345\n".repeat(100_000);
    let request = arrow(text("SELECT _1 FROM BlobStorage"), &[("n", ArrowKind::Int64)]);
    let answer = run_in(&request, input.as_bytes(), 1 << 16).expect("an answer");
    // Batches of about 256 KiB are 16,384 rows; each has a head.
    let is_head = |bytes: &&[u8]| bytes[..4] == [0xff; 4] && bytes[4] > 0 && bytes[5..] == [0; 3];
    let batches = answer.bytes.windows(8).filter(is_head).count() - 1;
    assert!((4..20).contains(&batches), "{batches}");
    assert!(answer.bytes.len() > 800_000, "{}", answer.bytes.len());
    let none = run_in(&request, b"", usize::MAX).expect("an answer");
    let mut expected = Vec::new();
    Table::new([("n", Kind::Whole)]).write_schema(&[], &mut expected);
    write_end(&mut expected);
    assert_eq!(none.bytes, expected);
    let counted = arrow(text("SELECT COUNT(*) FROM BlobStorage"), &[("n", ArrowKind::Int64)]);
    let answer = run_in(&counted, b"1\n2\n", usize::MAX).expect("an answer");
    let mut table = Table::new([("n", Kind::Whole)]);
    table.whole(Some(2));
    table.end_row();
    assert_eq!(answer.bytes, table.finish(&[]));
}

#[test]
fn a_schema_must_fit_what_is_selected() {
    let fields = [("a", ArrowKind::Text), ("b", ArrowKind::Int64)];
    for expression in ["SELECT _1 FROM BlobStorage", "SELECT COUNT(*) FROM BlobStorage"] {
        let refused = refusal(&arrow(text(expression), &fields), "1\n");
        assert_eq!(refused.code(), ErrorCode::ErrorProcessingQueryExpression);
    }
}
