//! Who asks, where proxies of ours ask for others: decided here alone, for the addresses that keys are held to, the
//! audit trail and bounds on rates.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::config::ForwardedHeader;

/// Proxies that are believed.
#[derive(Clone, Debug)]
pub(crate) struct Proxies {
    trusted: Vec<IpNet>,
    /// The only header that is read. A proxy that writes the one passes what a caller made up in the other.
    header: ForwardedHeader,
    name: HeaderName,
}

impl Proxies {
    pub(crate) const fn new(trusted: Vec<IpNet>, header: ForwardedHeader) -> Self {
        Self { trusted, header, name: header.name() }
    }

    /// For whom a connection from `connected` asks: the hop nearest to us that is no proxy of ours. What stands
    /// before it anybody may have written. Where a hop can't be read, the one that told it is taken.
    pub(crate) fn peer(&self, connected: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        let mut peer = connected;
        if !self.trusts(peer.ip()) {
            return peer;
        }
        // each proxy adds behind what is there: the last is the nearest
        let lines: Vec<&str> =
            headers.get_all(&self.name).iter().map(|it| it.to_str().unwrap_or("?")).collect();
        for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            let told = match self.header {
                ForwardedHeader::XForwardedFor => address(hop.trim()),
                ForwardedHeader::Forwarded => forwarded(hop),
            };
            match told {
                Some(told) => peer = told,
                None => return peer,
            }
            if !self.trusts(peer.ip()) {
                return peer;
            }
        }
        peer
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// An address, with a port or without.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    match bare.parse::<IpAddr>() {
        Ok(ip) => Some(SocketAddr::new(ip.to_canonical(), 0)),
        Err(_) => {
            let socket: SocketAddr = text.parse().ok()?;
            Some(SocketAddr::new(socket.ip().to_canonical(), socket.port()))
        }
    }
}

/// The `for` of an element of RFC 7239.
fn forwarded(element: &str) -> Option<SocketAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut told = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let value = told.next()?.1.trim();
    // said twice, it says nothing
    if told.next().is_some() {
        return None;
    }
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    address(quoted.unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn seen(header: ForwardedHeader, connected: &str, lines: &[&'static str]) -> String {
        let networks = ["10.0.0.0/8", "192.0.2.7/32", "2001:db8:1::/48"];
        let networks = networks.iter().map(|text| text.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header.name(), HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        // the other is never looked at
        let other = match header {
            ForwardedHeader::XForwardedFor => ForwardedHeader::Forwarded,
            ForwardedHeader::Forwarded => ForwardedHeader::XForwardedFor,
        };
        headers.append(other.name(), HeaderValue::from_static("for=203.0.113.66, 203.0.113.66"));
        let connected = SocketAddr::new(connected.parse().unwrap(), 4711);
        Proxies::new(networks, header).peer(connected, &headers).ip().to_string()
    }

    #[test]
    fn the_nearest_hop_that_is_no_proxy_of_ours_asks() {
        for (connected, lines, wanted) in [
            // nobody believes whom they do not know
            ("198.51.100.1", &["203.0.113.9"] as &[_], "198.51.100.1"),
            ("198.51.100.1", &["10.0.0.1"], "198.51.100.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9:5000"], "203.0.113.9"),
            ("10.0.0.1", &["2001:db8:2::9"], "2001:db8:2::9"),
            ("10.0.0.1", &["[2001:db8:2::9]:5000"], "2001:db8:2::9"),
            ("10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
            // a chain of ours; what a caller put before it does not count
            ("10.0.0.1", &["203.0.113.9, 192.0.2.7, 10.9.9.9"], "203.0.113.9"),
            ("10.0.0.1", &["127.0.0.1, 203.0.113.9, 10.9.9.9"], "203.0.113.9"),
            ("10.0.0.1", &["127.0.0.1", "203.0.113.9", "2001:db8:1::5"], "203.0.113.9"),
            ("10.0.0.1", &["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
            // garbage ends it, at who told it
            ("10.0.0.1", &["unknown"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9, , 10.2.2.2"], "10.2.2.2"),
            ("10.0.0.1", &["203.0.113.9, 10.2.2.2, 999.1.1.1"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9\u{e9}"], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9;10.1.1.1"], "10.0.0.1"),
        ] {
            assert_eq!(seen(ForwardedHeader::XForwardedFor, connected, lines), wanted, "{lines:?}");
        }
    }

    #[test]
    fn the_standard_header_is_read_where_it_is_chosen() {
        for (lines, wanted) in [
            (&["for=203.0.113.9"] as &[_], "203.0.113.9"),
            (&["proto=https;For=\"203.0.113.9:80\";by=10.0.0.1"], "203.0.113.9"),
            (&["for=\"[2001:db8:2::9]:4711\""], "2001:db8:2::9"),
            (&["for=127.0.0.1, for=203.0.113.9, for=10.2.2.2"], "203.0.113.9"),
            (&["for=127.0.0.1", "for=203.0.113.9;proto=http"], "203.0.113.9"),
            (&["for=203.0.113.9, for=_hidden"], "10.0.0.1"),
            (&["for=unknown"], "10.0.0.1"),
            (&["by=203.0.113.9"], "10.0.0.1"),
            (&["for=203.0.113.9;for=127.0.0.1"], "10.0.0.1"),
            (&["for=\"203.0.113.9, for=127.0.0.1\""], "10.0.0.1"),
        ] {
            assert_eq!(seen(ForwardedHeader::Forwarded, "10.0.0.1", lines), wanted, "{lines:?}");
        }
    }
}
