//! Where may be read from: names of hosts that are listed, and addresses that are public or listed.
//!
//! A name alone proves nothing, for its owner chooses what it resolves to; so the address that is
//! connected to is checked, after it was resolved and before anything is sent.
//!
//! <https://www.iana.org/assignments/iana-ipv4-special-registry>,
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A pattern for hosts: `*` for any, `*.example.com` for names below one, `example.com`, or an
/// address; each may end in `:PORT` to admit that port only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    name: Name,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Any,
    /// With its leading dot.
    Below(String),
    Exactly(String),
}

/// A text that is no [`HostPattern`] or no [`Network`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError(&'static str);

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for PatternError {}

impl FromStr for HostPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let wrong = || PatternError("a host is `NAME`, `*.NAME` or `*`, with or without `:PORT`");
        let text = text.trim().to_ascii_lowercase();
        let (host, port) = match text.rsplit_once(':') {
            // The colons of an address in brackets, or without any, are not the one of a port.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host.to_owned(), Some(port.parse().map_err(|_| wrong())?))
            }
            _ => (text, None),
        };
        let host = host.trim_matches(['[', ']']);
        let is_name = |name: &str| {
            let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
            !name.is_empty()
                && !name.starts_with('.')
                && !name.ends_with('.')
                && name.bytes().all(good)
        };
        let name = match host.strip_prefix("*.") {
            _ if host == "*" => Name::Any,
            Some(rest) if is_name(rest) => Name::Below(format!(".{rest}")),
            None if is_name(host) => Name::Exactly(host.to_owned()),
            _ => return Err(wrong()),
        };
        Ok(Self { name, port })
    }
}

impl HostPattern {
    fn admits(&self, host: &str, port: u16) -> bool {
        let named = match &self.name {
            Name::Any => true,
            Name::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
            Name::Exactly(name) => host == name,
        };
        named && self.port.is_none_or(|only| only == port)
    }
}

/// A network of addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// All addresses as IPv6, so that there is one comparison.
    bits: u128,
    prefix: u32,
}

impl FromStr for Network {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let wrong = || PatternError("a network is `ADDRESS/BITS` or an address");
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let (most, before) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let prefix: u32 = match prefix {
            None => most,
            Some(prefix) => prefix.parse().map_err(|_| wrong())?,
        };
        if prefix > most {
            return Err(wrong());
        }
        Ok(Self { bits: bits_of(address), prefix: prefix + before })
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        let differs = self.bits ^ bits_of(address);
        self.prefix == 0 || differs >> (128 - self.prefix) == 0
    }
}

/// An address as IPv6; an IPv4 address as it is mapped there.
fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Which hosts and addresses may be read from. The default admits none.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    hosts: Vec<HostPattern>,
    networks: Vec<Network>,
}

impl Guard {
    /// A guard that admits hosts that match one of `hosts`, where they have a public address or one
    /// of `networks`.
    pub fn new(hosts: Vec<HostPattern>, networks: Vec<Network>) -> Self {
        Self { hosts, networks }
    }

    /// Whether a host and port are listed. The host is in lower case and without brackets.
    pub fn admits_host(&self, host: &str, port: u16) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        self.hosts.iter().any(|pattern| pattern.admits(host, port))
    }

    /// Whether an address may be connected to.
    pub fn admits_address(&self, address: IpAddr) -> bool {
        is_public(address) || self.networks.iter().any(|network| network.contains(address))
    }
}

