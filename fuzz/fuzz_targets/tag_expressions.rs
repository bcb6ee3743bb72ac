//! Conditions on tags and searches by tags: a first line of tags as a header, then an expression.
#![no_main]

use lazuli_fuzz::{first_line, text};
use lazuli_model::tag_expression::{FindExpression, TagExpression};
use lazuli_model::tags::TagSet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (tags, expression) = first_line(data);
    let tags = TagSet::from_header(&text(tags)).unwrap_or_default();
    let expression = text(expression);
    let condition = TagExpression::parse("x-ms-if-tags", &expression);
    if let Ok(condition) = &condition {
        let _ = condition.eval(&tags);
    }
    if let Ok(search) = FindExpression::parse(&expression) {
        assert!(search.terms().len() <= 10, "a search has at most ten tags");
        let container = search.container().unwrap_or("c").to_owned();
        if search.matches(&container, &tags) {
            assert!(search.terms().iter().all(|term| tags.get(&term.key).is_some()));
        }
    }
});
