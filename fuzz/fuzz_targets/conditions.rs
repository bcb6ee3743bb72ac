//! Conditional headers: lines `If-Match`, `If-None-Match` and tags' condition, held against a
//! blob. The same question has the same answer, and `*` matches whatever is there.
#![no_main]

use lazuli_base::Timestamp;
use lazuli_fuzz::text;
use lazuli_model::conditions::{Conditions, Current, ETagMatch};
use lazuli_model::tag_expression::TagExpression;
use lazuli_model::tags::TagSet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = text(data);
    let mut lines = text.split('\n');
    let mut next = || lines.next().filter(|line| !line.is_empty());
    let moment = |seconds: &str| {
        seconds.parse().ok().map(|seconds: u32| Timestamp::from_unix_seconds(i64::from(seconds)))
    };
    let conditions = Conditions {
        if_match: next().map(ETagMatch::parse),
        if_none_match: next().map(ETagMatch::parse),
        if_modified_since: next().and_then(moment),
        if_unmodified_since: next().and_then(moment),
        if_tags: next().and_then(|line| TagExpression::parse("x-ms-if-tags", line).ok()),
        ..Conditions::default()
    };
    let tags = TagSet::default();
    let modified = Timestamp::from_unix_seconds(1_760_000_000);
    let current = Current { etag: "\"0x8DB4473EB8E472D\"", modified, tags: &tags };
    let _ = conditions.check_read(Some(current));
    let _ = (conditions.check_read(None), conditions.check_source(Some(current)));
    let _ = (conditions.check_source(None), conditions.check_container(modified));
    for creating in [false, true] {
        let first = conditions.check_write(Some(current), creating);
        assert_eq!(first, conditions.check_write(Some(current), creating));
        let _ = conditions.check_write(None, creating);
        if conditions.is_empty() {
            assert!(first.is_ok(), "no condition was not met");
        }
    }
});
