//! Trusted roots and identities in a policy: what reaches the payload, and what is refused where.

use pullward_core::oci::Digest;

use super::tests::Folder;
use crate::trust::payload::{AuthorityKind, Identity};

/// A certificate authority that exists only here; nobody has its key.
const CERTIFICATE: &str = "MIIBrzCCAVWgAwIBAgIUCRh6/WEccqe2oWANhTfSO3bQ9D0wCgYIKoZIzj0EAwIwLDEWMBQGA1UECgwNcHVsbHdhcmQudGVzdDES\
     MBAGA1UEAwwJYXV0aG9yaXR5MCAXDTI2MTEyNDE4NTEyMloYDzIxMjYxMDMxMTg1MTIyWjAsMRYwFAYDVQQKDA1wdWxsd2FyZC50\
     ZXN0MRIwEAYDVQQDDAlhdXRob3JpdHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARgkeOcFLiDqyCTqrK8JJB8DOEQpUyto8bJ\
     V87GrAKuBj0cF54HQ7h6J5t1ZdaYvuPDCDY+ugE5b9h6bZ/8Es92o1MwUTAdBgNVHQ4EFgQUvYX8Fevs168CP9TpHZv+S8V0n7Ew\
     HwYDVR0jBBgwFoAUvYX8Fevs168CP9TpHZv+S8V0n7EwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEAt3M9G31U\
     2nwZXgyLgC+UYbjHGvhFYzgdHxXXMyphPoACIFlL/3Yu7VU4SBiyn/AKFfrQd9InQt+vyuEUw1tb1GpV";

/// The key of a log that exists only here, and its id.
const LOG: [&str; 2] = [
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEVzExJmppsvZae+UPYf/Nj+jEYdRwZYJ9sgPWQ3Z8LrhYoUlJgBrdIXQzP7V0vNNy\
     T6cFPtnOVFeb5GJBwBzwjA==",
    "h/5orNrRf9LOi1Wz/6/3m+5bo5lKusTnpxb6cZy4yas=",
];

const VALID: &str = r#""validFor":{"start":"2026-01-01T00:00:00Z"}"#;

/// A trusted root with these members.
fn root(members: &[&str]) -> String {
    let media_type = r#""mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1""#;
    format!("{{{media_type},{}}}", members.join(","))
}

