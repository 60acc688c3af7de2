use super::*;

extern crate std;
use std::format;
use std::string::String;

const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// `{D}` stands for a digest.
fn fill(text: &str) -> String {
    text.replace("{D}", D)
}

/// What distribution's `ParseNormalizedNamed` and `TagNameOnly` make of these, written by hand.
pub(crate) const NORMALISED: &[(&str, &str)] = &[
    ("nginx", "docker.io/library/nginx:latest"),
    ("nginx:1.25", "docker.io/library/nginx:1.25"),
    ("nginx@{D}", "docker.io/library/nginx@{D}"),
    ("nginx:1.25@{D}", "docker.io/library/nginx:1.25@{D}"),
    ("library/nginx", "docker.io/library/nginx:latest"),
    ("docker.io/nginx", "docker.io/library/nginx:latest"),
    ("docker.io/nginx:1", "docker.io/library/nginx:1"),
    ("docker.io/nginx@{D}", "docker.io/library/nginx@{D}"),
    ("docker.io/library/nginx", "docker.io/library/nginx:latest"),
    ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
    ("index.docker.io/library/nginx:1", "docker.io/library/nginx:1"),
    ("index.docker.io/kcandidate/app", "docker.io/kcandidate/app:latest"),
    ("registry-1.docker.io/library/nginx", "registry-1.docker.io/library/nginx:latest"),
    ("registry-1.docker.io/nginx", "registry-1.docker.io/nginx:latest"),
    ("kcandidate/app", "docker.io/kcandidate/app:latest"),
    ("kcandidate/team/app:v1", "docker.io/kcandidate/team/app:v1"),
    ("ghcr.io/acme/app", "ghcr.io/acme/app:latest"),
    ("ghcr.io/app", "ghcr.io/app:latest"),
    ("GHCR.io/acme/app", "ghcr.io/acme/app:latest"),
    ("Registry.Example.COM:5000/app", "registry.example.com:5000/app:latest"),
    ("DOCKER.IO/library/nginx", "docker.io/library/nginx:latest"),
    ("registry.example.com/a/b/c/d:t", "registry.example.com/a/b/c/d:t"),
    ("registry.example.com:443/app", "registry.example.com:443/app:latest"),
    ("localhost/app", "localhost/app:latest"),
    ("localhost:5000/app", "localhost:5000/app:latest"),
    ("localhost:5000/app@{D}", "localhost:5000/app@{D}"),
    ("localhost", "docker.io/library/localhost:latest"),
    ("localhost:5000", "docker.io/library/localhost:5000"),
    ("docker.io", "docker.io/library/docker.io:latest"),
    ("example.com", "docker.io/library/example.com:latest"),
    ("example.com:8080", "docker.io/library/example.com:8080"),
    ("localhosts/app", "docker.io/localhosts/app:latest"),
    ("registry:5000/app", "registry:5000/app:latest"),
    ("127.0.0.1:5055/team/app:v1", "127.0.0.1:5055/team/app:v1"),
    ("127.0.0.1/app", "127.0.0.1/app:latest"),
    ("[::1]/app", "[::1]/app:latest"),
    ("[::1]:5000/app:v1", "[::1]:5000/app:v1"),
    ("[2001:DB8::7]:5000/app", "[2001:db8::7]:5000/app:latest"),
    ("xn--n3h.com/app", "xn--n3h.com/app:latest"),
    ("docker.io.evil.com/library/nginx", "docker.io.evil.com/library/nginx:latest"),
    ("a-b.example.com/x", "a-b.example.com/x:latest"),
    ("my_app", "docker.io/library/my_app:latest"),
    ("my__app", "docker.io/library/my__app:latest"),
    ("my-app", "docker.io/library/my-app:latest"),
    ("my---app", "docker.io/library/my---app:latest"),
    ("my.app/x.y", "my.app/x.y:latest"),
    ("a/b.c_d-e__f--g", "docker.io/a/b.c_d-e__f--g:latest"),
    ("app:_x", "docker.io/library/app:_x"),
    ("app:V1.0-RC_1", "docker.io/library/app:V1.0-RC_1"),
    ("app:1", "docker.io/library/app:1"),
    // Only the bare 64 digits are refused; distribution takes these too.
    (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855:v1",
        "docker.io/library/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855:v1",
    ),
    (
        "a/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "docker.io/a/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855:latest",
    ),
    ("0", "docker.io/library/0:latest"),
    ("quay.io:65535/a", "quay.io:65535/a:latest"),
];

