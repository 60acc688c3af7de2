//! From a host to addresses: an address as it stands, a name by the system.
//!
//! `ureq` starts a thread for each lookup, so that one that hangs can be left behind. An address needs no lookup, and
//! most of the time of a verdict against a registry on loopback went into these threads.

use std::net::{IpAddr, SocketAddr};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Takes addresses as they stand, and asks the system for names.
#[derive(Debug, Default)]
pub(crate) struct AddressOrName {
    names: DefaultResolver,
}

impl Resolver for AddressOrName {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        match address_of(uri) {
            Some(address) => {
                let mut addresses = self.empty();
                addresses.push(address);
                Ok(addresses)
            }
            None => self.names.resolve(uri, config, timeout),
        }
    }
}

/// The address in a URI whose host is one.
fn address_of(uri: &Uri) -> Option<SocketAddr> {
    let host = uri.host()?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let address: IpAddr = bare.parse().ok()?;
    let port = match (uri.port_u16(), uri.scheme_str()) {
        (Some(port), _) => port,
        (None, Some("http")) => 80,
        (None, Some("https")) => 443,
        (None, _) => return None,
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::address_of;

    #[test]
    fn only_addresses_are_taken_as_they_stand() {
        let of = |uri: &str| address_of(&uri.parse().unwrap()).map(|address| address.to_string());
        assert_eq!(of("http://127.0.0.1:5000/v2/").as_deref(), Some("127.0.0.1:5000"));
        assert_eq!(of("http://127.0.0.1/v2/").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(of("https://[::1]/v2/").as_deref(), Some("[::1]:443"));
        assert_eq!(of("https://[::1]:5000/v2/").as_deref(), Some("[::1]:5000"));
        for name in
            ["http://localhost:5000/", "https://127.0.0.1.example/", "https://1.2.3/", "https://registry/"]
        {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
