//! Name constraints (RFC 5280 section 4.2.1.10): which names an authority may let be named below it.
//!
//! Read for e-mail addresses, DNS names and URIs, permitted and excluded, and for permitted directory names. A
//! constraint of any other kind cannot be held, so the path is refused (T-43); so it is with excluded directory names,
//! which an equal name in another encoding would slip past. A name that a constraint of its kind cannot be held
//! against, such as a URI without a host name, is refused too.

use super::{Certificate, Error};
use crate::der::{self, Reader, SEQUENCE, context, context_constructed};
use crate::limits;

const EMAIL: u8 = context(1);
const DNS: u8 = context(2);
const DIRECTORY: u8 = context_constructed(4);
const URI: u8 = context(6);

/// A name that cannot be held against a constraint of its kind.
struct Unclear;

/// Checks that the names of `certificate` are those that `authority` may let be named.
pub(super) fn check(authority: &Certificate<'_>, certificate: &Certificate<'_>) -> Result<(), Error> {
    let Some(content) = authority.profile.name_constraints else { return Ok(()) };
    let constraints = Constraints::read(content).map_err(|_| Error::NameConstraint)?;
    // The subject is a name too, where it is not empty.
    let mut subject = Reader::new(certificate.subject());
    let subject = subject.take(SEQUENCE)?;
    if !subject.is_empty() {
        constraints.hold(DIRECTORY, subject)?;
    }
    let mut names = Reader::new(certificate.alternative_names().unwrap_or_default());
    while !names.is_empty() {
        let name = names.any()?;
        if name.tag == DIRECTORY {
            let mut inner = Reader::new(name.content);
            constraints.hold(DIRECTORY, inner.take(SEQUENCE)?)?;
        } else {
            constraints.hold(name.tag, name.content)?;
        }
    }
    Ok(())
}

type Subtrees<'a> = heapless::Vec<(u8, &'a [u8]), { limits::NAME_CONSTRAINTS }>;

struct Constraints<'a> {
    permitted: Subtrees<'a>,
    excluded: Subtrees<'a>,
}

impl<'a> Constraints<'a> {
    fn read(content: &'a [u8]) -> Result<Self, der::Error> {
        let mut reader = Reader::new(content);
        let permitted = subtrees(reader.open_optional(context_constructed(0))?)?;
        let excluded = subtrees(reader.open_optional(context_constructed(1))?)?;
        reader.end()?;
        let unclear = excluded.iter().any(|(kind, _)| *kind == DIRECTORY);
        if unclear || (permitted.is_empty() && excluded.is_empty()) {
            return Err(der::Error::Unexpected);
        }
        Ok(Self { permitted, excluded })
    }

    fn hold(&self, kind: u8, name: &[u8]) -> Result<(), Error> {
        let of_kind = |trees: &Subtrees<'a>| {
            trees.iter().filter(|(tree, _)| *tree == kind).try_fold(
                (0_usize, false),
                |(count, any), (_, tree)| {
                    matches(kind, tree, name).map(|hit| (count.saturating_add(1), any || hit))
                },
            )
        };
        match (of_kind(&self.permitted), of_kind(&self.excluded)) {
            (Ok((0, _) | (_, true)), Ok((_, false))) => Ok(()),
            _ => Err(Error::NameConstraint),
        }
    }
}

