//! URLs that users give must not lead into our own network.
//!
//! The name is resolved once, every address it has must be public, and the connection goes to these very addresses: a name
//! that resolves differently a moment later (DNS rebinding) gains nothing. Redirects are not followed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

use super::{builder, proxy};
use crate::{Error, Result};

/// The longest URL that is taken from a user.
const LONGEST: usize = 2_048;

/// Reads a URL that a user gave: http or https on its usual port, without credentials, to a public name or address. The
/// pointer of the error is empty; callers know which field it was.
///
/// # Errors
/// `invalid`.
pub fn user_url(text: &str) -> Result<Url> {
    let wrong = |detail: &str| Error::invalid("", detail);
    if text.len() > LONGEST {
        return Err(wrong("the URL is too long"));
    }
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.port().is_some() {
        return Err(wrong("the URL must begin with https:// or http://, without a port"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("the URL must not hold a user name or password"));
    }
    let is_public = match url.host() {
        Some(Host::Domain(name)) => is_public_name(name),
        Some(Host::Ipv4(ip)) => is_public(ip.into()),
        Some(Host::Ipv6(ip)) => is_public(ip.into()),
        None => false,
    };
    if is_public { Ok(url) } else { Err(wrong("the URL must lead to the public internet")) }
}

/// A client that reaches the URL's host at the public addresses it has now, and nothing else. `None` behind the local
/// stack's proxy, which alone decides what a name leads to.
pub(super) async fn pinned(url: &str) -> Result<Option<reqwest::Client>> {
    let url = user_url(url)?;
    if proxy()?.is_some() {
        return Ok(None);
    }
    let builder = builder();
    let Some(Host::Domain(name)) = url.host() else {
        return builder.build().map(Some).map_err(Error::caused);
    };
    let port = url.port_or_known_default().unwrap_or(443);
    let unknown = |_| Error::invalid("", "the URL's host has no address");
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name, port)).await.map_err(unknown)?.collect();
    if addresses.is_empty() || !addresses.iter().all(|address| is_public(address.ip())) {
        return Err(Error::invalid("", "the URL must lead to the public internet"));
    }
    builder.resolve_to_addrs(name, &addresses).build().map(Some).map_err(Error::caused)
}

/// Names that by their own rules never are on the internet (RFC 6761, RFC 6762, RFC 8375, RFC 9476).
fn is_public_name(name: &str) -> bool {
    const LOCAL: &[&str] =
        &["localhost", "local", "internal", "intranet", "lan", "home", "corp", "home.arpa", "alt", "onion"];
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_local = LOCAL.iter().any(|local| name == *local || name.ends_with(&format!(".{local}")));
    name.contains('.') && !is_local
}

/// Whether an address is on the public internet.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    // Networks of IANA's special-purpose registry that are not globally reachable.
    const CLOSED: &[(Ipv4Addr, u32)] = &[
        (Ipv4Addr::new(0, 0, 0, 0), 8),       // this network
        (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
        (Ipv4Addr::new(100, 64, 0, 0), 10),   // carrier-grade NAT
        (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
        (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local, and cloud metadata
        (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
        (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments
        (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
        (Ipv4Addr::new(192, 88, 99, 0), 24),  // 6to4 relays
        (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
        (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarks
        (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
        (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
        (Ipv4Addr::new(224, 0, 0, 0), 3),     // multicast, reserved, broadcast
    ];
    let bits = u32::from(ip);
    !CLOSED.iter().any(|(network, length)| (bits ^ u32::from(*network)) >> (32 - length) == 0)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(ip) = ip.to_ipv4_mapped() {
        return is_public_v4(ip);
    }
    let segments = ip.segments();
    // Addresses that carry an IPv4 address lead where that leads: NAT64 and 6to4.
    let carried = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return is_public_v4(carried(segments[6], segments[7]));
    }
    if segments[0] == 0x2002 {
        return is_public_v4(carried(segments[1], segments[2]));
    }
    // Only 2000::/3 is given out; of it, protocol assignments with Teredo, and documentation, are closed.
    let is_protocol = segments[0] == 0x2001 && segments[1] < 0x200;
    let is_documentation = (segments[0] == 0x2001 && segments[1] == 0xdb8) || segments[0] == 0x3fff;
    segments[0] >> 13 == 1 && !is_protocol && !is_documentation
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for closed in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "fec0::1",
            "3fff::1",
            "64:ff9b:1::1",
        ] {
            assert!(!is_public(closed.parse().unwrap()), "{closed}");
        }
        for open in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "198.20.0.1",
            "223.255.255.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            assert!(is_public(open.parse().unwrap()), "{open}");
        }
    }

    #[test]
    fn a_users_url_leads_to_the_internet_or_nowhere() {
        for good in ["https://example.com/hook?a=b", "http://1.1.1.1/", "https://sub.example.co.uk:443/"] {
            assert!(user_url(good).is_ok(), "{good}");
        }
        for wrong in [
            "ftp://example.com",
            "file:///etc/passwd",
            "https://user:pass@example.com",
            "https://example.com:8443",
            "http://localhost",
            "http://a.localhost./",
            "http://printer.local",
            "http://metadata.google.internal",
            "http://intranet",
            "http://169.254.169.254/latest",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://127.1/",
            "http://0177.0.0.1/",
            "gopher://x",
            "",
            "//x",
        ] {
            assert_eq!(user_url(wrong).unwrap_err().status(), 422, "{wrong}");
        }
    }
}
