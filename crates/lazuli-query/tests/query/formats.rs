//! Inputs and answers of each form, their errors, and what is told on the way.

use lazuli_query::request::{Delimited, InputFormat, JsonText, OutputFormat, Request};

use super::{data, headed, json, run, run_in, text};

#[test]
fn records_are_passed_on_with_their_ends_made_alike() {
    let request = text("SELECT * from BlobStorage");
    assert_eq!(data(&request, "a,b\r\nc\r\n\"x,\"\"y\",z"), "a,b\nc\n\"x,\"\"y\",z\n");
    assert_eq!(data(&request, ""), "");
}

#[test]
fn the_form_of_an_answer_is_its_own() {
    let input = Delimited::default();
    let output = Delimited {
        column: b';',
        quote: Some(b'\''),
        record: b".".to_vec(),
        escape: Some(b'\\'),
        headers: false,
    };
    let request = Request {
        input: InputFormat::Delimited(input),
        output: OutputFormat::Delimited(output.clone()),
        ..text("SELECT * FROM BlobStorage")
    };
    assert_eq!(data(&request, "A,b\r\n\"1,0\",1.0\n\nc"), "A;b.1,0;'1.0'.c.");
    let with_names = Request {
        output: OutputFormat::Delimited(Delimited { headers: true, ..output }),
        ..headed("SELECT b, 1 FROM BlobStorage")
    };
    assert_eq!(data(&with_names, "a,b\n1,2\n"), "b;_2.2;1.");
    let all = Request {
        output: OutputFormat::Delimited(Delimited { headers: true, ..Delimited::default() }),
        ..headed("SELECT * FROM BlobStorage")
    };
    assert_eq!(data(&all, "\u{feff}a,b\n1,2\n"), "a,b\n1,2\n");
}

#[test]
fn text_becomes_json_and_json_becomes_text() {
    let to_json = |request: Request| Request {
        output: OutputFormat::Json(JsonText { record: b";".to_vec() }),
        ..request
    };
    let request = to_json(headed("SELECT * FROM BlobStorage"));
    assert_eq!(data(&request, "a,b\n1,\"x\"\"y\",z\n"), r#"{"a":"1","b":"x\"y","_3":"z"};"#);
    let request = to_json(text("SELECT _2, CAST(_1 AS INT) AS n FROM BlobStorage"));
    assert_eq!(data(&request, "1,x\n"), r#"{"_2":"x","n":1};"#);
    let to_text = |expression: &str| Request {
        output: OutputFormat::Delimited(Delimited::default()),
        ..json(expression)
    };
    let input = r#"{"a":1.50,"b":"x,y","c":[1, 2],"d":null}{"a":true}"#;
    let all = to_text("SELECT * FROM BlobStorage");
    assert_eq!(data(&all, input), "1.5,\"x,y\",\"[1,2]\",\ntrue\n");
    let some = to_text("SELECT b, a FROM BlobStorage");
    assert_eq!(data(&some, input), "\"x,y\",1.5\n,true\n");
}

#[test]
fn json_is_answered_as_the_documentation_shows() {
    let request = Request {
        output: OutputFormat::Json(JsonText { record: b";".to_vec() }),
        ..json("SELECT name from BlobStorage")
    };
    let input = "{\"name\": \"owner\", \"id\": 1}\n{\"name2\": \"owner2\"}\n\
                 {\"name\": \"owner\", \"id\": 1}";
    assert_eq!(data(&request, input), r#"{"name":"owner"};{};{"name":"owner"};"#);
    assert_eq!(
        data(&json("SELECT * FROM BlobStorage"), "[1, {\"a\": [ ]}]"),
        "{\"_1\":1}\n{\"a\":[]}\n"
    );
}

#[test]
fn a_record_without_a_column_is_told_and_left_out() {
    let answer =
        run(&text("SELECT _2 FROM BlobStorage WHERE _1 > 250"), "300,a\n400\nx,b\n500,c\n");
    assert_eq!(answer.data, "a\nc\n");
    let errors: Vec<_> =
        answer.errors.iter().map(|(fatal, name, _, at)| (*fatal, name.as_str(), *at)).collect();
    assert_eq!(errors, [(false, "InvalidColumnOrdinal", 6), (false, "InvalidTypeConversion", 10)]);
}

#[test]
fn what_is_not_json_ends_the_answer() {
    let input = "{\"a\":1}\n{name: owner}\n{\"a\":2}\n";
    let answer = run(&json("SELECT * FROM BlobStorage"), input);
    assert_eq!(answer.data, "{\"a\":1}\n");
    let why = "Unexpected token 'n' at [byte: 9]. Expecting tokens '\"' or '}'.";
    assert_eq!(answer.errors, [(true, "ParseError".to_owned(), why.to_owned(), 9)]);
    let answer = run(&json("SELECT COUNT(*) FROM BlobStorage"), "100,hamburger\n");
    assert_eq!(answer.data, "");
    let why = "Unexpected token '1' at [byte: 0]. Expecting tokens '{', or '['.";
    assert_eq!(answer.errors, [(true, "ParseError".to_owned(), why.to_owned(), 0)]);
    let answer =
        run_in(&json("SELECT * FROM BlobStorage"), b"{\"a\":\"\xff\"}", 2).expect("an answer");
    assert_eq!(answer.names(), ["ParseError"]);
}

#[test]
fn pieces_have_whole_records_and_at_least_their_size() {
    let line = format!("{}\n", "x".repeat(999_999));
    let input = line.repeat(25);
    let request = text("SELECT sys.split(10485760) FROM BlobStorage");
    let answer = run_in(&request, input.as_bytes(), 1 << 20).expect("an answer");
    assert_eq!(answer.data, "11000000\n11000000\n3000000\n");
    assert!(answer.progress.len() > 4, "{:?}", answer.progress);
    assert_eq!(answer.progress.last(), Some(&25_000_000));
}

#[test]
fn an_answer_that_is_full_needs_no_more_of_the_blob() {
    let line = "1,2\n".repeat(1 << 18);
    let input = line.repeat(8);
    let request = text("SELECT * FROM BlobStorage LIMIT 2");
    let answer = run_in(&request, input.as_bytes(), 1 << 16).expect("an answer");
    assert_eq!(answer.data, "1,2\n1,2\n");
    assert_eq!(answer.progress, [8]);
}
