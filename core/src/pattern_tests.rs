use super::*;

extern crate std;
use core::time::Duration;
use std::format;
use std::string::String;
use std::time::Instant;

use Outcome::{Match, Miss};

const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const OTHER: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Match,
    Miss,
}

/// `{D}` and `{OTHER}` stand for two digests.
fn fill(text: &str) -> String {
    text.replace("{D}", D).replace("{OTHER}", OTHER)
}

/// pattern, reference as written, expected. `docs/reference-matching.md` shows the same rows.
const GOLDEN: &[(&str, &str, Outcome)] = &[
    ("**", "nginx", Match),
    ("**", "localhost:5000/a/b/c@{D}", Match),
    ("docker.io/library/nginx", "nginx", Match),
    ("docker.io/library/nginx", "nginx:1.25", Match),
    ("docker.io/library/nginx", "nginx@{D}", Match),
    ("docker.io/library/nginx", "index.docker.io/nginx:1@{D}", Match),
    ("docker.io/library/nginx", "registry-1.docker.io/library/nginx", Miss),
    ("docker.io/library/nginx", "nginx-evil", Miss),
    ("docker.io/library/nginx", "library/nginx/x", Miss),
    ("docker.io/library/*", "nginx", Match),
    ("docker.io/library/*", "kcandidate/app", Miss),
    ("docker.io/library/*", "docker.io.evil.com/library/nginx", Miss),
    ("docker.io/kcandidate/*", "kcandidate/app", Match),
    ("docker.io/kcandidate/*", "kcandidate/team/app", Miss),
    ("docker.io/kcandidate/**", "kcandidate/app:v1", Match),
    ("docker.io/kcandidate/**", "kcandidate/team/app@{D}", Match),
    ("docker.io/kcandidate/**", "kcandidate-evil/app", Miss),
    ("docker.io/a/**", "docker.io/a", Miss),
    ("ghcr.io/a/**", "ghcr.io/a", Miss),
    ("docker.io/**", "nginx", Match),
    ("docker.io/**", "ghcr.io/nginx", Miss),
    ("ghcr.io/**/app", "ghcr.io/app", Miss),
    ("ghcr.io/**/app", "ghcr.io/a/app", Match),
    ("ghcr.io/**/app", "ghcr.io/a/app/b/app", Match),
    ("ghcr.io/**/app", "ghcr.io/a/b/apps", Miss),
    ("ghcr.io/*/*/app", "ghcr.io/a/b/app", Match),
    ("ghcr.io/*/*/app", "ghcr.io/a/app", Miss),
    ("ghcr.io/acme/app-*", "ghcr.io/acme/app-1", Match),
    ("ghcr.io/acme/app-*", "ghcr.io/acme/app", Miss),
    ("ghcr.io/acme/app*", "ghcr.io/acme/app", Match),
    ("ghcr.io/acme/app*", "ghcr.io/acme/app/sub", Miss),
    ("ghcr.io/acme/app-?", "ghcr.io/acme/app-1", Match),
    ("ghcr.io/acme/app-?", "ghcr.io/acme/app-12", Miss),
    ("ghcr.io/acme?app", "ghcr.io/acme/app", Miss),
    ("ghcr.io/acme/app:v1", "ghcr.io/acme/app:v1", Match),
    ("ghcr.io/acme/app:v1", "ghcr.io/acme/app:v1@{D}", Match),
    ("ghcr.io/acme/app:v1", "ghcr.io/acme/app@{D}", Miss),
    ("ghcr.io/acme/app:v1", "ghcr.io/acme/app:v10", Miss),
    ("ghcr.io/acme/app:v1", "ghcr.io/acme/app", Miss),
    ("ghcr.io/acme/app:latest", "ghcr.io/acme/app", Match),
    ("ghcr.io/acme/app:old-*", "ghcr.io/acme/app:old-3", Match),
    ("ghcr.io/acme/app:old-*", "ghcr.io/acme/app:OLD-3", Miss),
    ("ghcr.io/acme/app:*", "ghcr.io/acme/app:v1", Match),
    ("ghcr.io/acme/app:*", "ghcr.io/acme/app@{D}", Miss),
    ("ghcr.io/acme/app@{D}", "ghcr.io/acme/app:v1@{D}", Match),
    ("ghcr.io/acme/app@{D}", "ghcr.io/acme/app@{OTHER}", Miss),
    ("ghcr.io/acme/app@{D}", "ghcr.io/acme/app:v1", Miss),
    ("ghcr.io/acme/app:v1@{D}", "ghcr.io/acme/app@{D}", Miss),
    ("127.0.0.1:*/team/**", "127.0.0.1:5055/team/app", Match),
    ("127.0.0.1:*/team/**", "127.0.0.1/team/app", Match),
    ("127.0.0.1:*/team/**", "127.0.0.10:5055/team/app", Miss),
    ("localhost:5000/**", "localhost/app", Miss),
    ("localhost/**", "localhost:5000/app", Miss),
    ("ghcr.io/**", "ghcr.io:443/app", Miss),
    ("ghcr.io/**", "GHCR.io/app", Match),
    ("[::1]:*/**", "[::1]:5000/app", Match),
    ("[::1]:*/**", "[::2]:5000/app", Miss),
    ("*.dkr.ecr.eu-west-1.amazonaws.com/**", "1234.dkr.ecr.eu-west-1.amazonaws.com/app", Match),
    ("*.dkr.ecr.eu-west-1.amazonaws.com/**", "a.b.dkr.ecr.eu-west-1.amazonaws.com/app", Miss),
    ("*.dkr.ecr.eu-west-1.amazonaws.com/**", "dkr.ecr.eu-west-1.amazonaws.com/app", Miss),
    ("1234.dkr.ecr.*.amazonaws.com/**", "1234.dkr.ecr.us-east-2.amazonaws.com/app", Match),
    ("*.gcr.io/**", "eu.gcr.io/p/app", Match),
    ("*.gcr.io/**", "gcr.io/p/app", Miss),
    ("*.gcr.io/**", "eu.gcr.io.evil.com/p/app", Miss),
    ("*.gcr.io/**", "eu.gcr.io:5000/p/app", Miss),
    ("*.gcr.io:*/**", "eu.gcr.io:5000/p/app", Match),
];

