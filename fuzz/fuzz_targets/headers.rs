//! Headers of every kind.
#![no_main]

use lazuli_fuzz::headers;
use lazuli_wire::headers as codec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let headers = headers(data);
    let _ = (codec::body_checksums(&headers).is_ok(), codec::content_length(&headers));
    for name in headers.keys().map(http::HeaderName::as_str) {
        let _ = (codec::text(&headers, name), codec::non_empty(&headers, name));
        let _ = (codec::boolean(&headers, name), codec::date(&headers, name));
        let _ = (codec::unsigned(&headers, name), codec::signed(&headers, name));
        let _ = (codec::md5(&headers, name), codec::crc64(&headers, name));
    }
});
