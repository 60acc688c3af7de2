//! One spelling for one source repository, so that what builders write and what policies ask for compare as text.
//!
//! The normal form is `https://host[:port]/path`, and these are the same repository:
//!
//! ```text
//! https://github.com/acme/app          git+https://github.com/acme/app@refs/heads/main
//! https://github.com/acme/app.git#main https://user:token@GitHub.com:443/acme/app/
//! git@github.com:acme/app.git          ssh://git@github.com/acme/app
//! ```
//!
//! A reference behind the path (`#…`, `@refs/…`, and a query behind `.git`), user and password, the default port, a
//! slash and `.git` at the end are dropped; the host is put in lower case. The path keeps its case: on some hosts it
//! counts. A port that is not the scheme's own stays. `http://` and `git://` stay what they are, because nothing proves
//! who answered there, and a policy that says `https://` must not mean them.
//!
//! What has no normal form matches nothing: other schemes, a path with empty parts, `.` or `..`, spelled out or
//! percent-encoded, a backslash, a blank, a character that is not ASCII.

use core::fmt::Write as _;

use crate::json::Text;
use crate::limits;
use crate::reference;

type Buffer = heapless::String<{ limits::SOURCE_BYTES }>;

/// A repository in its normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repository {
    text: Buffer,
}

/// What a spelling may have in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// One repository, with a reference, a user, a query.
    Repository,
    /// A glob of a policy: with `*`, and with nothing that would be dropped unasked.
    Glob,
}

impl Repository {
    /// Reads what a builder wrote; `None` where it has no normal form.
    pub(super) fn read(text: Text<'_>) -> Option<Self> {
        let mut buffer = Buffer::new();
        text.copy_into(&mut buffer).ok()?;
        Self::parse(&buffer, Spelling::Repository)
    }

    /// Reads a glob over repositories; `None` where it could not match what it seems to name.
    pub(super) fn glob(text: &str) -> Option<Self> {
        Self::parse(text, Spelling::Glob)
    }

    /// The normal form.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    fn parse(text: &str, spelling: Spelling) -> Option<Self> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return None;
        }
        let (scheme, authority, path) = split(text)?;
        let host = match (authority.rsplit_once('@'), spelling) {
            (Some(_), Spelling::Glob) => return None,
            (Some((_, host)), Spelling::Repository) => host,
            (None, _) => authority,
        };
        let (name, port) = reference::split_port(host);
        let port = port.filter(|port| *port != scheme.port);
        check_host(host, name, spelling)?;
        let path = match spelling {
            Spelling::Repository => without_reference(path)?,
            Spelling::Glob if path.contains(['#', '?']) || path.contains("@refs/") => return None,
            Spelling::Glob => path,
        };
        let path = path.strip_suffix('/').unwrap_or(path);
        let path = path.strip_suffix(".git").unwrap_or(path);
        check_path(path)?;

        let mut out = Buffer::new();
        write!(out, "{}://", scheme.name).ok()?;
        name.chars().try_for_each(|c| out.push(c.to_ascii_lowercase())).ok()?;
        if let Some(port) = port {
            write!(out, ":{port}").ok()?;
        }
        write!(out, "/{path}").ok()?;
        Some(Self { text: out })
    }
}

/// How a repository is reached.
struct Scheme {
    /// Its name in the normal form.
    name: &'static str,
    /// The port that goes without saying.
    port: &'static str,
}

/// Scheme, authority and path of a URL or of what `scp` takes, `user@host:path`.
fn split(text: &str) -> Option<(Scheme, &str, &str)> {
    let Some((scheme, rest)) = text.split_once("://") else {
        let (authority, path) = text.split_once(':')?;
        // Without a user it could be anything with a colon.
        let host = authority.contains('@') && !authority.contains(['/', '#', '?']);
        let scheme = Scheme { name: "https", port: "" };
        return host.then(|| (scheme, authority, path.strip_prefix('/').unwrap_or(path)));
    };
    let known =
        [("https", "https", "443"), ("ssh", "https", "22"), ("http", "http", "80"), ("git", "git", "9418")];
    let scheme = match scheme.split_at_checked(4) {
        Some((git, rest)) if git.eq_ignore_ascii_case("git+") => rest,
        _ => scheme,
    };
    let (_, name, port) = known.into_iter().find(|(known, ..)| scheme.eq_ignore_ascii_case(known))?;
    let (authority, path) = rest.split_once('/')?;
    // Readers disagree on where the host ends in such a text.
    (!authority.contains(['#', '?'])).then_some((Scheme { name, port }, authority, path))
}

