//! Queries of blobs: a byte of settings, the SQL up to the first line feed, then the blob.
//!
//! Whatever they say, the answer ends, and only with the beginning of a container file.
#![no_main]

use lazuli_base::Timestamp;
use lazuli_fuzz::{first_line, text};
use lazuli_query::request::{self, Delimited, InputFormat, JsonText, OutputFormat, Request};
use lazuli_query::{Progress, Query};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = request::read(data);
    let Some((settings, rest)) = data.split_first() else { return };
    let (expression, blob) = first_line(rest);
    let is = |bit: u8| settings & bit != 0;
    let form = Delimited {
        headers: is(1),
        escape: is(2).then_some(b'\\'),
        quote: (!is(4)).then_some(b'"'),
        record: if is(8) { b"\r\n".to_vec() } else { b"\n".to_vec() },
        ..Delimited::default()
    };
    let input = match is(16) {
        true => InputFormat::Json(JsonText::default()),
        false => InputFormat::Delimited(form),
    };
    let output = match is(32) {
        true => OutputFormat::Json(JsonText::default()),
        false => {
            OutputFormat::Delimited(Delimited { record: b";".to_vec(), ..Delimited::default() })
        }
    };
    let request = Request { expression: text(expression), input, output };
    let now = Timestamp::from_unix_seconds(1_700_000_000);
    let Ok(mut query) = Query::new(&request, blob.len() as u64, now, [0; 16]) else { return };
    let mut pieces = blob.chunks(if is(64) { 3 } else { 4096 });
    let mut out = Vec::new();
    for _ in 0..100_000 {
        match query.advance(&mut out) {
            Err(_) => return,
            Ok(Progress::Busy) => {}
            Ok(Progress::Starved) => match pieces.next() {
                Some(piece) => query.push(piece),
                None => query.finish(),
            },
            Ok(Progress::Done) => {
                assert!(out.starts_with(b"Obj\x01"), "an answer is a container file");
                return;
            }
        }
    }
    panic!("a query of {} bytes does not end", blob.len());
});
