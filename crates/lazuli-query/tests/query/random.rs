//! Random conditions over random records, held against an evaluator that is as plain as can be.

use proptest::prelude::*;

use super::{data, text};

/// A condition over three columns of whole numbers.
#[derive(Clone, Debug)]
enum Condition {
    Compare(usize, &'static str, i64),
    In(usize, Vec<i64>),
    Between(usize, i64, i64),
    Sum(i64),
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
}

impl Condition {
    fn sql(&self) -> String {
        let joined = |terms: &[Condition], operator: &str| {
            let terms: Vec<String> = terms.iter().map(Condition::sql).collect();
            format!("({})", terms.join(operator))
        };
        match self {
            Self::Compare(column, operator, value) => format!("_{} {operator} {value}", column + 1),
            Self::In(column, values) => {
                let values: Vec<String> = values.iter().map(i64::to_string).collect();
                format!("_{} IN ({})", column + 1, values.join(", "))
            }
            Self::Between(column, low, high) => {
                format!("_{} BETWEEN {low} AND {high}", column + 1)
            }
            Self::Sum(value) => format!("_1 + _2 * 2 - _3 > {value}"),
            Self::Not(inner) => format!("NOT ({})", inner.sql()),
            Self::And(terms) => joined(terms, " AND "),
            Self::Or(terms) => joined(terms, " OR "),
        }
    }

    fn holds(&self, record: &[i64]) -> bool {
        match self {
            Self::Compare(column, operator, value) => match *operator {
                "=" => record[*column] == *value,
                "<>" => record[*column] != *value,
                "<" => record[*column] < *value,
                "<=" => record[*column] <= *value,
                ">" => record[*column] > *value,
                _ => record[*column] >= *value,
            },
            Self::In(column, values) => values.contains(&record[*column]),
            Self::Between(column, low, high) => (*low..=*high).contains(&record[*column]),
            Self::Sum(value) => record[0] + record[1] * 2 - record[2] > *value,
            Self::Not(inner) => !inner.holds(record),
            Self::And(terms) => terms.iter().all(|term| term.holds(record)),
            Self::Or(terms) => terms.iter().any(|term| term.holds(record)),
        }
    }
}

fn condition() -> impl Strategy<Value = Condition> {
    let small = -4_i64..5;
    let operator = prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        (0_usize..3, operator, small.clone()).prop_map(|(a, b, c)| Condition::Compare(a, b, c)),
        (0_usize..3, prop::collection::vec(small.clone(), 1..4))
            .prop_map(|(a, b)| Condition::In(a, b)),
        (0_usize..3, small.clone(), small.clone())
            .prop_map(|(a, b, c)| Condition::Between(a, b, c)),
        small.prop_map(Condition::Sum),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| Condition::Not(Box::new(inner))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Condition::And),
            prop::collection::vec(inner, 2..4).prop_map(Condition::Or),
        ]
    })
}

proptest! {
    #[test]
    fn conditions_choose_the_records_that_the_plain_evaluator_chooses(
        condition in condition(),
        records in prop::collection::vec(prop::collection::vec(-4_i64..5, 3), 0..12),
    ) {
        let line = |record: &Vec<i64>| format!("{},{},{}\n", record[0], record[1], record[2]);
        let input: String = records.iter().map(line).collect();
        let expected: String =
            records.iter().filter(|record| condition.holds(record)).map(line).collect();
        let sql = condition.sql();
        let all = text(&format!("SELECT * FROM BlobStorage WHERE {sql}"));
        prop_assert_eq!(data(&all, &input), expected.clone(), "{}", sql);
        let count = text(&format!("SELECT COUNT(*) FROM BlobStorage WHERE {sql}"));
        prop_assert_eq!(data(&count, &input), format!("{}\n", expected.lines().count()));
    }

    #[test]
    fn no_query_panics(
        near in "(SELECT|FROM|BlobStorage|WHERE|_1|a|'x'|1|\\(|\\)|,|\\*|=| |AND|OR|NOT|IN|IS|\
                 MISSING|NULL|LIKE|CASE|WHEN|END|CAST|AS|INT|\\[|\\]|\\.|-|LIMIT|BETWEEN|TRIM|\
                 EXTRACT|\"|;){0,30}",
    ) {
        let _ = super::run_in(&text(&near), b"1,2\n", 2);
        let _ = super::run_in(&text(&format!("SELECT {near} FROM BlobStorage")), b"1,2\n", 2);
        let near = format!("SELECT * FROM BlobStorage WHERE {near}");
        let _ = super::run_in(&text(&near), b"1,2\n", 2);
    }
}