fn check_host(host: &str, name: &str, spelling: Spelling) -> Option<()> {
    if spelling == Spelling::Glob && name.contains('*') {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-*".contains(&byte);
        reference::check_port_of(host).ok()?;
        return name.bytes().all(known).then_some(());
    }
    reference::check_host(host).ok()?;
    (!name.starts_with('[') || reference::is_canonical_ipv6(name)).then_some(())
}

/// A path without the reference behind it.
fn without_reference(path: &str) -> Option<&str> {
    let path = path.split('#').next().unwrap_or(path);
    let path = path.split("@refs/").next().unwrap_or(path);
    match path.split_once('?') {
        // BuildKit puts reference and folder of a repository there. Elsewhere the query may be what names the source.
        Some((repository, _)) if repository.ends_with(".git") => Some(repository),
        Some(_) => None,
        None => Some(path),
    }
}

fn check_path(path: &str) -> Option<()> {
    // What another reader decodes into a dot, a slash or a backslash.
    let decodes = |part: &str| {
        part.as_bytes().windows(3).any(|code| {
            ["%2e", "%2f", "%5c", "%00"].iter().any(|bad| code.eq_ignore_ascii_case(bad.as_bytes()))
        })
    };
    path.split('/')
        .all(|part| !part.is_empty() && part != "." && part != ".." && !decodes(part))
        .then_some(())
}

#[cfg(test)]
mod tests {
    use super::Repository;
    use crate::json::parse;

    extern crate std;
    use std::format;
    use std::string::{String, ToString};

    fn normal(text: &str) -> Option<String> {
        let json = format!("\"{text}\"");
        let text = parse(json.as_bytes()).unwrap().string().unwrap();
        Repository::read(text).map(|repository| repository.as_str().to_string())
    }

    #[test]
    fn the_spellings_of_one_repository_are_equal() {
        for text in [
            "https://github.com/acme/app",
            "https://github.com/acme/app/",
            "https://github.com/acme/app.git",
            "https://github.com/acme/app.git/",
            "https://github.com/acme/app.git#main",
            "https://github.com/acme/app.git#refs/tags/v1:sub/folder",
            "https://github.com/acme/app.git?ref=main&subdir=x",
            "https://github.com:443/acme/app",
            "HTTPS://GitHub.com/acme/app",
            "https://user:token@github.com/acme/app",
            "https://x@y:z@github.com/acme/app",
            "git+https://github.com/acme/app",
            "git+https://github.com/acme/app@refs/heads/main",
            "git+https://github.com/acme/app@refs/pull/1/merge",
            "GIT+https://github.com/acme/app",
            "git@github.com:acme/app",
            "git@github.com:acme/app.git",
            "git@github.com:/acme/app.git",
            "git@GitHub.com:acme/app.git#main",
            "ssh://git@github.com/acme/app.git",
            "ssh://git@github.com:22/acme/app.git",
            "git+ssh://git@github.com/acme/app.git",
            "https:\\/\\/github.com\\/acme\\/app",
        ] {
            assert_eq!(normal(text).as_deref(), Some("https://github.com/acme/app"), "{text}");
        }
    }