/// pattern, reason, and the spelling that is offered instead.
const REFUSED: &[(&str, PatternError, Option<&str>)] = &[
    ("", PatternError::Empty, None),
    ("kcandidate/*", PatternError::NoHost, Some("docker.io/kcandidate/*")),
    ("kcandidate/**", PatternError::NoHost, Some("docker.io/kcandidate/**")),
    ("nginx", PatternError::NoHost, Some("docker.io/library/nginx")),
    ("nginx:1.25", PatternError::NoHost, Some("docker.io/library/nginx:1.25")),
    ("nginx:*", PatternError::NoHost, Some("docker.io/library/nginx:*")),
    ("*", PatternError::NoHost, Some("docker.io/library/*")),
    ("*/*", PatternError::NoHost, Some("docker.io/*/*")),
    ("*/**", PatternError::NoHost, Some("docker.io/*/**")),
    ("***", PatternError::DoubleStar, None),
    ("**/nginx", PatternError::HostWildcard, None),
    ("**/**", PatternError::HostWildcard, None),
    ("**:latest", PatternError::HostWildcard, None),
    ("docker.io/nginx", PatternError::HubLibrary, Some("docker.io/library/nginx")),
    ("docker.io/*", PatternError::HubLibrary, Some("docker.io/library/*")),
    ("docker.io/nginx:1", PatternError::HubLibrary, Some("docker.io/library/nginx:1")),
    ("index.docker.io/library/nginx", PatternError::HubAlias, Some("docker.io/library/nginx")),
    ("index.docker.io/nginx", PatternError::HubAlias, Some("docker.io/library/nginx")),
    ("index.docker.io/**", PatternError::HubAlias, Some("docker.io/**")),
    ("ghcr.io", PatternError::NoRepository, Some("ghcr.io/**")),
    ("localhost", PatternError::NoRepository, Some("localhost/**")),
    ("localhost:5000", PatternError::NoRepository, Some("localhost:5000/**")),
    ("[::1]", PatternError::NoRepository, Some("[::1]/**")),
    ("ghcr.io/", PatternError::Path, None),
    ("ghcr.io//app", PatternError::Path, None),
    ("ghcr.io/app/", PatternError::Path, None),
    ("ghcr.io/a**", PatternError::DoubleStar, None),
    ("ghcr.io/***", PatternError::DoubleStar, None),
    ("ghcr.io/Acme/app", PatternError::UpperCase, Some("ghcr.io/acme/app")),
    ("GHCR.io/acme/app:V1", PatternError::UpperCase, Some("ghcr.io/acme/app:V1")),
    ("ghcr.io/[ab]", PatternError::Path, None),
    ("ghcr.io/{a,b}", PatternError::Path, None),
    ("ghcr.io/!a", PatternError::Path, None),
    ("ghcr.io/a\\*", PatternError::Path, None),
    ("ghcr.io/^a$", PatternError::Path, None),
    ("ghcr.io/ a", PatternError::Path, None),
    ("ghcr.io/\u{e9}", PatternError::NotAscii, None),
    ("ghcr.io/a:", PatternError::Tag, None),
    ("ghcr.io/a:**", PatternError::Tag, None),
    ("ghcr.io/a:b:c", PatternError::Tag, None),
    ("ghcr.io/a@sha256:*", PatternError::Digest, None),
    ("ghcr.io/a@", PatternError::Digest, None),
    ("*.io/**", PatternError::HostWildcard, None),
    ("*.*/**", PatternError::HostWildcard, None),
    ("ghcr.*/**", PatternError::HostWildcard, None),
    ("eu*.gcr.io/**", PatternError::HostWildcard, None),
    ("**.gcr.io/**", PatternError::HostWildcard, None),
    ("?.gcr.io/**", PatternError::HostWildcard, None),
    ("*:5000/**", PatternError::HostWildcard, None),
    ("localhost:50*/**", PatternError::HostWildcard, None),
    ("localhost:?/**", PatternError::HostWildcard, None),
    ("*.a.b:99999/**", PatternError::Port, None),
    ("localhost:0/**", PatternError::Port, None),
    ("localhost:/**", PatternError::Port, None),
    ("gh_cr.io/**", PatternError::Host, None),
    ("*.gh_cr.io/**", PatternError::Host, None),
    ("[0::1]/**", PatternError::Host, None),
    ("[*]/**", PatternError::Path, None),
];

