//! Neighbours' globs over images, said in patterns.
//!
//! Kyverno compares a glob with the image as the pod spells it, tag and digest included, and its `*` crosses `/`; sigstore's
//! `*` does not, and its `**` does. A pattern is compared with the normalised reference, its `*` stays within a component,
//! and it says nothing of tags. So one glob becomes one or several patterns, which together match at least every image that
//! the glob matches: an image that they match besides is asked for more than in the cluster, never the other way round.
//!
//! What cannot be said so is refused: a wildcard that reaches from a registry's name into a path has no counterpart here.

use std::collections::BTreeSet;

use pullward_core::limits;
use pullward_core::pattern::Pattern;
use pullward_core::reference::Reference;

/// What became of a glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Patterns {
    pub(super) patterns: BTreeSet<String>,
    /// Whether, and why, they match more than the glob.
    pub(super) wider: Option<String>,
}

const HUB: &str = "docker.io";

/// Stands for a star that crosses slashes: no image's name has it.
const CROSSING: char = '\u{1}';

/// Whose glob it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Every run of stars crosses slashes.
    Kyverno,
    /// One star stays within a component, two cross slashes.
    Sigstore,
}

/// Translates one glob.
///
/// # Errors
/// Why that is not possible, and what to do.
pub(super) fn translate(glob: &str, dialect: Dialect) -> Result<Patterns, String> {
    if !glob.is_ascii() || glob.contains(|c: char| c.is_ascii_control() || c == ' ') {
        return Err("has characters that no image's name has".to_owned());
    }
    if let Some(odd) = glob.chars().find(|c| matches!(c, '[' | ']' | '{' | '}' | '\\' | '!' | '?')) {
        return Err(format!(
            "uses {odd:?}, which has no counterpart in patterns; write one glob for each image or path that is meant"
        ));
    }
    if glob.len() > limits::PATTERN_LENGTH {
        return Err(format!("is longer than {} bytes, and so than any image's name", limits::PATTERN_LENGTH));
    }
    let only = |pattern: &str, wider: Option<&str>| {
        Ok(Patterns { patterns: [pattern.to_owned()].into(), wider: wider.map(str::to_owned) })
    };
    let marked = marked(glob, dialect);
    match marked.as_str() {
        "" => Err("is empty, and matches nothing".to_owned()),
        "\u{1}" => only("**", None),
        "\u{1}/\u{1}" => {
            only("**", Some("also images that are named without a slash, which the glob leaves out"))
        }
        // Sigstore's own words for all of Docker Hub.
        "*" => only("docker.io/library/*", None),
        "*/*" => only("docker.io/*/*", None),
        marked if marked.contains(STARS) => with_stars(marked, glob),
        name => exact(name),
    }
}

/// Both kinds of star.
const STARS: [char; 2] = ['*', CROSSING];

/// The glob with [`CROSSING`] in place of the stars that cross slashes; several in a row match what one matches.
fn marked(glob: &str, dialect: Dialect) -> String {
    let mut marked = String::new();
    let mut rest = glob;
    while let Some(at) = rest.find('*') {
        let (before, stars) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let after = stars.trim_start_matches('*');
        let one = stars.len() - after.len() == 1 && dialect == Dialect::Sigstore;
        marked.push_str(before);
        marked.push(if one { '*' } else { CROSSING });
        rest = after;
    }
    marked + rest
}

/// A glob without wildcards: one spelling of one image.
fn exact(name: &str) -> Result<Patterns, String> {
    let reference = Reference::parse(name).map_err(|error| format!("is the name of no image: {error}"))?;
    // By name and by digest alone is one and the same: the tag in front of a digest does not reach a node.
    let (pattern, wider) = match reference.digest() {
        Some(digest) => (format!("{}@{digest}", reference.name()), None),
        None => (reference.name().to_owned(), Some(every_tag())),
    };
    checked([pattern].into(), wider)
}

fn every_tag() -> String {
    "every tag and digest of the repository: a pull by digest reaches a node without its tag".to_owned()
}

