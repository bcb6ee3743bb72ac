//! The URL in `x-ms-copy-source`, split but not decoded.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/copy-blob#request-headers>

use lazuli_model::Refusal;

/// The longest source URL, in bytes.
const URL_BYTES_MAX: usize = 2 * 1024;

/// An absolute URL of a copy's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopySource<'a> {
    /// Whether the scheme is `https`.
    pub secure: bool,
    /// The host as sent; an IPv6 address in its brackets.
    pub host: &'a str,
    /// The port, the scheme's own if none was sent.
    pub port: u16,
    /// The path as sent, with its leading slash.
    pub raw_path: &'a str,
    /// What follows `?`, as sent; empty if nothing does.
    pub raw_query: &'a str,
}

/// Splits the value of the header `name`.
///
/// `InvalidHeaderValue` for what is no absolute HTTP URL of at most 2 KiB with a path.
pub fn parse<'a>(name: &str, value: &'a str) -> Result<CopySource<'a>, Refusal> {
    split(value).ok_or_else(|| {
        let shown: String = value.chars().take(URL_BYTES_MAX).collect();
        Refusal::header_value(name, shown)
    })
}

fn split(url: &str) -> Option<CopySource<'_>> {
    let allowed = |byte: u8| byte.is_ascii_graphic() || byte >= 0x80;
    if url.len() > URL_BYTES_MAX || !url.bytes().all(allowed) {
        return None;
    }
    let (scheme, rest) = url.split_once("://")?;
    let secure = scheme.eq_ignore_ascii_case("https");
    if !secure && !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    let (authority, path_and_query) = rest.split_at(rest.find('/')?);
    let (raw_path, raw_query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let (host, port) = match authority.rfind(':') {
        Some(colon) if !authority.ends_with(']') => {
            let (host, port) = authority.split_at(colon);
            let digits = port.trim_start_matches(':');
            if port.len() != digits.len() + 1 || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            (host, digits.parse().ok()?)
        }
        _ => (authority, if secure { 443 } else { 80 }),
    };
    is_host(host).then_some(CopySource { secure, host, port, raw_path, raw_query })
}

/// A name, an IPv4 address or an IPv6 address in brackets; no user information.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|a| a.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !host.is_empty() && host.bytes().all(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lazuli_model::ErrorCode;
    use proptest::prelude::*;

    #[test]
    fn splits_without_decoding() {
        assert_eq!(
            parse("x", "https://a.blob.core.windows.net/c/b%20c?snapshot=1&sig=x%2F#f"),
            Ok(CopySource {
                secure: true,
                host: "a.blob.core.windows.net",
                port: 443,
                raw_path: "/c/b%20c",
                raw_query: "snapshot=1&sig=x%2F",
            })
        );
        let local = parse("x", "http://127.0.0.1:10000/a/c/b").unwrap();
        assert_eq!((local.host, local.port, local.raw_query), ("127.0.0.1", 10_000, ""));
        let six = parse("x", "HTTP://[::1]:8/é").unwrap();
        assert_eq!((six.host, six.port, six.raw_path), ("[::1]", 8, "/é"));
        assert_eq!(parse("x", "http://[::1]/").unwrap().port, 80);
    }

    #[test]
    fn what_is_no_absolute_url_is_refused() {
        let long = format!("http://h/{}", "x".repeat(URL_BYTES_MAX));
        for url in [
            "",
            "/c/b",
            "ftp://h/b",
            "http://h",
            "http:///b",
            "http://h:x/b",
            "http://h:99999/b",
            "http://u@h/b",
            "http://h/a b",
            "http://[::1/b",
            "http://h::1/b",
            "http://h:/b",
            "http://h?x/b",
            &long,
        ] {
            let refusal = parse("x-ms-copy-source", url).unwrap_err();
            assert_eq!(refusal.code(), ErrorCode::InvalidHeaderValue, "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), near in "https?://[a-z:@\\[\\]0-9/?#é]{0,20}") {
            let _ = (split(&text), split(&near));
        }
    }
}
