//! What a registry asks for with 401, and whether the token service that it names may be asked, and with what.
//!
//! The rule for the token service (`realm`), which is an address chosen by whoever answers:
//!
//! - it must be https, unless it and the registry are both on this machine;
//! - a numeric address is only asked if it is the registry's own, so that nobody is sent to a metadata service;
//! - credentials go along only if it is the registry's own scheme, host and port, or another https host under the
//!   same domain (`auth.docker.io` for `registry-1.docker.io`); otherwise it is asked anonymously.
//!
//! The scope is ours, `repository:<path>:pull`, and never the one that the registry names.

use pullward_core::limits;
use serde::Deserialize;

use crate::registry::address::{Address, Origin, Scheme};

/// An authentication that a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User name and password.
    Basic,
    /// A token from a token service.
    Bearer { realm: String, service: Option<String> },
}

impl Challenge {
    /// Reads the values of the `WWW-Authenticate` headers and prefers a token over a password.
    pub(crate) fn choose<'a>(values: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut basic = None;
        for value in values.filter(|value| value.len() <= limits::HEADER_VALUE_BYTES) {
            match Self::parse(value) {
                Some(Self::Basic) => basic = Some(Self::Basic),
                Some(bearer) => return Some(bearer),
                None => {}
            }
        }
        basic
    }

    fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service) = (None, None);
        let mut rest = rest.trim_start();
        while !rest.is_empty() {
            let (name, after) = rest.split_once('=')?;
            let (value, after) = parameter(after)?;
            let slot = match name.trim().to_ascii_lowercase().as_str() {
                "realm" => Some(&mut realm),
                "service" => Some(&mut service),
                _ => None,
            };
            if let Some(slot) = slot
                && slot.replace(value).is_some()
            {
                // Twice is once too often to know which one counts.
                return None;
            }
            rest = after.trim_start().trim_start_matches(',').trim_start();
        }
        Some(Self::Bearer { realm: realm?, service })
    }
}

