//! Addresses: who is asked, and whether another address is the same party.
//!
//! Hosts are compared whole, port and scheme included, never by prefix or substring.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use pullward_core::limits;

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Not encrypted: loopback, or hosts that the configuration names.
    Http,
    /// Encrypted, and the certificate is checked.
    Https,
}

impl Scheme {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Scheme, host and port: a party on the network.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Scheme,
    /// Lower case; an IPv6 address in brackets.
    host: String,
    port: u16,
}

/// An address on an origin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    origin: Origin,
    /// Path and query, starting with a slash.
    path: String,
}

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Longer than a header value may be.
    #[error("an address of more than {} bytes", limits::HEADER_VALUE_BYTES)]
    TooLong,
    /// A blank, a control character, a backslash, or anything that is not ASCII.
    #[error("an address with characters that no address has")]
    Characters,
    /// Neither http nor https.
    #[error("an address that is neither http nor https")]
    Scheme,
    /// A user name or a password in it.
    #[error("an address with a user name")]
    UserInfo,
    /// The host or the port cannot be read.
    #[error("an address without a readable host")]
    Host,
}

impl Origin {
    /// The origin of a host with an optional port, as a reference has it.
    ///
    /// # Errors
    /// [`AddressError::Host`].
    pub fn new(scheme: Scheme, host: &str) -> Result<Self, AddressError> {
        let (name, port) = match host.rfind(']') {
            Some(end) => host.split_at_checked(end.saturating_add(1)).ok_or(AddressError::Host)?,
            None => host.find(':').and_then(|colon| host.split_at_checked(colon)).unwrap_or((host, "")),
        };
        let port = match port {
            "" => scheme.port(),
            port => {
                let digits = port.strip_prefix(':').ok_or(AddressError::Host)?;
                if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(AddressError::Host);
                }
                digits.parse().ok().filter(|port| *port != 0).ok_or(AddressError::Host)?
            }
        };
        let name = name.to_ascii_lowercase();
        let valid = match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
            None => {
                let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
                name.split('.').all(|label| !label.is_empty() && label.bytes().all(inside))
            }
        };
        if valid { Ok(Self { scheme, host: name, port }) } else { Err(AddressError::Host) }
    }

    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host without its port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, also where it is the scheme's own.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// An address on this origin.
    #[must_use]
    pub fn at(&self, path: impl Into<String>) -> Address {
        Address { origin: self.clone(), path: path.into() }
    }

    /// Whether the host is this machine: `localhost` or a loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.ip().is_some_and(|address| address.is_loopback())
    }

    /// The host as an IP address, if it is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// Whether another party may be given what is meant for this one: the same scheme, host and port; or both are
    /// https and named hosts under one domain. The domain is the last two labels, or the last three where the
    /// second last has at most three letters (`co.uk`).
    #[must_use]
    pub fn shares_credentials_with(&self, other: &Self) -> bool {
        if self == other {
            return true;
        }
        let encrypted = self.scheme == Scheme::Https && other.scheme == Scheme::Https;
        let named = self.ip().is_none() && other.ip().is_none();
        encrypted && named && domain(&self.host).is_some_and(|own| Some(own) == domain(&other.host))
    }
}