fn with_stars(glob: &str, shown: &str) -> Result<Patterns, String> {
    let Some((first, rest)) = glob.split_once('/') else {
        // `nginx:*`: all of Docker Hub's nginx, or everything on a registry of that name and any port.
        if let Some((name, tag)) = glob.split_once(':')
            && tag.trim_end_matches(STARS).is_empty()
            && !name.contains(STARS)
        {
            return checked([format!("{HUB}/library/{name}"), format!("{name}:*/**")].into(), None);
        }
        return Err(reaches(shown));
    };
    if first.contains(STARS) {
        return Err(reaches(shown));
    }
    let is_host = first.contains(['.', ':']) || first == "localhost";
    let lower = first.to_ascii_lowercase();
    let (host, path) = match (is_host, lower.as_str()) {
        (true, HUB | "index.docker.io") => (HUB, rest),
        (true, host) => (host, rest),
        (false, _) => (HUB, glob),
    };
    // What a tag or a digest asks for cannot be asked for: see `every_tag`.
    let (path, tail) = match path.find([':', '@']) {
        Some(at) => path.split_at_checked(at).unwrap_or((path, "")),
        None => (path, ""),
    };
    let (path, wider) = match tail {
        // `app*` also takes tags along.
        "" if path.ends_with(STARS) => (path, None),
        "" => (path, Some(every_tag())),
        tail if tail.contains('/') => {
            return Err(format!("has a slash behind {tail:?}, where no image has one"));
        }
        _ => (path, Some(every_tag())),
    };
    // A slash keeps what is before it in the path; nothing keeps a star in the last component out of the tag.
    let component = path.rsplit('/').next().unwrap_or(path);
    if let Some((_, behind)) = component.split_once(STARS)
        && behind.contains(|c| !STARS.contains(&c))
    {
        return Err(format!(
            "compares {behind:?} with the end of a name or of a tag, and a pull by digest reaches a node without its tag; \
             write one glob for each repository that is meant"
        ));
    }
    let mut patterns = BTreeSet::new();
    for path in expand(path)? {
        if path.contains('/') || path == "**" || host != HUB {
            patterns.insert(format!("{host}/{path}"));
        } else {
            // A single name on Docker Hub is one of the library's.
            patterns.insert(format!("{HUB}/library/{path}"));
        }
    }
    checked(patterns, wider)
}

fn reaches(glob: &str) -> String {
    format!(
        "has a wildcard that reaches from the registry's name into the path: {glob:?} also matches images of registries that it \
         does not name; write one glob for each registry"
    )
}

/// Writes each star of a path in the ways in which it may cross a slash, or not.
fn expand(path: &str) -> Result<BTreeSet<String>, String> {
    let mut written: BTreeSet<String> = [String::new()].into();
    let pieces: Vec<&str> = path.split(CROSSING).collect();
    for (place, piece) in pieces.iter().enumerate() {
        written = written.into_iter().map(|start| start + piece).collect();
        let Some(next) = pieces.get(place + 1) else { break };
        let last = next.is_empty() && place + 2 == pieces.len();
        let ways: &[&str] = match (piece.is_empty() || piece.ends_with('/'), last || next.starts_with('/')) {
            // A whole component, and so one or more.
            (true, true) => &["**"],
            (true, false) => &["*", "**/*"],
            (false, true) => &["*", "*/**"],
            (false, false) => &["*", "*/*", "*/**/*"],
        };
        written =
            written.iter().flat_map(|start| ways.iter().map(move |way| format!("{start}{way}"))).collect();
        if written.len() > limits::IMPORT_GLOB_PATTERNS {
            return Err(format!(
                "has so many stars that it becomes more than {} patterns; write several globs with fewer",
                limits::IMPORT_GLOB_PATTERNS
            ));
        }
    }
    Ok(written)
}

fn checked(patterns: BTreeSet<String>, wider: Option<String>) -> Result<Patterns, String> {
    for pattern in &patterns {
        Pattern::parse(pattern)
            .map_err(|error| format!("would be the pattern `{pattern}`, which cannot be written: {error}"))?;
    }
    Ok(Patterns { patterns, wider })
}

