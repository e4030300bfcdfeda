//! Where connections may lead: decided here alone, for what an address says by itself and for what a name
//! resolves to.

use std::net::IpAddr;

use url::Host;

use super::public::{is_metadata, is_public};

/// Where the connections of a provider may lead.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Zone {
    /// The public internet.
    Public,
    /// Private addresses too, such as that of a local Ollama; but no metadata service, which is nobody's
    /// provider and hands out the credentials of the machine.
    Private,
}

/// Why an address is not connected to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Denied {
    /// Only the hub might reach it.
    #[error("its address is private")]
    Private,
    /// What a cloud tells its machines, their credentials among it.
    #[error("its address is that of a metadata service")]
    Metadata,
}

impl Zone {
    /// What a provider's `allow_private` means.
    pub const fn of(allow_private: bool) -> Self {
        if allow_private { Self::Private } else { Self::Public }
    }

    /// Whether an address may be connected to.
    ///
    /// # Errors
    /// Why not.
    pub fn check(self, address: IpAddr) -> Result<(), Denied> {
        match self {
            _ if is_metadata(address) => Err(Denied::Metadata),
            Self::Public if !is_public(address) => Err(Denied::Private),
            Self::Public | Self::Private => Ok(()),
        }
    }

    /// The same of a host, as far as it says by itself: what a name means is known only when it is resolved.
    ///
    /// # Errors
    /// Why not.
    pub fn check_host(self, host: &str) -> Result<(), Denied> {
        match Host::parse(host) {
            Ok(Host::Ipv4(address)) => self.check(address.into()),
            Ok(Host::Ipv6(address)) => self.check(address.into()),
            Ok(Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                let local = name == "localhost" || name.ends_with(".localhost");
                if local && self == Self::Public { Err(Denied::Private) } else { Ok(()) }
            }
            // nothing is resolved of it either
            Err(_) => Ok(()),
        }
    }
}

impl Denied {
    /// What an error says of it, however deep.
    pub(super) fn within(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(denied) = error.downcast_ref::<Self>() {
                return Some(*denied);
            }
            next = error.source();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_judged_by_what_they_say() {
        use Denied::{Metadata, Private};
        for (host, public, private) in [
            ("api.openai.com", Ok(()), Ok(())),
            ("8.8.8.8", Ok(()), Ok(())),
            ("127.0.0.1", Err(Private), Ok(())),
            ("2130706433", Err(Private), Ok(())),
            ("0x7f.1", Err(Private), Ok(())),
            ("[::1]", Err(Private), Ok(())),
            ("[::ffff:10.0.0.1]", Err(Private), Ok(())),
            ("localhost", Err(Private), Ok(())),
            ("LOCALHOST.", Err(Private), Ok(())),
            ("a.localhost", Err(Private), Ok(())),
            ("169.254.169.254", Err(Metadata), Err(Metadata)),
            ("169.254.170.2", Err(Metadata), Err(Metadata)),
            ("[::ffff:169.254.169.254]", Err(Metadata), Err(Metadata)),
            ("[fd00:ec2::254]", Err(Metadata), Err(Metadata)),
            ("[fd20:ce::254]", Err(Metadata), Err(Metadata)),
            ("100.100.100.200", Err(Metadata), Err(Metadata)),
            ("168.63.129.16", Err(Metadata), Err(Metadata)),
        ] {
            assert_eq!(Zone::Public.check_host(host), public, "{host}");
            assert_eq!(Zone::Private.check_host(host), private, "{host}");
        }
    }
}