#[test]
fn patterns_match_as_the_golden_table_says() {
    assert!(GOLDEN.len() >= 40);
    for (pattern, reference, expected) in GOLDEN {
        let (pattern, reference) = (fill(pattern), fill(reference));
        let parsed = Pattern::parse(&pattern).unwrap_or_else(|error| panic!("{pattern:?}: {error}"));
        let reference = Reference::parse(&reference).unwrap();
        let found = if parsed.matches(&reference) { Match } else { Miss };
        assert_eq!(found, *expected, "{pattern} against {reference}");
    }
}

#[test]
fn what_is_not_a_pattern_is_refused_and_the_meant_spelling_offered() {
    for (text, error, offered) in REFUSED {
        assert_eq!(Pattern::parse(text), Err(*error), "{text:?}");
        assert_eq!(suggestion(text).as_deref(), *offered, "{text:?}");
    }
}

/// The rows of the table under a heading of the page in `docs/`, without the quotation marks of its cells.
fn rows_of_the_page(heading: &str) -> std::vec::Vec<std::vec::Vec<&'static str>> {
    let page = include_str!("../../docs/reference-matching.md");
    let (_, rest) = page.split_once(heading).unwrap();
    rest.lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect())
        .collect()
}

#[test]
fn the_page_on_matching_shows_these_very_rows() {
    let shown = rows_of_the_page("| pattern | reference | result |");
    let here = GOLDEN.iter().map(|(pattern, reference, outcome)| {
        std::vec![*pattern, *reference, if *outcome == Match { "match" } else { "miss" }]
    });
    assert_eq!(shown, here.collect::<std::vec::Vec<_>>());
    let shown = rows_of_the_page("| as written | offered instead |");
    let here = REFUSED.iter().filter_map(|(pattern, _, offered)| Some(std::vec![*pattern, (*offered)?]));
    assert_eq!(shown, here.collect::<std::vec::Vec<_>>());
    let shown = rows_of_the_page("| as written | normalised |");
    let here = reference::tests::NORMALISED.iter().map(|(text, normalised)| std::vec![*text, *normalised]);
    assert_eq!(shown, here.collect::<std::vec::Vec<_>>());
}

