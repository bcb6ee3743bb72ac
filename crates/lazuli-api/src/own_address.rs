//! The addresses that requests to this server's Blob service come in at, as URLs write them.

use std::net::{IpAddr, SocketAddr};

use lazuli_wire::copy_source::CopySource;

/// The name of the loopback, which resolves nowhere else (RFC 6761, section 6.3), nor does any below.
const LOOPBACK: &str = "localhost";

/// Whether a URL names the listener bound to `listener`: its very port at its address, or at the
/// loopback's names if it listens there. Nothing is looked up and nothing asked: any other name,
/// and any other port of this machine, is not this server's.
pub(crate) fn names(
    source: &CopySource<'_>,
    listener: SocketAddr,
    is_account: impl Fn(&str) -> bool,
) -> bool {
    if source.port != listener.port() {
        return false;
    }
    let bound = listener.ip().to_canonical();
    let on_loopback = bound.is_loopback() || bound.is_unspecified();
    let host = source.host.trim_matches(['[', ']']);
    if let Ok(address) = host.parse::<IpAddr>() {
        let is_loopback = [[127, 0, 0, 1].into(), std::net::Ipv6Addr::LOCALHOST.into()]
            .contains(&address.to_canonical());
        return address.to_canonical() == bound && !bound.is_unspecified()
            || is_loopback && on_loopback;
    }
    let host = host.to_ascii_lowercase();
    let name = host.strip_suffix(LOOPBACK).filter(|_| on_loopback);
    name.is_some_and(|account| match account.strip_suffix('.') {
        // `ACCOUNT.localhost`, or a subdomain of the service: `ACCOUNT.blob.localhost`.
        Some(below) => {
            let label = below.split_once('.').map_or(below, |(label, _)| label);
            is_account(label.trim_end_matches("-secondary"))
        }
        None => account.is_empty(),
    })
}

#[cfg(test)]
mod tests {
    use lazuli_wire::copy_source::parse;

    use super::*;

    fn is_named(host: &str, listener: &str) -> bool {
        let url = format!("http://{host}/acct/box/blob");
        names(&parse("x", &url).unwrap(), listener.parse().unwrap(), |name| name == "acct")
    }

    #[test]
    fn a_listener_has_its_address_and_those_of_the_loopback() {
        let loopback = [
            "127.0.0.1:9",
            "localhost:9",
            "LocalHost:9",
            "[::1]:9",
            "[::ffff:127.0.0.1]:9",
            "acct.localhost:9",
            "acct.blob.localhost:9",
            "acct-secondary.blob.localhost:9",
        ];
        for host in loopback {
            for listener in ["127.0.0.1:9", "[::1]:9", "0.0.0.0:9", "[::]:9"] {
                assert!(is_named(host, listener), "{host} at {listener}");
            }
            assert!(!is_named(host, "10.0.0.5:9"), "{host}");
            assert!(!is_named(host, "127.0.0.1:8"), "{host}");
        }
        assert!(is_named("10.0.0.5:9", "10.0.0.5:9"));
        assert!(is_named("127.0.0.1", "127.0.0.1:80"));
    }

    #[test]
    fn nothing_else_is_the_listener() {
        for host in [
            "127.0.0.1",
            "localhost",
            "127.0.0.1:10",
            "localhost:10",
            "127.0.0.2:9",
            "127.1:9",
            "2130706433:9",
            "0.0.0.0:9",
            "[::]:9",
            "10.0.0.5:9",
            "localhost.:9",
            "localhost.example:9",
            "notlocalhost:9",
            ".localhost:9",
            "other.localhost:9",
            "acct.example:9",
            "acct.blob.core.windows.net:9",
        ] {
            for listener in ["127.0.0.1:9", "0.0.0.0:9", "[::]:9"] {
                assert!(!is_named(host, listener), "{host} at {listener}");
            }
        }
    }
}