/// What is refused; `distribution accepts` marks the rows where this parser is the stricter of the two.
const REFUSED: &[(&str, ReferenceError)] = &[
    ("", ReferenceError::Empty),
    ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", ReferenceError::BareIdentifier),
    ("n\u{456}ginx", ReferenceError::NotAscii),
    ("docker.i\u{43e}/nginx", ReferenceError::NotAscii),
    ("nginx\u{ff1a}1", ReferenceError::NotAscii),
    ("Nginx", ReferenceError::UpperCase),
    ("library/Nginx", ReferenceError::UpperCase),
    ("ghcr.io/Acme/app", ReferenceError::UpperCase),
    ("Foo/bar", ReferenceError::UpperCase), // distribution accepts Foo as a host
    ("DOCKER.IO/nginx", ReferenceError::HubCase), // distribution accepts DOCKER.IO/nginx
    ("Index.Docker.io/nginx", ReferenceError::HubCase), // distribution accepts it as a host of its own
    (" nginx", ReferenceError::Path),
    ("nginx ", ReferenceError::Path),
    ("nginx\n", ReferenceError::Path),
    ("nginx\0", ReferenceError::Path),
    ("nginx:1\n", ReferenceError::Tag),
    ("/nginx", ReferenceError::Path),
    ("nginx/", ReferenceError::Path),
    ("a//b", ReferenceError::Path),
    ("docker.io/", ReferenceError::Path),
    ("ghcr.io/", ReferenceError::Path),
    ("a/../b", ReferenceError::Path),
    ("../etc/passwd", ReferenceError::Host),
    ("./x", ReferenceError::Host),
    ("-app", ReferenceError::Path),
    ("app-", ReferenceError::Path),
    ("_app", ReferenceError::Path),
    ("app.", ReferenceError::Path),
    ("a..b", ReferenceError::Path),
    ("a___b", ReferenceError::Path),
    ("a._b", ReferenceError::Path),
    ("a-_b", ReferenceError::Path),
    ("a%2fb", ReferenceError::Path),
    ("a\\b", ReferenceError::Path),
    ("a?b", ReferenceError::Path),
    ("a#b", ReferenceError::Path),
    ("a*", ReferenceError::Path),
    (":1", ReferenceError::Path),
    ("@{D}", ReferenceError::Path),
    ("nginx:", ReferenceError::Tag),
    ("nginx:-1", ReferenceError::Tag),
    ("nginx:.1", ReferenceError::Tag),
    ("nginx:a:b", ReferenceError::Tag),
    ("nginx:a/b", ReferenceError::Port),
    ("nginx:a+b", ReferenceError::Tag),
    ("nginx@", ReferenceError::Digest(DigestError::NoAlgorithm)),
    ("nginx@sha256", ReferenceError::Digest(DigestError::NoAlgorithm)),
    ("nginx@sha256:abc", ReferenceError::Digest(DigestError::Length)),
    ("nginx@sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709", ReferenceError::Digest(DigestError::Algorithm)),
    ("nginx@{D}@{D}", ReferenceError::Digest(DigestError::Length)),
    ("nginx@{D}:tag", ReferenceError::Digest(DigestError::Length)),
    (
        "nginx@sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
        ReferenceError::Digest(DigestError::Hex),
    ),
    ("http://ghcr.io/app", ReferenceError::Port),
    ("user:pw@ghcr.io/app", ReferenceError::Port),
    ("user@ghcr.io/app", ReferenceError::Host),
    ("ghcr.io:/app", ReferenceError::Port),
    ("ghcr.io:0/app", ReferenceError::Port),
    ("ghcr.io:0443/app", ReferenceError::Port), // distribution accepts
    ("ghcr.io:65536/app", ReferenceError::Port), // distribution accepts
    ("ghcr.io:+443/app", ReferenceError::Port),
    ("ghcr.io:*/app", ReferenceError::Port),
    ("ghcr.io./app", ReferenceError::Host),
    ("ghcr..io/app", ReferenceError::Host),
    (".ghcr.io/app", ReferenceError::Host),
    ("-ghcr.io/app", ReferenceError::Host),
    ("ghcr-.io/app", ReferenceError::Host),
    ("gh_cr.io/app", ReferenceError::Host),
    ("*.ghcr.io/app", ReferenceError::Host),
    ("::1/app", ReferenceError::Port),
    ("[::1/app", ReferenceError::Port),
    ("[::1]x/app", ReferenceError::Port),
    ("[::1]5000/app", ReferenceError::Port),
    ("[0::1]/app", ReferenceError::Host),         // distribution accepts
    ("[2001:0db8::7]/app", ReferenceError::Host), // distribution accepts
    ("[fe80::1%25eth0]/app", ReferenceError::Host),
    ("[::ffff:1.2.3.4]:/app", ReferenceError::Port),
    ("[:]/app", ReferenceError::Host),
    ("[]/app", ReferenceError::Path),
];