/// Whether an address belongs to the public internet.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match a {
        0 | 10 | 127 | 224.. => true,
        100 => (64..128).contains(&b),
        169 => b == 254,
        172 => (16..32).contains(&b),
        192 => matches!((b, c), (168, _) | (0, 0 | 2) | (88, 99)),
        198 => matches!((b, c), (18 | 19, _) | (51, 100)),
        203 => (b, c) == (0, 113),
        // Where the machines of a cloud find their keeper.
        168 => address == Ipv4Addr::new(168, 63, 129, 16),
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments @ [first, second, third, ..] = address.segments();
    let embedded = |high: u16, low: u16| {
        is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
    };
    match first {
        // A gateway would turn these into the IPv4 address inside.
        0x64 if segments[1..6] == [0xff9b, 0, 0, 0, 0] => embedded(segments[6], segments[7]),
        0x2002 => embedded(second, third),
        // Special purposes, documentation.
        0x2001 => second >= 0x200 && second != 0xdb8,
        0x3fff => second >= 0x1000,
        0x2000..0x4000 => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECIAL: &str = "0.0.0.0 0.1.2.3 10.1.2.3 100.64.0.1 100.127.9.9 127.0.0.1 127.9.9.9 169.254.169.254 \
        172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.168.1.1 192.88.99.1 198.18.0.1 \
        198.19.0.1 198.51.100.1 203.0.113.7 224.0.0.1 240.0.0.1 255.255.255.255 \
        168.63.129.16 :: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1 fe80::1 febf::1 \
        fc00::1 fd12::1 fec0::1 ff02::1 64:ff9b::7f00:1 64:ff9b:1::1 2002:a00:1::1 2001::1 \
        2001:db8::1 2001:10::1 100::1 3fff::1 5f00::1";

    const PUBLIC: &str = "1.1.1.1 20.60.0.1 100.63.0.1 100.128.0.1 172.15.0.1 172.32.0.1 168.63.129.17 \
        192.0.1.1 223.255.255.1 ::ffff:1.1.1.1 2603:1030::1 2606:4700::1 64:ff9b::101:101 \
        2002:101:101::1";

    fn pattern(text: &str) -> HostPattern {
        text.parse().expect("a pattern")
    }

    #[test]
    fn patterns_admit_names_below_and_ports() {
        for (text, host, port, want) in [
            ("*", "anything", 1, true),
            ("*:443", "anything", 80, false),
            ("*.blob.core.windows.net", "a.blob.core.windows.net", 443, true),
            ("*.blob.core.windows.net", "a.z1.blob.core.windows.net", 443, true),
            ("*.blob.core.windows.net", "blob.core.windows.net", 443, false),
            ("*.blob.core.windows.net", "evilblob.core.windows.net", 443, false),
            ("*.blob.core.windows.net", "a.blob.core.windows.net.evil", 443, false),
            ("Example.com", "example.com", 80, true),
            ("example.com:8080", "example.com", 80, false),
            ("example.com:8080", "example.com", 8080, true),
            ("127.0.0.1:10000", "127.0.0.1", 10_000, true),
            ("[::1]:10000", "::1", 10_000, true),
            ("::1", "::1", 5, true),
        ] {
            assert_eq!(pattern(text).admits(host, port), want, "{text} {host}:{port}");
        }
        assert!(Guard::new(vec![pattern("a.b")], vec![]).admits_host("a.b.", 1));
        for text in ["", "*.", "a b", "a*", "*.*.c", "a:x", "a:70000", ".a", "http://a/b"] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_public_addresses_are_admitted() {
        let guard = Guard::new(vec![], vec![]);
        for address in SPECIAL.split(' ') {
            assert!(!guard.admits_address(address.parse().expect("an address")), "{address}");
        }
        for address in PUBLIC.split(' ') {
            assert!(guard.admits_address(address.parse().expect("an address")), "{address}");
        }
    }

    #[test]
    fn networks_admit_what_is_not_public() {
        let networks = ["127.0.0.0/8", "fd00::/8", "10.1.2.3"].map(str::parse);
        let networks = networks.into_iter().collect::<Result<_, _>>().expect("networks");
        let guard = Guard::new(vec![], networks);
        for (address, want) in [
            ("127.3.2.1", true),
            ("::ffff:127.0.0.1", true),
            ("128.0.0.1", true),
            ("fd99::1", true),
            ("fc00::1", false),
            ("10.1.2.3", true),
            ("10.1.2.4", false),
        ] {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(guard.admits_address(address), want, "{address}");
        }
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "a/8", "10.0.0.0/-1", "1.1.1.1/"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        let all: Network = "::/0".parse().expect("a network");
        assert!(all.contains(IpAddr::from([10, 0, 0, 1])));
    }
}