/// Whether no image can match both patterns, as far as that can be seen from their beginnings.
pub(super) fn disjoint(one: &str, other: &str) -> bool {
    let fixed = |pattern: &str| pattern.split(['*', '?', ':', '@']).next().unwrap_or_default().to_owned();
    let split =
        |pattern: &str| pattern.split_once('/').map(|(host, path)| (host.to_owned(), path.to_owned()));
    let (Some((one_host, one_path)), Some((other_host, other_path))) = (split(one), split(other)) else {
        return false;
    };
    if one_host.contains('*') || other_host.contains('*') {
        return false;
    }
    if one_host != other_host {
        return true;
    }
    let (one_fixed, other_fixed) = (fixed(&one_path), fixed(&other_path));
    match (one_fixed == one_path, other_fixed == other_path) {
        (true, true) => one_path != other_path,
        (true, false) => !one_path.starts_with(&other_fixed),
        (false, true) => !other_path.starts_with(&one_fixed),
        (false, false) => !one_fixed.starts_with(&other_fixed) && !other_fixed.starts_with(&one_fixed),
    }
}

#[cfg(test)]
mod tests {
    use pullward_core::pattern::Pattern;
    use pullward_core::reference::Reference;

    use super::{Dialect, Patterns, disjoint};

    fn translate(glob: &str) -> Result<Patterns, String> {
        super::translate(glob, Dialect::Kyverno)
    }

    /// Kyverno's comparison: a star is any run of characters, slashes included.
    fn kyverno(glob: &str, image: &str) -> bool {
        let Some((start, rest)) = glob.split_once('*') else { return glob == image };
        let Some(left) = image.strip_prefix(start) else { return false };
        (0..=left.len()).filter_map(|at| left.get(at..)).any(|left| kyverno(rest, left))
    }

    fn patterns(glob: &str) -> Vec<String> {
        translate(glob).unwrap().patterns.into_iter().collect()
    }

    #[test]
    fn globs_become_the_patterns_that_mean_the_same() {
        for (glob, expected) in [
            ("*", &["**"] as &[_]),
            ("**", &["**"]),
            ("kcandidate/*", &["docker.io/kcandidate/**"]),
            ("kcandidate/**", &["docker.io/kcandidate/**"]),
            ("docker.io/kcandidate/*", &["docker.io/kcandidate/**"]),
            ("index.docker.io/kcandidate/*", &["docker.io/kcandidate/**"]),
            ("ghcr.io/*", &["ghcr.io/**"]),
            ("GHCR.io/*", &["ghcr.io/**"]),
            ("ghcr.io/org/*", &["ghcr.io/org/**"]),
            ("localhost:5000/*", &["localhost:5000/**"]),
            ("localhost/x/*", &["localhost/x/**"]),
            ("127.0.0.1:5000/team/*", &["127.0.0.1:5000/team/**"]),
            ("docker.io/*", &["docker.io/**"]),
            ("ghcr.io/org/app*", &["ghcr.io/org/app*", "ghcr.io/org/app*/**"]),
            ("docker.io/ngi*", &["docker.io/library/ngi*", "docker.io/ngi*/**"]),
            ("ghcr.io/*/app/*", &["ghcr.io/**/app/**"]),
            ("nginx:*", &["docker.io/library/nginx", "nginx:*/**"]),
        ] {
            let read = translate(glob).unwrap();
            assert_eq!(read.patterns.into_iter().collect::<Vec<_>>(), expected, "{glob}");
            assert_eq!(read.wider, None, "{glob}");
        }
    }

