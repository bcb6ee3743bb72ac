//! The grammar of filters: constants, precedence, and what is no filter.

use lazuli_base::Timestamp;
use proptest::prelude::*;

use super::*;

fn property(name: &str) -> Operand {
    Operand::Property(name.to_owned())
}

fn compare(name: &str, comparison: Comparison, value: EdmValue) -> Filter {
    Filter::Compare(property(name), comparison, Operand::Constant(value))
}

fn is_one(name: &str) -> Filter {
    compare(name, Comparison::Equal, EdmValue::Int32(1))
}

#[test]
fn every_kind_of_constant() {
    for (text, value) in [
        ("'O''Brien '", EdmValue::String("O'Brien ".into())),
        ("''", EdmValue::String(String::new())),
        ("1", EdmValue::Int32(1)),
        ("-5", EdmValue::Int32(-5)),
        ("2147483648", EdmValue::Int64(2_147_483_648)),
        ("123L", EdmValue::Int64(123)),
        ("1.5", EdmValue::Double(1.5)),
        ("1e3", EdmValue::Double(1000.0)),
        ("1.5E-3", EdmValue::Double(0.0015)),
        ("-INF", EdmValue::Double(f64::NEG_INFINITY)),
        ("true", EdmValue::Boolean(true)),
        ("X'00ff'", EdmValue::Binary(vec![0, 255])),
        ("binary'00ff'", EdmValue::Binary(vec![0, 255])),
        ("datetime'1970-01-01T00:00:00Z'", EdmValue::DateTime(Timestamp::from_unix_seconds(0))),
        ("guid'00000000-0000-0000-0000-000000000001'", {
            let mut bytes = [0; 16];
            bytes[15] = 1;
            EdmValue::Guid(bytes)
        }),
    ] {
        let filter = parse(&format!("A ge {text}")).unwrap();
        assert_eq!(filter, compare("A", Comparison::GreaterOrEqual, value.clone()), "{text}");
        let filter = parse(&format!("{text} lt A")).unwrap();
        let constant = Operand::Constant(value);
        assert_eq!(filter, Filter::Compare(constant, Comparison::Less, property("A")), "{text}");
    }
}

#[test]
fn not_binds_before_and_before_or() {
    let negated = |filter| Filter::Not(Box::new(filter));
    for (text, expected) in [
        (
            "A eq 1 or B eq 1 and not C eq 1",
            Filter::Or(vec![is_one("A"), Filter::And(vec![is_one("B"), negated(is_one("C"))])]),
        ),
        (
            "(A eq 1 or B eq 1)and(C eq 1)",
            Filter::And(vec![Filter::Or(vec![is_one("A"), is_one("B")]), is_one("C")]),
        ),
        ("not(A eq 1 or B eq 1)", negated(Filter::Or(vec![is_one("A"), is_one("B")]))),
        ("not not A", negated(negated(Filter::Truth(property("A"))))),
        ("  A  eq\t1 ", is_one("A")),
    ] {
        assert_eq!(parse(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn what_is_no_filter_is_refused() {
    let many = vec!["A eq 1"; 10_000].join(" or ");
    let some = vec!["A eq 1"; COMPARISONS_MAX + 1].join(" or ");
    let deep = format!("{}A{}", "(".repeat(10_000), ")".repeat(10_000));
    let negated = format!("{}A", "not ".repeat(5_000));
    for text in [
        "",
        " ",
        "A eq",
        "eq 1",
        "A eq 1 and",
        "A eq 1 B",
        "(A eq 1",
        "A eq 1)",
        "A == 1",
        "1 eq 1",
        "'a'",
        "A eq 'x",
        "A eq 1x",
        "A eq 99999999999999999999L",
        "A eq datetime'x'",
        "A eq guid'1'",
        "A eq X'0'",
        "A eq foo'x'",
        "A eq 1.8e308",
        "()",
        "garbage (((",
        "A EQ 1",
        "A eq $b",
        &many,
        &some,
        &deep,
        &negated,
    ] {
        let code = parse(text).unwrap_err().code();
        assert_eq!(code, ErrorCode::InvalidInput, "{}", text.get(..40).unwrap_or(text));
    }
    for text in ["startswith(A,'x')", "A eq null", "A add 1 eq 2", "substringof('a',A) eq true"] {
        assert_eq!(parse(text).unwrap_err().code(), ErrorCode::NotImplemented, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "[()'A-Z a-z0-9.+-]{0,80}", words in proptest::collection::vec(
        prop_oneof![Just("and"), Just("or"), Just("not"), Just("("), Just(")"), Just("A"),
            Just("eq"), Just("'x'"), Just("1"), Just("datetime'"), Just("é")], 0..20)) {
        let _ = parse(&text);
        let _ = parse(&words.join(" "));
    }
}