#[test]
fn a_reference_is_normalised_as_distribution_does() {
    assert!(NORMALISED.len() >= 50);
    for (text, expected) in NORMALISED {
        let (text, expected) = (fill(text), fill(expected));
        let reference = Reference::parse(&text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(reference.as_str(), expected, "{text:?}");
    }
}

#[test]
fn what_is_not_a_reference_is_refused_with_its_reason() {
    assert!(REFUSED.len() >= 60);
    for (text, error) in REFUSED {
        assert_eq!(Reference::parse(&fill(text)), Err(*error), "{text:?}");
    }
}

#[test]
fn normalising_twice_changes_nothing() {
    for (text, _) in NORMALISED {
        let once = Reference::parse(&fill(text)).unwrap();
        assert_eq!(Reference::parse(once.as_str()), Ok(once.clone()), "{text:?}");
    }
}

#[test]
fn the_parts_add_up_to_the_whole() {
    for (text, _) in NORMALISED {
        let reference = Reference::parse(&fill(text)).unwrap();
        assert_eq!(format!("{}/{}", reference.host(), reference.path()), reference.name());
        let mut whole = String::from(reference.name());
        if let Some(tag) = reference.tag() {
            whole = format!("{whole}:{tag}");
        }
        if let Some(digest) = reference.digest() {
            whole = format!("{whole}@{digest}");
        }
        assert_eq!(whole, reference.as_str());
    }
}

#[test]
fn tag_and_digest_are_both_kept() {
    let reference = Reference::parse(&fill("localhost:5000/a/b:v1@{D}")).unwrap();
    assert_eq!(reference.host(), "localhost:5000");
    assert_eq!(reference.path(), "a/b");
    assert_eq!(reference.tag(), Some("v1"));
    assert_eq!(reference.digest(), Some(Digest::of(b"")));
}

#[test]
fn a_path_of_255_is_read_and_one_of_256_is_not() {
    let long = "a".repeat(255);
    assert!(Reference::parse(&format!("ghcr.io/{long}")).is_ok());
    assert_eq!(Reference::parse(&format!("ghcr.io/{long}a")), Err(ReferenceError::TooLong));
    // `library/` counts
    assert_eq!(Reference::parse(&long), Err(ReferenceError::TooLong));
    assert!(Reference::parse(&"a".repeat(247)).is_ok());
}

#[test]
fn a_tag_of_128_is_read_and_one_of_129_is_not() {
    let long = "t".repeat(128);
    assert!(Reference::parse(&format!("a:{long}")).is_ok());
    assert_eq!(Reference::parse(&format!("a:{long}t")), Err(ReferenceError::Tag));
}

#[test]
fn the_longest_reference_fits_and_a_longer_host_does_not() {
    let host = format!("{}.io:65535", "h".repeat(250));
    assert_eq!(host.len(), limits::HOST_LENGTH);
    let text = format!("{host}/{}:{}@{D}", "a".repeat(255), "t".repeat(128));
    assert_eq!(Reference::parse(&text).unwrap().as_str(), text);
    assert_eq!(Reference::parse(&format!("h{text}")), Err(ReferenceError::TooLong));
    assert_eq!(Reference::parse(&format!("h{host}/a")), Err(ReferenceError::TooLong));
}