    #[test]
    fn what_becomes_wider_says_so() {
        for (glob, expected) in [
            ("*/*", &["**"] as &[_]),
            ("ghcr.io/org/app", &["ghcr.io/org/app"]),
            ("nginx", &["docker.io/library/nginx"]),
            ("ghcr.io/org/app:v1", &["ghcr.io/org/app"]),
            ("ghcr.io/org/app:*", &["ghcr.io/org/app"]),
            ("ghcr.io/org/app:v*", &["ghcr.io/org/app"]),
            ("ghcr.io/org/app@sha256:*", &["ghcr.io/org/app"]),
            ("ghcr.io/org/*:latest", &["ghcr.io/org/**"]),
            ("ghcr.io/*/app", &["ghcr.io/**/app"]),
            ("ghcr.io/*-prod/app", &["ghcr.io/**/*-prod/app", "ghcr.io/*-prod/app"]),
            ("ghcr.io/a*z/app", &["ghcr.io/a*/**/*z/app", "ghcr.io/a*/*z/app", "ghcr.io/a*z/app"]),
        ] {
            let read = translate(glob).unwrap();
            assert_eq!(read.patterns.into_iter().collect::<Vec<_>>(), expected, "{glob}");
            assert!(read.wider.is_some(), "{glob}");
        }
        let digest = format!("ghcr.io/org/app@sha256:{}", "a".repeat(64));
        assert_eq!(translate(&digest).unwrap().wider, None);
        assert_eq!(patterns(&digest), [digest.as_str()]);
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        for glob in [
            "",
            "*.gcr.io/*",
            "*:latest",
            "*/org/*",
            "ghcr*",
            "ghcr.*",
            "nginx*",
            "gh*cr.io/x",
            "ghcr.io/[ab]/*",
            "{a,b}/*",
            "ghcr.io/a?b",
            "ghcr.io/\\*",
            "ghcr.io/Org/*",
            "ghcr.io/a b",
            "ghcr.io/é*",
            "ghcr.io/x:*/y",
            "ghcr.io/",
            "ghcr.io//*",
            "ghcr.io/*a/*b/*c/*d/*e/f",
            "ghcr.io/org/*-prod",
            "ghcr.io/org/a*z",
            "ghcr.io/*a*",
            "ghcr.io/a*b:v1",
            "ghcr.io/a*6:000*",
            "UPPER/*",
            "nginx:*:*",
            "*:*",
        ] {
            assert!(translate(glob).is_err(), "{glob}: {:?}", translate(glob));
        }
        assert!(translate(&"a/".repeat(2000)).is_err());
    }

