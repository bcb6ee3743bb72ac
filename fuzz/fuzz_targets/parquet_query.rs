//! Queries of Parquet: a byte of settings, the SQL up to the first line feed, then the blob.
//!
//! Whatever the blob says, the answer ends, asks only for bytes that the blob has, and never for
//! more at a time than a page and its header may have.
#![no_main]

use lazuli_base::Timestamp;
use lazuli_fuzz::{first_line, text};
use lazuli_query::request::{
    ArrowField, ArrowKind, Delimited, InputFormat, JsonText, OutputFormat, Request,
};
use lazuli_query::{Progress, Query};
use libfuzzer_sys::fuzz_target;

/// The most bytes that may be asked for at a time.
const WANTED_MAX: u64 = 18 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((settings, rest)) = data.split_first() else { return };
    let (expression, blob) = first_line(rest);
    let field = |kind: ArrowKind| ArrowField { name: "c".to_owned(), kind };
    let output = match settings % 4 {
        0 => OutputFormat::Json(JsonText::default()),
        1 => OutputFormat::Arrow(vec![field(ArrowKind::Text), field(ArrowKind::Double)]),
        2 => OutputFormat::Arrow(vec![field(ArrowKind::Decimal { precision: 9, scale: 3 })]),
        _ => OutputFormat::Delimited(Delimited::default()),
    };
    let input = InputFormat::Parquet;
    let request = Request { expression: text(expression), input, output };
    let now = Timestamp::from_unix_seconds(1_700_000_000);
    let Ok(mut query) = Query::new(&request, blob.len() as u64, now, [0; 16]) else { return };
    let mut begun = false;
    // A few bytes can stand for billions of rows, which is work and no fault: it is left then.
    for _ in 0..1_000 {
        let mut out = Vec::new();
        let Ok(progress) = query.advance(&mut out) else { return };
        begun = begun || out.starts_with(b"Obj\x01");
        match progress {
            Progress::Busy => {}
            Progress::Starved => panic!("Parquet is read by ranges"),
            Progress::Wanted { first, bytes } => {
                assert!(bytes > 0 && bytes <= WANTED_MAX, "{bytes} bytes are asked for");
                let rest = blob.get(first as usize..).unwrap_or_default();
                let part = rest.get(..bytes as usize).expect("what is asked for is in the blob");
                query.push(part);
            }
            Progress::Done => {
                assert!(begun, "an answer is a container file");
                return;
            }
        }
    }
});
