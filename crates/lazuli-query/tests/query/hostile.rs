//! Queries and blobs that want to cost more than they should.

use lazuli_model::ErrorCode;
use lazuli_query::{Progress, Query};

use super::{NOW, data, json, refusal, run_in, text};

#[test]
fn queries_of_many_terms_or_levels_are_refused() {
    let wrapped = |condition: String| text(&format!("SELECT * FROM BlobStorage WHERE {condition}"));
    let many = |term: &str, operator: &str, count: usize| vec![term; count].join(operator);
    for condition in [
        many("_1 = 1", " OR ", 10_000),
        many("1", " + ", 10_000),
        many("1", " + ", 200),
        format!("_1 IN ({})", many("1", ",", 10_000)),
        format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("{}1{}", "(".repeat(500), ")".repeat(500)),
        format!("{}TRUE", "NOT ".repeat(10_000)),
        format!("{}TRUE", "NOT ".repeat(500)),
        format!("{}1", "- ".repeat(900)),
        format!("{}1{}", "LOWER(".repeat(400), ")".repeat(400)),
        format!("{}1{}", "CASE WHEN ".repeat(400), " THEN 1 END".repeat(400)),
        format!("CAST(_1 AS {}", "ARRAY<".repeat(900)),
        format!("_1{}", ".a".repeat(900)),
        format!("_1{}", "[0]".repeat(600)),
        "(".repeat(1_900),
        format!("_1 = '{}'", "x".repeat(300_000)),
        format!("_1 LIKE '{}'", "x".repeat(2_000)),
    ] {
        let code = refusal(&wrapped(condition.clone()), "1\n").code();
        let shown: String = condition.chars().take(40).collect();
        assert_eq!(code, ErrorCode::ErrorProcessingQueryExpression, "{shown}");
    }
    let honest = [many("_1 = 1", " OR ", 400), format!("_1 IN ({})", many("1", ",", 900))];
    for condition in honest {
        assert_eq!(data(&wrapped(condition), "1\n"), "1\n");
    }
}

#[test]
fn results_come_in_pieces_however_large_they_are() {
    let request = text(&format!("SELECT '{}' FROM BlobStorage", "x".repeat(100_000)));
    let now = lazuli_base::Timestamp::from_unix_seconds(NOW);
    let mut query = Query::new(&request, 2_000, now, [0; 16]).expect("a query");
    query.push(&b"1\n".repeat(1_000));
    query.finish();
    let (mut total, mut turns) = (0, 0);
    loop {
        let mut out = Vec::new();
        let progress = query.advance(&mut out).expect("an answer");
        assert!(out.len() < 500_000, "{}", out.len());
        total += out.len();
        turns += 1;
        if progress == Progress::Done {
            break;
        }
    }
    assert!(total > 100_000_000 && turns > 200, "{total} bytes in {turns} turns");
}

#[test]
fn work_is_bounded_between_returns() {
    let terms = vec!["_1 = '2'"; 480].join(" OR ");
    let request = text(&format!("SELECT * FROM BlobStorage WHERE {terms}"));
    let input = b"1\n".repeat(20_000);
    let now = lazuli_base::Timestamp::from_unix_seconds(NOW);
    let mut query = Query::new(&request, input.len() as u64, now, [0; 16]).expect("a query");
    query.push(&input);
    query.finish();
    let mut turns = 0;
    while query.advance(&mut Vec::new()).expect("an answer") != Progress::Done {
        turns += 1;
    }
    assert!(turns > 50, "{turns}");
}

#[test]
fn a_value_of_too_many_records_is_an_error() {
    let request = json(&format!("SELECT '{}' FROM BlobStorage[*].a[*]", "x".repeat(10_000)));
    let input = format!("{{\"a\":[{}]}}", vec!["1"; 20_000].join(","));
    let answer = run_in(&request, input.as_bytes(), usize::MAX).expect("an answer");
    assert_eq!(answer.names(), ["ParseError"]);
    assert!(answer.data.len() < 100_000_000, "{}", answer.data.len());
}

#[test]
fn records_without_end_are_errors() {
    let long = "x".repeat(3 << 20);
    let answer = run_in(&text("SELECT * FROM BlobStorage"), long.as_bytes(), 1 << 20);
    assert_eq!(answer.expect("an answer").names(), ["ParseError"]);
    let long = format!("{{\"a\":\"{long}\"}}");
    let answer = run_in(&json("SELECT * FROM BlobStorage"), long.as_bytes(), 1 << 20);
    assert_eq!(answer.expect("an answer").names(), ["ParseError"]);
}

#[test]
fn errors_are_counted_after_the_first_thousand() {
    let answer = run_in(&text("SELECT _2 FROM BlobStorage"), &b"1\n".repeat(5_000), 4_096);
    let answer = answer.expect("an answer");
    assert_eq!(answer.errors.len(), 1_001);
    let last = answer.errors.last().expect("errors");
    assert_eq!(
        (last.1.as_str(), last.2.as_str()),
        ("TooManyErrors", "4000 further records have errors.")
    );
}