    /// The claim of this file, over what the pieces can make.
    #[test]
    fn no_image_that_a_glob_matches_is_missed() {
        let images = images();
        let pieces =
            ["ghcr.io/", "docker.io/", "acme/", "lib", "a", "-b", "*", "/", ":v1", ":", "@sha256:", "*"];
        let (mut globs, mut matched) = (0_u32, 0_u32);
        let mut state = 42_u64;
        for _ in 0..20_000 {
            let mut glob = String::new();
            for _ in 0..1 + state % 6 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                glob.push_str(pieces[usize::try_from(state >> 33).unwrap() % pieces.len()]);
            }
            let Ok(read) = translate(&glob) else { continue };
            globs += 1;
            for image in images.iter().filter(|image| kyverno(&glob, image)) {
                matched += 1;
                let reference = Reference::parse(image).unwrap();
                let taken = |text: &String| Pattern::parse(text).unwrap().matches(&reference);
                assert!(read.patterns.iter().any(taken), "{glob}: {image}: {:?}", read.patterns);
            }
        }
        assert!(globs > 1_000 && matched > 5_000, "{globs} {matched}");
    }

    /// Images as pods spell them.
    fn images() -> Vec<String> {
        let digest = format!("@sha256:{}", "0".repeat(64));
        let hosts = ["", "ghcr.io/", "docker.io/", "index.docker.io/", "ghcr.io:443/", "lib:5000/"];
        let paths = [
            "a",
            "acme/a",
            "lib",
            "liba",
            "lib-b",
            "acme/lib-b",
            "acme/x/lib-b",
            "acme/a/a",
            "a/b/c-b",
            "library/a",
        ];
        let mut images = Vec::new();
        for host in hosts {
            for path in paths {
                for tail in ["", ":v1", ":v1-b", &digest, &format!(":v1{digest}")] {
                    images.push(format!("{host}{path}{tail}"));
                }
            }
        }
        images
    }

    /// Sigstore's comparison: one star is any run of characters without a slash, two are any run.
    fn sigstore(glob: &str, image: &str) -> bool {
        let Some((start, rest)) = glob.split_once('*') else { return glob == image };
        let Some(left) = image.strip_prefix(start) else { return false };
        let (rest, across) = rest.strip_prefix('*').map_or((rest, false), |rest| (rest, true));
        let end = if across { left.len() } else { left.find('/').unwrap_or(left.len()) };
        (0..=end).filter_map(|at| left.get(at..)).any(|left| sigstore(rest, left))
    }

    #[test]
    fn sigstores_globs_become_patterns() {
        let read = |glob: &str| {
            super::translate(glob, Dialect::Sigstore)
                .map(|read| read.patterns.into_iter().collect::<Vec<_>>())
        };
        for (glob, expected) in [
            ("**", &["**"] as &[_]),
            ("*", &["docker.io/library/*"]),
            ("*/*", &["docker.io/*/*"]),
            ("ghcr.io/acme/*", &["ghcr.io/acme/*"]),
            ("ghcr.io/acme/**", &["ghcr.io/acme/**"]),
            ("ghcr.io/*/app*", &["ghcr.io/*/app*"]),
            ("ghcr.io/**/app*", &["ghcr.io/**/app*"]),
            ("ghcr.io/acme/app**", &["ghcr.io/acme/app*", "ghcr.io/acme/app*/**"]),
            ("index.docker.io/library/*", &["docker.io/library/*"]),
            ("kcandidate/*", &["docker.io/kcandidate/*"]),
            ("nginx", &["docker.io/library/nginx"]),
        ] {
            assert_eq!(
                read(glob).as_deref(),
                Ok(&expected.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>()[..]),
                "{glob}"
            );
        }
        for glob in ["*.gcr.io/**", "**/app", "gh*/x", "ghcr.io/*-prod", "ghcr.io/a*:v*", "**:v1", ""] {
            assert!(read(glob).is_err() || glob.ends_with(":v*"), "{glob}: {:?}", read(glob));
        }
    }

    #[test]
    fn no_image_that_a_glob_of_sigstores_matches_is_missed() {
        let pieces = [
            "ghcr.io/",
            "docker.io/",
            "acme/",
            "lib",
            "a",
            "-b",
            "*",
            "/",
            ":v1",
            ":",
            "**",
            "index.docker.io/",
        ];
        let images = images();
        let (mut globs, mut matched) = (0_u32, 0_u32);
        let mut state = 7_u64;
        for _ in 0..20_000 {
            let mut glob = String::new();
            for _ in 0..1 + state % 6 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                glob.push_str(pieces[usize::try_from(state >> 33).unwrap() % pieces.len()]);
            }
            let Ok(read) = super::translate(&glob, Dialect::Sigstore) else { continue };
            globs += 1;
            // `*` and `*/*` are words of their own there.
            for image in images.iter().filter(|_| glob != "*" && glob != "*/*") {
                let reference = Reference::parse(image).unwrap();
                let normalised = reference.as_str().replacen("docker.io/", "index.docker.io/", 1);
                if !sigstore(&glob, image) && !sigstore(&glob, &normalised) {
                    continue;
                }
                matched += 1;
                let taken = |text: &String| Pattern::parse(text).unwrap().matches(&reference);
                assert!(read.patterns.iter().any(taken), "{glob}: {image}: {:?}", read.patterns);
            }
        }
        assert!(globs > 1_000 && matched > 5_000, "{globs} {matched}");
    }

    #[test]
    fn patterns_that_share_an_image_are_not_called_disjoint() {
        for (one, other) in [
            ("**", "ghcr.io/a"),
            ("ghcr.io/**", "ghcr.io/a/b"),
            ("ghcr.io/a*", "ghcr.io/ab"),
            ("ghcr.io/a", "ghcr.io/a:v1"),
            ("*.gcr.io/x/**", "eu.gcr.io/y"),
            ("h:*/x", "h/y"),
            ("ghcr.io/a", "ghcr.io/a"),
            ("ghcr.io/a/**", "ghcr.io/**/b"),
        ] {
            assert!(!disjoint(one, other) && !disjoint(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("ghcr.io/**", "docker.io/**"),
            ("ghcr.io/a/**", "ghcr.io/b/**"),
            ("ghcr.io/a", "ghcr.io/b"),
            ("ghcr.io/a/**", "ghcr.io/a"),
        ] {
            assert!(disjoint(one, other) && disjoint(other, one), "{one} {other}");
        }
    }
}
