//! What is asked for: scheme, host, port, path and query.

use std::fmt::Write as _;
use std::net::IpAddr;

/// An address of content. The path and query go out as they are, but for bytes that a request line
/// cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    secure: bool,
    host: String,
    port: u16,
    path_and_query: String,
}

impl Target {
    /// A target. The host is a name or an address, an IPv6 address with or without its brackets.
    pub fn new(secure: bool, host: &str, port: u16, (path, query): (&str, &str)) -> Self {
        let mut path_and_query = String::with_capacity(path.len() + query.len() + 1);
        push_visible(&mut path_and_query, if path.is_empty() { "/" } else { path });
        if !query.is_empty() {
            path_and_query.push('?');
            push_visible(&mut path_and_query, query);
        }
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        Self { secure, host, port, path_and_query }
    }

    /// Whether it is reached over TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host as an address, if it is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same target with more in its query.
    #[must_use]
    pub fn with_query(&self, more: &str) -> Self {
        let mark = if self.path_and_query.contains('?') { '&' } else { '?' };
        Self { path_and_query: format!("{}{mark}{more}", self.path_and_query), ..self.clone() }
    }

    pub(crate) fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// The value of `Host`.
    pub(crate) fn authority(&self) -> String {
        let is_default = self.port == if self.secure { 443 } else { 80 };
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if is_default { host } else { format!("{host}:{}", self.port) }
    }
}

/// Adds a text, what is not visible ASCII in percent-encoding: nothing can end a request line.
fn push_visible(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_graphic() {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn nothing_in_a_target_ends_a_line() {
        let target = Target::new(false, "H", 80, ("/a b\r\nX: y/é", "s=1 2"));
        assert_eq!(target.path_and_query(), "/a%20b%0D%0AX:%20y/%C3%A9?s=1%202");
        assert_eq!(target.with_query("comp=tags").path_and_query().split('&').count(), 2);
    }

    #[test]
    fn the_host_header_has_the_port_if_it_is_not_the_schemes() {
        for (secure, host, port, want) in [
            (true, "A.b", 443, "a.b"),
            (true, "a", 80, "a:80"),
            (false, "a", 80, "a"),
            (false, "[::1]", 80, "[::1]"),
            (false, "::1", 8080, "[::1]:8080"),
        ] {
            assert_eq!(Target::new(secure, host, port, ("/", "")).authority(), want);
        }
    }
}