fn authorities(name: &str) -> String {
    format!(r#""{name}":[{{"certChain":{{"certificates":[{{"rawBytes":"{CERTIFICATE}"}}]}},{VALID}}}]"#)
}

fn logs() -> String {
    format!(r#""tlogs":[{}]"#, log())
}

fn log() -> String {
    let [key, id] = LOG;
    format!(
        r#"{{"hashAlgorithm":"SHA2_256","publicKey":{{"rawBytes":"{key}","keyDetails":"PKIX_ECDSA_P256_SHA_256",{VALID}}},"logId":{{"keyId":"{id}"}}}}"#
    )
}

/// A folder with trusted roots: root.json with an authority and a log, the others with less.
pub(super) fn folder() -> Folder {
    let folder = Folder::new();
    let (authority, timestamps) =
        (authorities("certificateAuthorities"), authorities("timestampAuthorities"));
    folder.write("root.json", &root(&[&authority, &logs()]));
    folder.write("timestamps.json", &root(&[&authority, &timestamps]));
    folder.write("no-authority.json", &root(&[&logs()]));
    folder.write("no-time.json", &root(&[&authority]));
    folder.write("no-start.json", &root(&[&authority, &logs().replace("start", "end")]));
    folder.write("twice.json", &root(&[&authority, &format!(r#""tlogs":[{0},{0}]"#, log())]));
    folder
}

/// Every field about identities, once.
pub(super) const KEYLESS: &str = r#"schema = 1

[[authority]]
name = "github"
[authority.keyless]
trusted_root = "root.json"
[[authority.keyless.identity]]
issuer = "https://token.actions.githubusercontent.com"
subject = "https://github.com/acme/*/.github/workflows/release.yml@refs/tags/*"
fields = { runner_environment = "github-hosted", source_repository_uri = "https://github.com/acme/*" }

[[authority]]
name = "release"
key = "a.pub"
valid_from = 2026-01-01T00:00:00Z
trusted_root = "root.json"

[[rule]]
name = "app"
match = ["ghcr.io/acme/**"]
signed_by = ["github", "release"]
at_least = 2

[[revoke]]
identity = { issuer = "https://token.actions.githubusercontent.com", subject = "https://github.com/acme/old/**" }
from = 2026-06-01T00:00:00Z
reason = "left"

[[revoke]]
serial = "00:AB:cd:01"
"#;

#[test]
fn roots_identities_and_revocations_reach_the_payload() {
    let payload = folder().payload(KEYLESS);
    assert_eq!(payload.min_engine, 3);
    assert_eq!(payload.trusted_roots.len(), 1, "one root, however often it is named");
    let root = std::fs::read(folder().path("root.json")).unwrap();
    assert_eq!(payload.trusted_roots[0].digest, Digest::of(&root).to_string());
    let [github, release] = payload.authorities.as_slice() else { panic!("{:?}", payload.authorities) };
    assert_eq!((github.kind, github.trusted_root, &github.keys), (AuthorityKind::Keyless, Some(0), &None));
    let fields =
        [("runner_environment", "github-hosted"), ("source_repository_uri", "https://github.com/acme/*")];
    assert_eq!(
        github.identities.as_deref(),
        Some(
            &[Identity {
                issuer: "https://token.actions.githubusercontent.com".into(),
                subject: "https://github.com/acme/*/.github/workflows/release.yml@refs/tags/*".into(),
                fields: fields.map(|(name, text)| (name.to_owned(), text.to_owned())).into(),
            }][..]
        )
    );
    assert_eq!((release.kind, release.trusted_root), (AuthorityKind::Key, Some(0)));
    assert_eq!(payload.revoked.identities[0].subject, "https://github.com/acme/old/**");
    assert_eq!(payload.revoked.serials[0].serial, "abcd01");
    let names: Vec<&str> = payload.parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["policy.toml", "root.json", "a.pub"]);
    // What the builder writes, a node takes.
    crate::trust::installed::tests::unsigned(payload.to_bytes().unwrap());
}

#[test]
fn what_can_vouch_for_nobody_or_at_no_time_is_refused() {
    let folder = folder();
    folder.payload(&KEYLESS.replace("root.json", "timestamps.json"));
    for (file, place, words) in [
        ("no-authority.json", "6:16 policy-trusted-root", "vouches for nobody"),
        ("no-time.json", "6:16 policy-trusted-root", "when something was signed"),
        ("no-start.json", "6:16 policy-trusted-root", "has no start"),
        ("twice.json", "6:16 policy-trusted-root", ""),
        ("a.pub", "6:16 policy-trusted-root", "no trusted root"),
        ("absent.json", "6:16 policy-key-file", "paths are relative"),
    ] {
        let text = KEYLESS.replacen("root.json", file, 1);
        assert_eq!(folder.problems(&text), [place], "{file}");
        assert!(folder.message(&text).contains(words), "{file}: {}", folder.message(&text));
    }
    // Keys need nobody's certificates, but a time.
    folder.payload(
        &KEYLESS.replace(
            "trusted_root = \"root.json\"\n\n[[rule",
            "trusted_root = \"no-authority.json\"\n\n[[rule",
        ),
    );
    let timeless = KEYLESS
        .replace("trusted_root = \"root.json\"\n\n[[rule", "trusted_root = \"no-time.json\"\n\n[[rule");
    assert_eq!(folder.problems(&timeless), ["16:16 policy-trusted-root"]);
}

#[test]
fn an_identity_names_somebody() {
    let folder = folder();
    let subject = "https://github.com/acme/*/.github/workflows/release.yml@refs/tags/*";
    for (from, to, expected) in [
        (subject, "", &["9:11 policy-text", "9:11 policy-pattern"][..]),
        (subject, "**", &["9:11 policy-pattern"]),
        (subject, "https://a/***", &["9:11 policy-pattern"]),
        ("runner_environment", "runner_enviroment", &["10:32 policy-unknown-field"]),
        ("\"github-hosted\"", "\"*\"", &["10:33 policy-pattern"]),
        ("issuer = \"https://token.actions.githubusercontent.com\"\n", "", &["7:1 policy-syntax"]),
        ("00:AB:cd:01", "0", &["30:10 policy-revocation"]),
        ("00:AB:cd:01", "xy", &["30:10 policy-revocation"]),
        (
            "trusted_root = \"root.json\"\n[[",
            "trusted_root = \"root.json\"\nskip = true\n[[",
            &["7:1 policy-unknown-field"],
        ),
        ("[authority.keyless]", "retired = true\n[authority.keyless]", &["5:11 policy-authority"]),
        ("[authority.keyless]", "key = \"b.pub\"\n[authority.keyless]", &["4:8 policy-authority"]),
    ] {
        assert_eq!(folder.problems(&KEYLESS.replacen(from, to, 1)), expected, "{from} -> {to}");
    }
    let start = KEYLESS.find("[[authority.keyless.identity]]").unwrap();
    let end = KEYLESS.find("[[authority]]\nname = \"release\"").unwrap();
    let nobody = format!("{}{}", &KEYLESS[..start], &KEYLESS[end..]);
    assert_eq!(folder.problems(&nobody), ["5:1 policy-empty-list"]);
}

#[test]
fn two_authorities_with_one_identity_are_one_signer() {
    let folder = folder();
    let text = KEYLESS.replace(
        "name = \"release\"\nkey = \"a.pub\"\nvalid_from = 2026-01-01T00:00:00Z\ntrusted_root = \"root.json\"\n",
        "name = \"release\"\n[authority.keyless]\ntrusted_root = \"root.json\"\n[[authority.keyless.identity]]\n\
         issuer = \"https://token.actions.githubusercontent.com\"\n\
         subject = \"https://github.com/acme/*/.github/workflows/release.yml@refs/tags/*\"\n\
         fields = { runner_environment = \"github-hosted\", source_repository_uri = \"https://github.com/acme/*\" }\n",
    );
    assert_eq!(folder.problems(&text), ["25:12 policy-threshold"]);
}