    #[test]
    fn other_repositories_stay_apart() {
        for (text, expected) in [
            ("https://github.com/acme/App", "https://github.com/acme/App"),
            ("https://github.com:8443/acme/app", "https://github.com:8443/acme/app"),
            ("ssh://git@github.com:443/acme/app", "https://github.com:443/acme/app"),
            ("git@github.com:2222/acme/app", "https://github.com/2222/acme/app"),
            ("http://github.com/acme/app", "http://github.com/acme/app"),
            ("git+http://github.com:80/acme/app", "http://github.com/acme/app"),
            ("git://github.com/acme/app.git", "git://github.com/acme/app"),
            ("https://github.com/acme/app.git.git", "https://github.com/acme/app.git"),
            ("https://github.com/acme/app@v1", "https://github.com/acme/app@v1"),
            ("https://github.com@evil.example/acme/app", "https://evil.example/acme/app"),
            ("https://evil.example/github.com/acme/app", "https://evil.example/github.com/acme/app"),
            ("https://evil.example/x@refs/heads/main@github.com/acme/app", "https://evil.example/x"),
            ("https://evil.example/x#https://github.com/acme/app", "https://evil.example/x"),
            ("https://[2001:db8::1]/acme/app", "https://[2001:db8::1]/acme/app"),
        ] {
            assert_eq!(normal(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_two_readers_could_take_for_two_things_has_no_normal_form() {
        for text in [
            "",
            "https://",
            "https://github.com",
            "https://github.com/",
            "https:///acme/app",
            "https://@/acme/app",
            "https://github.com//acme/app",
            "https://github.com/acme//app",
            "https://github.com/acme/app//",
            "https://github.com/acme/../evil",
            "https://github.com/acme/./app",
            "https://github.com/acme/%2e%2E/evil",
            "https://github.com/acme/app%2Fx",
            "https://github.com/acme/app%5cx",
            "https://github.com/acme/app%00",
            "https://github.com/acme\\\\app",
            "https://evil.example\\\\@github.com/acme/app",
            "https://evil.example#@github.com/acme/app",
            "https://evil.example?@github.com/acme/app",
            "https://github.com/download?repository=acme/app",
            "https://github.com/.git",
            "https://git hub.com/acme/app",
            "https://github.com/acme/app ",
            "https://github.com/acme/app\\n",
            "https://github.com/acme/app\\u0000",
            "https://g\u{456}thub.com/acme/app",
            "https://-github.com/acme/app",
            "https://github.com:0/acme/app",
            "https://github.com:70000/acme/app",
            "https://github.com:x/acme/app",
            "https://github.com./acme/app",
            "https://[::ffff]x/acme/app",
            "https://*.com/acme/app",
            "github.com/acme/app",
            "github.com:acme/app",
            "./app",
            "/src/app",
            "file:///src/app",
            "ftp://github.com/acme/app",
            "docker-image://github.com/acme/app",
            "pkg:docker/alpine@3.19",
            "git@github.com",
            "a/b@c:d/e",
        ] {
            assert_eq!(normal(text), None, "{text}");
        }
        assert_eq!(normal(&format!("https://github.com/acme/{}", "a".repeat(5000))), None);
    }

    #[test]
    fn globs_are_normalised_and_nothing_of_them_is_dropped() {
        let glob = |text| Repository::glob(text).map(|glob| glob.as_str().to_string());
        for (text, expected) in [
            ("https://github.com/acme/*", "https://github.com/acme/*"),
            ("git+https://GitHub.com/acme/app.git", "https://github.com/acme/app"),
            ("ssh://github.com/acme/**", "https://github.com/acme/**"),
            ("https://*.acme.example/**", "https://*.acme.example/**"),
            ("https://**/app", "https://**/app"),
            ("https://github.com:443/acme/*/", "https://github.com/acme/*"),
            ("http://mirror.example:8080/*", "http://mirror.example:8080/*"),
        ] {
            assert_eq!(glob(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "*",
            "**",
            "github.com/acme/*",
            "https://github.com",
            "https://**",
            "https://user@github.com/acme/*",
            "git@github.com:acme/*",
            "https://github.com/acme/app#main",
            "https://github.com/acme/app@refs/heads/*",
            "https://github.com/acme/app?x",
            "https://github.com/acme/../*",
            "https://github.com//acme/*",
            "*://github.com/acme/*",
            "https://*.com:x/acme/*",
            "https://*_x.com/acme/*",
        ] {
            assert_eq!(glob(text), None, "{text}");
        }
    }
}