/// The last two labels, or three under a short second-level label. `None` where there are fewer.
fn domain(host: &str) -> Option<&str> {
    let mut dots = host.rmatch_indices('.').map(|(position, _)| position);
    let last = dots.next()?;
    let second = dots.next();
    let begin = second.map_or(0, |dot| dot.saturating_add(1));
    let label = host.get(begin..last)?;
    if label.len() > 3 {
        return host.get(begin..);
    }
    let begin = dots.next().map_or(0, |dot| dot.saturating_add(1));
    // `co.uk` alone is nobody's domain.
    second.and_then(|_| host.get(begin..))
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)?;
        if self.port == self.scheme.port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl Address {
    /// Reads an absolute address.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        check_characters(text)?;
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(AddressError::Scheme),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(AddressError::Host)?;
        if authority.contains('@') {
            return Err(AddressError::UserInfo);
        }
        let path = match path.as_bytes().first() {
            Some(b'/') => path.to_owned(),
            _ => format!("/{path}"),
        };
        Ok(Self { origin: Origin::new(scheme, authority)?, path: without_fragment(path) })
    }

    /// Reads an address that another answer names, absolute or relative to this one.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn join(&self, text: &str) -> Result<Self, AddressError> {
        check_characters(text)?;
        let path = if text.starts_with("//") {
            return Self::parse(&format!("{}:{text}", self.origin.scheme.as_str()));
        } else if has_scheme(text) {
            return Self::parse(text);
        } else if text.starts_with('/') {
            text.to_owned()
        } else {
            let own = self.path.split('?').next().unwrap_or("/");
            if text.starts_with('?') {
                format!("{own}{text}")
            } else {
                let folder = own.rfind('/').and_then(|slash| own.get(..=slash)).unwrap_or("/");
                format!("{folder}{text}")
            }
        };
        Ok(Self { origin: self.origin.clone(), path: without_fragment(path) })
    }

    /// The party.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The address with more in its query.
    #[must_use]
    pub fn with_query(&self, query: &str) -> Self {
        let glue = if self.path.contains('?') { '&' } else { '?' };
        Self { origin: self.origin.clone(), path: format!("{}{glue}{query}", self.path) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

/// `scheme:` before any slash, question mark or digit sign.
fn has_scheme(text: &str) -> bool {
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    text.get(..end).is_some_and(|first| first.contains(':'))
}

fn check_characters(text: &str) -> Result<(), AddressError> {
    if text.len() > limits::HEADER_VALUE_BYTES {
        return Err(AddressError::TooLong);
    }
    let known = |byte: u8| byte.is_ascii_graphic() && !b"\\<>\"^`{|}".contains(&byte);
    if !text.is_empty() && text.bytes().all(known) { Ok(()) } else { Err(AddressError::Characters) }
}

fn without_fragment(path: String) -> String {
    match path.split_once('#') {
        Some((path, _)) => path.to_owned(),
        None => path,
    }
}

/// The target of the `rel="next"` entry of a `Link` header (RFC 8288), as far as registries write it.
#[must_use]
pub fn next_link(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, parameters) = after.split_once('>')?;
        let end = parameters.find('<').unwrap_or(parameters.len());
        let (own, following) = parameters.split_at_checked(end)?;
        let next = own.split([';', ',']).any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = value.trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel")
                && value.split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"))
        });
        if next {
            return Some(target);
        }
        rest = following;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Address::parse(text).unwrap().origin().clone()
    }

    #[test]
    fn the_port_of_the_scheme_is_the_same_party() {
        assert_eq!(origin("https://a.example/x"), origin("HTTPS://A.EXAMPLE:443"));
        assert_ne!(origin("https://a.example"), origin("http://a.example"));
        assert_ne!(origin("https://a.example"), origin("https://a.example:8443"));
        assert_ne!(origin("https://a.example"), origin("https://a.example.evil.com"));
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        let cases = [
            ("", AddressError::Characters),
            ("https://a b/", AddressError::Characters),
            ("https://a\\b/", AddressError::Characters),
            ("https://a/\r\nx", AddressError::Characters),
            ("https://\u{e9}/", AddressError::Characters),
            ("a.example/x", AddressError::Scheme),
            ("unix:///run/x.sock", AddressError::Scheme),
            ("file:///etc/passwd", AddressError::Scheme),
            ("ftp://a/", AddressError::Scheme),
            ("https://user:pw@a/", AddressError::UserInfo),
            ("https://a.example@evil.com/", AddressError::UserInfo),
            ("https://", AddressError::Host),
            ("https:///x", AddressError::Host),
            ("https://a..b/", AddressError::Host),
            ("https://a:0/", AddressError::Host),
            ("https://a:65536/", AddressError::Host),
            ("https://a:+1/", AddressError::Host),
            ("https://[::1/", AddressError::Host),
            ("https://[::1]x/", AddressError::Host),
            ("https://[g]/", AddressError::Host),
        ];
        for (text, error) in cases {
            assert_eq!(Address::parse(text), Err(error), "{text:?}");
        }
        let long = format!("https://a/{}", "x".repeat(limits::HEADER_VALUE_BYTES));
        assert_eq!(Address::parse(&long), Err(AddressError::TooLong));
    }

    #[test]
    fn a_named_address_is_taken_relative_to_the_one_that_names_it() {
        let base = Address::parse("http://127.0.0.1:5000/v2/a/referrers/x?n=1").unwrap();
        let cases = [
            ("/v2/b?n=2", "http://127.0.0.1:5000/v2/b?n=2"),
            ("?n=2", "http://127.0.0.1:5000/v2/a/referrers/x?n=2"),
            ("y?n=2", "http://127.0.0.1:5000/v2/a/referrers/y?n=2"),
            ("http://127.0.0.1:5000/v2/c#f", "http://127.0.0.1:5000/v2/c"),
            ("//evil.example/x", "http://evil.example/x"),
            ("https://evil.example", "https://evil.example/"),
        ];
        for (text, expected) in cases {
            assert_eq!(base.join(text).unwrap().to_string(), expected);
        }
        assert_eq!(base.join("unix:/run/x"), Err(AddressError::Scheme));
        assert_eq!(base.join("javascript:1"), Err(AddressError::Scheme));
    }

    #[test]
    fn loopback_is_this_machine_and_nothing_that_looks_like_it() {
        for text in ["http://127.0.0.1:5000", "http://127.9.9.9", "http://[::1]:80", "http://localhost:5000"]
        {
            assert!(origin(text).is_loopback(), "{text}");
        }
        for text in [
            "http://127.0.0.1.example",
            "http://localhost.example",
            "http://169.254.169.254",
            "http://[::ffff:7f00:1]",
            "http://0.0.0.0",
            "http://10.0.0.1",
        ] {
            assert!(!origin(text).is_loopback(), "{text}");
        }
    }

    #[test]
    fn credentials_are_shared_within_one_domain_over_https_only() {
        let shared = [
            ("https://registry-1.docker.io", "https://auth.docker.io"),
            ("https://registry.gitlab.com", "https://gitlab.com"),
            ("https://ghcr.io", "https://ghcr.io"),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("https://r.acme.co.uk", "https://auth.acme.co.uk"),
        ];
        for (registry, realm) in shared {
            assert!(origin(registry).shares_credentials_with(&origin(realm)), "{registry} {realm}");
        }
        let kept = [
            ("https://registry-1.docker.io", "http://auth.docker.io"),
            ("https://registry-1.docker.io", "https://docker.io.evil.com"),
            ("https://registry-1.docker.io", "https://evildocker.io"),
            ("https://ghcr.io", "https://evil.io"),
            ("https://ghcr.io", "http://ghcr.io"),
            ("https://ghcr.io:8443", "https://evil.example"),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001"),
            ("https://127.0.0.1", "https://128.0.0.1"),
            ("http://localhost:5000", "http://localhost:5001"),
            ("https://r.acme.co.uk", "https://evil.co.uk"),
            ("https://co.uk", "https://evil.co.uk"),
            ("https://registry", "https://other"),
        ];
        for (registry, realm) in kept {
            assert!(!origin(registry).shares_credentials_with(&origin(realm)), "{registry} {realm}");
        }
    }

    #[test]
    fn the_next_page_is_found_among_links() {
        assert_eq!(next_link(r#"</v2/x?n=1>; rel="next""#), Some("/v2/x?n=1"));
        assert_eq!(next_link(r#"</a>; rel="prev", </b>; title="x"; REL=next"#), Some("/b"));
        assert_eq!(next_link(r#"</a>; rel="prev next""#), Some("/a"));
        for text in ["", "</a>", r#"</a>; rel="nextish""#, "/a; rel=next", r#"</a; rel="next""#] {
            assert_eq!(next_link(text), None, "{text}");
        }
    }
}