/// A quoted string with backslash escapes, or a token.
fn parameter(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        let (value, rest) = text.split_at_checked(end)?;
        return Some((value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return Some((value, quoted.get(position.saturating_add(1)..)?)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// Whether credentials go along to a token service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Realm {
    /// Credentials may go along.
    Own,
    /// It may be asked, without credentials.
    Foreign,
}

/// Reads the address of a token service and applies the rule above.
pub(crate) fn judge_realm(registry: &Origin, realm: &str) -> Result<(Address, Realm), &'static str> {
    let address = Address::parse(realm).map_err(|_| "its address cannot be read")?;
    let origin = address.origin();
    if origin == registry {
        return Ok((address, Realm::Own));
    }
    let local = registry.is_loopback() && origin.is_loopback();
    if origin.scheme() == Scheme::Http && !local {
        return Err("it is not https");
    }
    if origin.ip().is_some() && !local && origin.host() != registry.host() {
        return Err("it is a numeric address other than the registry's");
    }
    let realm = if registry.shares_credentials_with(origin) { Realm::Own } else { Realm::Foreign };
    Ok((address, realm))
}

/// The question to a token service.
pub(crate) fn token_address(realm: &Address, service: Option<&str>, path: &str) -> Address {
    let mut query = String::new();
    if let Some(service) = service {
        query.push_str("service=");
        query.push_str(&percent(service));
        query.push('&');
    }
    query.push_str("scope=");
    query.push_str(&percent(&format!("repository:{path}:pull")));
    realm.with_query(&query)
}

/// Percent-encodes everything but unreserved characters (RFC 3986 section 2.3), and `:` and `/`, which a query may have.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Takes the token out of a token service's answer. distribution: `token`, or `access_token` as OAuth 2 has it.
pub(crate) fn read_token(body: &[u8]) -> Result<String, &'static str> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|_| "its answer is not the JSON of a token")?;
    let token = answer.token.filter(|token| !token.is_empty()).or(answer.access_token).unwrap_or_default();
    // RFC 6750 section 2.1: b64token. Anything else could end the header that it is put into.
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() {
        Err("its answer has no token")
    } else if token.bytes().all(known) {
        Ok(token)
    } else {
        Err("its token has characters that no token has")
    }
}

/// A jitter of 0 to 255 without a random source: the clock's lowest bits, spread. Retries of many nodes must not meet.
pub(crate) fn jitter() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos().wrapping_mul(0x9e37_79b1) >> 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Address::parse(text).unwrap().origin().clone()
    }

    #[test]
    fn a_challenge_is_read_as_registries_write_it() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull""#;
        let bearer = |realm: &str, service: Option<&str>| Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
        };
        let cases = [
            (hub, Some(bearer("https://auth.docker.io/token", Some("registry.docker.io")))),
            (r#"bearer realm="https://a/t", error="x, y""#, Some(bearer("https://a/t", None))),
            (r#"Bearer realm=https://a/t"#, Some(bearer("https://a/t", None))),
            (r#"Bearer realm="a\"b""#, Some(bearer("a\"b", None))),
            (r#"Basic realm="x""#, Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            ("Bearer", None),
            (r#"Bearer service="x""#, None),
            (r#"Bearer realm="https://a", realm="https://b""#, None),
            (r#"Bearer realm="unterminated"#, None),
            ("Negotiate", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Challenge::choose([text].into_iter()), expected, "{text}");
        }
        assert!(matches!(Challenge::choose(["Basic", hub].into_iter()), Some(Challenge::Bearer { .. })));
        let long = format!(r#"Bearer realm="https://{}""#, "a".repeat(limits::HEADER_VALUE_BYTES));
        assert_eq!(Challenge::choose([long.as_str()].into_iter()), None);
    }

    #[test]
    fn credentials_go_to_the_registrys_own_token_service_only() {
        let own = [
            ("https://registry-1.docker.io", "https://auth.docker.io/token"),
            ("https://ghcr.io", "https://ghcr.io/token"),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000/auth"),
        ];
        for (registry, realm) in own {
            assert_eq!(
                judge_realm(&origin(registry), realm).map(|(_, realm)| realm),
                Ok(Realm::Own),
                "{realm}"
            );
        }
        let foreign = [
            ("https://ghcr.io", "https://evil.example/token"),
            ("https://ghcr.io", "https://ghcr.io.evil.example/token"),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token"),
            ("https://10.0.0.1:5000", "https://10.0.0.1:5001/token"),
        ];
        for (registry, realm) in foreign {
            assert_eq!(
                judge_realm(&origin(registry), realm).map(|(_, realm)| realm),
                Ok(Realm::Foreign),
                "{realm}"
            );
        }
        let refused = [
            ("https://ghcr.io", "http://ghcr.io/token"),
            ("https://ghcr.io", "http://169.254.169.254/latest/meta-data"),
            ("https://ghcr.io", "https://169.254.169.254/latest/meta-data"),
            ("https://ghcr.io", "https://[fd00::1]/"),
            ("https://ghcr.io", "http://127.0.0.1:2375/"),
            ("http://127.0.0.1:5000", "http://169.254.169.254/"),
            ("https://ghcr.io", "file:///etc/passwd"),
            ("https://ghcr.io", "/token"),
            ("https://ghcr.io", "https://user:pw@ghcr.io/token"),
        ];
        for (registry, realm) in refused {
            assert!(judge_realm(&origin(registry), realm).is_err(), "{realm}");
        }
    }

    #[test]
    fn the_scope_is_ours_and_everything_in_the_query_is_encoded() {
        let realm = Address::parse("https://a/t?x=1").unwrap();
        let address = token_address(&realm, Some("re gistry&scope=repository:other:push"), "a/b");
        assert_eq!(
            address.to_string(),
            "https://a/t?x=1&service=re%20gistry%26scope%3Drepository:other:push&scope=repository:a/b:pull"
        );
    }

    #[test]
    fn a_token_cannot_end_its_header() {
        assert_eq!(
            read_token(br#"{"token":"eyJhbGciOi-_.e30.a+/="}"#).as_deref(),
            Ok("eyJhbGciOi-_.e30.a+/=")
        );
        assert_eq!(read_token(br#"{"access_token":"abc","expires_in":60}"#).as_deref(), Ok("abc"));
        assert_eq!(read_token(br#"{"token":"","access_token":"abc"}"#).as_deref(), Ok("abc"));
        assert!(read_token(br#"{"token":"a\r\nX: y"}"#).is_err());
        assert!(read_token(br#"{"token":"a b"}"#).is_err());
        assert!(read_token(b"{}").is_err());
        assert!(read_token(b"<html>").is_err());
    }
}