fn subtrees(list: Option<Reader<'_>>) -> Result<Subtrees<'_>, der::Error> {
    let mut trees = Subtrees::new();
    let Some(mut list) = list else { return Ok(trees) };
    if list.is_empty() {
        return Err(der::Error::Unexpected);
    }
    while !list.is_empty() {
        let mut tree = list.open(SEQUENCE)?;
        let base = tree.any()?;
        // A minimum other than the default, or a maximum, is in no profile.
        tree.end()?;
        let content = match base.tag {
            EMAIL | DNS | URI if is_host_name(host_of_constraint(base.tag, base.content)) => base.content,
            DIRECTORY => {
                let mut inner = Reader::new(base.content);
                let name = inner.take(SEQUENCE)?;
                inner.end()?;
                name
            }
            _ => return Err(der::Error::Unexpected),
        };
        trees.push((base.tag, content)).map_err(|_| der::Error::Length)?;
    }
    Ok(trees)
}

/// The part of a constraint that is a host name.
fn host_of_constraint(kind: u8, constraint: &[u8]) -> &[u8] {
    match kind {
        EMAIL => match split_mailbox(constraint) {
            Some((_, host)) => host,
            None => constraint.strip_prefix(b".").unwrap_or(constraint),
        },
        URI => constraint.strip_prefix(b".").unwrap_or(constraint),
        _ => constraint,
    }
}

/// Whether `name` is in the subtree.
fn matches(kind: u8, tree: &[u8], name: &[u8]) -> Result<bool, Unclear> {
    match kind {
        DIRECTORY => Ok(name.starts_with(tree)),
        DNS => {
            let host = clear(name)?;
            Ok(host.eq_ignore_ascii_case(tree) || is_below(host, tree))
        }
        EMAIL => {
            let (local, host) = split_mailbox(name).ok_or(Unclear)?;
            let host = clear(host)?;
            Ok(match (split_mailbox(tree), tree.strip_prefix(b".")) {
                (Some((tree_local, tree_host)), _) => {
                    local == tree_local && host.eq_ignore_ascii_case(tree_host)
                }
                (None, Some(domain)) => is_below(host, domain),
                (None, None) => host.eq_ignore_ascii_case(tree),
            })
        }
        _ => {
            let host = clear(host_of_uri(name).ok_or(Unclear)?)?;
            Ok(match tree.strip_prefix(b".") {
                Some(domain) => is_below(host, domain),
                None => host.eq_ignore_ascii_case(tree),
            })
        }
    }
}

/// Whether `host` has labels in front of `domain`.
fn is_below(host: &[u8], domain: &[u8]) -> bool {
    let Some(front) = host.len().checked_sub(domain.len()) else { return false };
    let Some((front, end)) = host.split_at_checked(front) else { return false };
    front.len() > 1 && front.ends_with(b".") && end.eq_ignore_ascii_case(domain)
}

fn clear(host: &[u8]) -> Result<&[u8], Unclear> {
    if is_host_name(host) { Ok(host) } else { Err(Unclear) }
}

/// Labels of letters, digits and hyphens, the last of which is no number: no wildcard, no address, no empty label.
fn is_host_name(host: &[u8]) -> bool {
    let label = |label: &[u8]| {
        !label.is_empty() && label.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    let mut last = &[][..];
    host.split(|byte| *byte == b'.').all(|each| {
        last = each;
        label(each)
    }) && !last.iter().all(u8::is_ascii_digit)
}

/// The local part and the host of a plain mailbox.
fn split_mailbox(mailbox: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = mailbox.iter().position(|byte| *byte == b'@')?;
    let (local, host) = mailbox.split_at_checked(at)?;
    let plain = !local.is_empty() && !local.contains(&b'"');
    plain.then_some((local, host.strip_prefix(b"@")?))
}

/// The host of `scheme://user@host:port/…`.
fn host_of_uri(uri: &[u8]) -> Option<&[u8]> {
    let colon = uri.iter().position(|byte| *byte == b':')?;
    let rest = uri.get(colon..)?.strip_prefix(b"://")?;
    let authority = rest.split(|byte| matches!(byte, b'/' | b'?' | b'#' | b'\\')).next()?;
    let host = authority.rsplit(|byte| *byte == b'@').next()?;
    host.split(|byte| *byte == b':').next()
}

#[cfg(test)]
mod tests {
    use super::{Constraints, DIRECTORY, DNS, EMAIL, URI};
    use crate::x509::Error;

    extern crate std;
    use std::vec::Vec;

    fn value(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = std::vec![tag, u8::try_from(content.len()).unwrap()];
        bytes.extend(content);
        bytes
    }

    fn list(tag: u8, trees: &[(u8, &str)]) -> Vec<u8> {
        let trees: Vec<u8> =
            trees.iter().flat_map(|(kind, text)| value(0x30, &value(*kind, text.as_bytes()))).collect();
        if trees.is_empty() { trees } else { value(tag, &trees) }
    }

    fn ask(
        permitted: &[(u8, &str)],
        excluded: &[(u8, &str)],
        kind: u8,
        name: &str,
    ) -> Option<Result<(), Error>> {
        let content = [list(0xa0, permitted), list(0xa1, excluded)].concat();
        Some(Constraints::read(&content).ok()?.hold(kind, name.as_bytes()))
    }

    const OUTSIDE: Option<Result<(), Error>> = Some(Err(Error::NameConstraint));
    const INSIDE: Option<Result<(), Error>> = Some(Ok(()));

    #[test]
    fn t43_a_name_of_a_permitted_kind_is_inside_or_refused() {
        for (kind, tree, name, expected) in [
            (EMAIL, "example.com", "a@example.com", INSIDE),
            (EMAIL, "example.com", "a@EXAMPLE.com", INSIDE),
            (EMAIL, "example.com", "a@b.example.com", OUTSIDE),
            (EMAIL, "example.com", "a@evil-example.com", OUTSIDE),
            (EMAIL, "example.com", "a@example.com@evil.com", OUTSIDE),
            (EMAIL, "example.com", "\"a@example.com\"@evil.com", OUTSIDE),
            (EMAIL, "example.com", "example.com", OUTSIDE),
            (EMAIL, ".example.com", "a@b.example.com", INSIDE),
            (EMAIL, ".example.com", "a@example.com", OUTSIDE),
            (EMAIL, "a@example.com", "a@example.com", INSIDE),
            (EMAIL, "a@example.com", "A@example.com", OUTSIDE),
            (URI, "example.com", "https://example.com/a", INSIDE),
            (URI, "example.com", "https://u@example.com:443/a", INSIDE),
            (URI, "example.com", "https://evil.com/example.com", OUTSIDE),
            (URI, "example.com", "https://example.com@evil.com/", OUTSIDE),
            (URI, "example.com", "https://evil.com\\@example.com/", OUTSIDE),
            (URI, "example.com", "https://b.example.com/", OUTSIDE),
            (URI, ".example.com", "https://b.example.com/", INSIDE),
            (URI, ".example.com", "https://.example.com/", OUTSIDE),
            (URI, "example.com", "urn:example.com", OUTSIDE),
            (URI, "example.com", "https:///example.com", OUTSIDE),
            (URI, "example.com", "https://[::1]/", OUTSIDE),
            (URI, "example.com", "https://exampl%65.com/", OUTSIDE),
            (DNS, "example.com", "example.com", INSIDE),
            (DNS, "example.com", "a.b.Example.com", INSIDE),
            (DNS, "example.com", "evilexample.com", OUTSIDE),
            (DNS, "example.com", "*.example.com", OUTSIDE),
            (DNS, "example.com", "example.com.", OUTSIDE),
            (DIRECTORY, "", "anything", INSIDE),
        ] {
            let tree = if kind == DIRECTORY { "0\0" } else { tree };
            assert_eq!(ask(&[(kind, tree)], &[], kind, name), expected, "{name}");
        }
    }

    #[test]
    fn t43_a_name_of_an_excluded_kind_is_outside_or_refused() {
        for (kind, tree, name, expected) in [
            (EMAIL, "example.com", "a@example.com", OUTSIDE),
            (EMAIL, "example.com", "a@other.com", INSIDE),
            (EMAIL, "example.com", "nothing", OUTSIDE),
            (URI, "example.com", "https://EXAMPLE.com/", OUTSIDE),
            (URI, "example.com", "https://other.com/", INSIDE),
            (URI, "example.com", "https://10.0.0.1/", OUTSIDE),
            (DNS, "example.com", "*.com", OUTSIDE),
            (DNS, "example.com", "a.example.com", OUTSIDE),
            (DNS, "example.com", "example.org", INSIDE),
        ] {
            assert_eq!(ask(&[], &[(kind, tree)], kind, name), expected, "{name}");
        }
        assert_eq!(ask(&[(DNS, "example.com")], &[(DNS, "a.example.com")], DNS, "b.a.example.com"), OUTSIDE);
    }

    #[test]
    fn a_kind_without_a_constraint_is_free() {
        assert_eq!(ask(&[(DNS, "example.com")], &[], URI, "urn:x"), INSIDE);
    }

    #[test]
    fn t43_constraints_that_cannot_be_held_are_refused() {
        for (kind, tree) in [
            (0xa0, "other name"),
            (0x87, "\n\0\0\0\u{7f}\0\0\0"),
            (0x88, "x"),
            (EMAIL, ""),
            (EMAIL, "*.example.com"),
            (URI, ""),
            (URI, "https://example.com"),
            (DNS, ""),
            (DNS, ".example.com"),
            (DNS, "*"),
        ] {
            assert_eq!(ask(&[(kind, tree)], &[], kind, "x"), None, "{tree}");
            assert_eq!(ask(&[], &[(kind, tree)], kind, "x"), None, "{tree}");
        }
        assert_eq!(ask(&[], &[(DIRECTORY, "0\0")], DIRECTORY, "x"), None);
        assert_eq!(ask(&[], &[], DNS, "x"), None);
        assert!(Constraints::read(&[0xa0, 0]).is_err());
        let with_minimum = [value(DNS, b"example.com"), value(0x80, &[1])].concat();
        assert!(Constraints::read(&value(0xa0, &value(0x30, &with_minimum))).is_err());
    }
}