#[test]
fn a_good_pattern_needs_no_suggestion() {
    for (text, _, _) in GOLDEN {
        assert_eq!(suggestion(&fill(text)), None);
    }
}

#[test]
fn a_pattern_longer_than_any_reference_is_refused() {
    let text = format!("ghcr.io/{}", "a".repeat(limits::PATTERN_LENGTH));
    assert_eq!(Pattern::parse(&text), Err(PatternError::TooLong));
}

#[test]
fn the_host_of_a_pattern_says_where_to_look_it_up() {
    assert_eq!(Pattern::parse("**").unwrap().host(), PatternHost::Any);
    assert_eq!(Pattern::parse("ghcr.io/**").unwrap().host(), PatternHost::Exact("ghcr.io"));
    assert_eq!(Pattern::parse("localhost:*/a").unwrap().host(), PatternHost::Glob("localhost:*"));
}

#[test]
fn hostile_patterns_take_no_more_than_the_product_of_the_lengths() {
    let path = "a".repeat(250);
    let reference = Reference::parse(&format!("ghcr.io/{path}")).unwrap();
    let stars = format!("ghcr.io/{}b", "*a".repeat(200));
    let deep = Reference::parse(&format!("ghcr.io/{}a", "a/".repeat(120))).unwrap();
    let doubles = format!("ghcr.io/{}b", "**/a/".repeat(80));
    let begin = Instant::now();
    for _ in 0..100 {
        assert!(!Pattern::parse(&stars).unwrap().matches(&reference));
        assert!(!Pattern::parse(&doubles).unwrap().matches(&deep));
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

/// The plain recursive meaning of `**`, `*` and `?`, to compare with over all small inputs.
fn slow(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => slow(rest, text) || matches!(text, [_, after @ ..] if slow(pattern, after)),
        [b'?', rest @ ..] => matches!(text, [_, after @ ..] if slow(rest, after)),
        [wanted, rest @ ..] => matches!(text, [found, after @ ..] if found == wanted && slow(rest, after)),
    }
}

fn slow_path(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        (["**", rest @ ..], [_, after @ ..]) => slow_path(rest, after) || slow_path(pattern, after),
        ([glob, rest @ ..], [component, after @ ..]) => {
            *glob != "**" && slow(glob.as_bytes(), component.as_bytes()) && slow_path(rest, after)
        }
        _ => false,
    }
}

#[test]
fn the_fast_matcher_agrees_with_the_plain_one_on_all_small_inputs() {
    let words = |alphabet: &[&str], most: u32, glue: &str| {
        let mut out = std::vec::Vec::new();
        for length in 1..=most {
            for number in 0..alphabet.len().pow(length) {
                let mut rest = number;
                let mut word = std::vec::Vec::new();
                for _ in 0..length {
                    word.push(alphabet[rest % alphabet.len()]);
                    rest /= alphabet.len();
                }
                out.push(word.join(glue));
            }
        }
        out
    };
    for glob in words(&["a", "b", "*", "?"], 5, "") {
        for text in words(&["a", "b"], 5, "") {
            assert_eq!(
                segment_matches(&glob, &text),
                slow(glob.as_bytes(), text.as_bytes()),
                "{glob} {text}"
            );
        }
    }
    for pattern in words(&["a", "*b", "**"], 4, "/") {
        for path in words(&["a", "b", "ab"], 5, "/") {
            let (p, t): (std::vec::Vec<_>, std::vec::Vec<_>) =
                (pattern.split('/').collect(), path.split('/').collect());
            assert_eq!(path_matches(&pattern, &path), slow_path(&p, &t), "{pattern} {path}");
        }
    }
}
