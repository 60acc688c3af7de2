//! Trusted roots that are refused, and what is read of those that are not.

use super::{Error, TrustedRoot};
use crate::json;
use crate::limits;
use crate::signature::{KeyError, KeyType};
use crate::time::{UnixTime, Window};
use crate::x509;

extern crate std;
use std::format;
use std::string::{String, ToString as _};
use std::vec::Vec;

/// The public key of Sigstore's Rekor, and its id.
const SPKI: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2G2Y+2tabdTV5BcGiBIx0a9fAFwrkBbmLSGtks4L3qX6yYY0zufBnhC8Ur/iy55GhWP/9A/bY2LhC30M9+RYtw==";
const ID: &str = "wNI9atQGlz+VWfO6LRygH4QUfY/8W4RFwiT5i5WRgB0=";

fn log(details: &str, spki: &str, id: &str, valid_for: &str) -> String {
    format!(
        r#"{{"baseUrl":"https://log","hashAlgorithm":"SHA2_256","publicKey":{{"rawBytes":"{spki}","keyDetails":"{details}","validFor":{valid_for}}},"logId":{{"keyId":"{id}"}}}}"#
    )
}

fn honest() -> String {
    log("PKIX_ECDSA_P256_SHA_256", SPKI, ID, r#"{"start":"2021-01-12T11:53:27Z"}"#)
}

fn root(member: &str, items: &[String]) -> String {
    let media_type = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";
    format!(r#"{{"mediaType":"{media_type}","{member}":[{}]}}"#, items.join(","))
}

fn check(text: &str) -> Result<usize, Error> {
    let mut scratch = std::vec![0; limits::CHAIN_BYTES];
    let root = TrustedRoot::check(text.as_bytes(), &mut scratch)?;
    Ok(root.transparency_logs().chain(root.certificate_logs()).map(Result::unwrap).count())
}

#[test]
fn an_honest_log_is_read_whole() {
    let text = root("ctlogs", &[honest()]);
    assert_eq!(check(&text), Ok(1));
    let root = TrustedRoot::read(text.as_bytes()).unwrap();
    let log = root.certificate_logs().next().unwrap().unwrap();
    assert!(log.base_url().unwrap().is("https://log"));
    assert!(log.operator().is_none());
    assert_eq!(log.key_type(), KeyType::P256);
    assert_eq!(log.key().unwrap().id().0, log.id().bytes());
    assert_eq!(log.window(), Window { start: UnixTime::parse("2021-01-12T11:53:27Z").unwrap(), end: None });
    assert!(root.lists_certificate_logs());
    assert!(!root.lists_transparency_logs());
    assert!(!root.lists_timestamp_authorities());
    assert!(root.transparency_logs().next().is_none());
}

#[test]
fn only_known_media_types_are_read() {
    for (media_type, known) in [
        ("application/vnd.dev.sigstore.trustedroot+json;version=0.1", true),
        ("application/vnd.dev.sigstore.trustedroot+json;version=0.2", true),
        ("application/vnd.dev.sigstore.trustedroot.v0.1+json", true),
        ("application/vnd.dev.sigstore.trustedroot.v0.2+json", true),
        ("application/vnd.dev.sigstore.trustedroot+json;version=0.3", false),
        ("application/vnd.dev.sigstore.trustedroot+json", false),
        ("application/json", false),
        ("", false),
    ] {
        let text = format!(r#"{{"mediaType":"{media_type}"}}"#);
        assert_eq!(check(&text), if known { Ok(0) } else { Err(Error::MediaType) }, "{media_type}");
    }
    assert_eq!(check("{}"), Err(Error::Json(json::Error::MissingKey("mediaType"))));
    assert_eq!(check("[]"), Err(Error::Json(json::Error::WrongType)));
    assert!(matches!(check("%"), Err(Error::Json(json::Error::Syntax { .. }))));
    let twice = r#"{"mediaType":"x","tlogs":[],"tlogs":[]}"#;
    assert_eq!(check(twice), Err(Error::Json(json::Error::DuplicateKey("tlogs"))));
    assert_eq!(check(&" ".repeat(limits::TRUSTED_ROOT_BYTES + 1)), Err(Error::TooLarge));
}

#[test]
fn t32_a_window_has_a_start_and_times_that_exist() {
    let window =
        |valid_for: &str| check(&root("tlogs", &[log("PKIX_ECDSA_P256_SHA_256", SPKI, ID, valid_for)]));
    for fine in [
        r#"{"start":"2021-01-12T11:53:27Z"}"#,
        r#"{"start":"2021-01-12T11:53:27.000Z"}"#,
        r#"{"start":"2021-01-12T12:53:27+01:00"}"#,
        r#"{"start":"2021-01-12T11:53:27.123456789Z","end":null}"#,
        r#"{"start":"2021-01-12T11:53:27Z","end":"2021-01-12T11:53:27.999Z"}"#,
        r#"{"start":"2021-01-12T11:53:27Z","end":"2021-01-12T11:53:27Z","more":1}"#,
    ] {
        assert_eq!(window(fine), Ok(1), "{fine}");
    }
    for wrong in [
        "null",
        "{}",
        r#"{"start":null}"#,
        r#"{"end":"2021-01-12T11:53:27Z"}"#,
        r#"{"start":"2021-01-12T11:53:27Z","end":"2021-01-12T11:53:26Z"}"#,
        r#"{"start":"2021-01-12T11:53:27.5Z","end":"2021-01-12T11:53:27.9Z"}"#,
        r#"{"start":"2021-01-12"}"#,
        r#"{"start":"2021-01-12T11:53:27"}"#,
        r#"{"start":"2021-01-12T11:53:27.Z"}"#,
        r#"{"start":"2021-01-12T11:53:27.+1Z"}"#,
        r#"{"start":"2021-02-30T00:00:00Z"}"#,
        r#"{"start":""}"#,
    ] {
        assert_eq!(window(wrong), Err(Error::ValidFor), "{wrong}");
    }
    assert_eq!(window(r#"{"start":1}"#), Err(Error::Json(json::Error::WrongType)));
    assert_eq!(window("[]"), Err(Error::Json(json::Error::WrongType)));
    let without = honest().replace(r#","validFor":{"start":"2021-01-12T11:53:27Z"}"#, "");
    assert_eq!(check(&root("tlogs", &[without])), Err(Error::ValidFor));
}

#[test]
fn a_start_inside_a_second_begins_with_the_next() {
    let text = root(
        "tlogs",
        &[log(
            "PKIX_ECDSA_P256_SHA_256",
            SPKI,
            ID,
            r#"{"start":"1970-01-01T00:00:07.1Z","end":"1970-01-01T00:00:09.9Z"}"#,
        )],
    );
    let root = TrustedRoot::read(text.as_bytes()).unwrap();
    let window = root.transparency_logs().next().unwrap().unwrap().window();
    assert_eq!(window, Window { start: UnixTime(8), end: Some(UnixTime(9)) });
}

#[test]
fn log_ids_are_well_formed_and_there_once() {
    let start = r#"{"start":"2021-01-12T11:53:27Z"}"#;
    let with = |id: &str| log("PKIX_ECDSA_P256_SHA_256", SPKI, id, start);
    // A transparency log may be known by a note's key hint.
    assert_eq!(check(&root("tlogs", &[with("AAAAAA==")])), Ok(1));
    assert_eq!(check(&root("ctlogs", &[with("AAAAAA==")])), Err(Error::LogId));
    for wrong in ["", "AAAA", "AAAAAAA=", "wNI9atQGlz+VWfO6LRygH4QUfY/8W4RFwiT5i5WRgB0AAA=="] {
        assert_eq!(check(&root("tlogs", &[with(wrong)])), Err(Error::LogId), "{wrong}");
    }
    assert!(matches!(check(&root("tlogs", &[with("AAAAAA")])), Err(Error::Base64(_))));
    assert!(matches!(check(&root("tlogs", &[with("AAAA-A==")])), Err(Error::Base64(_))));
    let without = honest().replace(&format!(r#","logId":{{"keyId":"{ID}"}}"#), "");
    assert_eq!(check(&root("tlogs", &[without])), Err(Error::Json(json::Error::MissingKey("logId"))));

    assert_eq!(check(&root("tlogs", &[honest(), honest()])), Err(Error::DuplicateLogId));
    assert_eq!(check(&root("tlogs", &[honest(), with("AAAAAA==")])), Ok(2));
    // Also where one of the two could not be used.
    let unknown = log("PKIX_OF_TOMORROW", SPKI, ID, start);
    assert_eq!(check(&root("tlogs", &[unknown, honest()])), Err(Error::DuplicateLogId));
    let other = ID.replace('w', "x");
    assert_eq!(check(&root("ctlogs", &[with(&other)])), Err(Error::LogId));
}

#[test]
fn unknown_kinds_of_key_are_skipped_and_still_listed() {
    let start = r#"{"start":"2021-01-12T11:53:27Z"}"#;
    for details in ["PKIX_OF_TOMORROW", "PKCS1_RSA_PKCS1V5", "PKIX_ECDSA_P521_SHA_512", ""] {
        let text = root("ctlogs", &[log(details, "AAAA", ID, start)]);
        assert_eq!(check(&text), Ok(0), "{details}");
        assert!(TrustedRoot::read(text.as_bytes()).unwrap().lists_certificate_logs());
    }
    let other_hash = root("ctlogs", &[honest().replace("SHA2_256", "SHA2_512")]);
    assert_eq!(check(&other_hash), Ok(0));
    let number = root("tlogs", &[honest().replace(r#""PKIX_ECDSA_P256_SHA_256""#, "5")]);
    assert_eq!(check(&number), Ok(0));
    // An unknown kind does not excuse the rest of an entry.
    let without_start = root("tlogs", &[log("PKIX_OF_TOMORROW", SPKI, ID, "{}")]);
    assert_eq!(check(&without_start), Err(Error::ValidFor));
}

#[test]
fn a_key_is_of_the_kind_that_is_said() {
    let start = r#"{"start":"2021-01-12T11:53:27Z"}"#;
    let made = |details: &str, spki: &str| check(&root("tlogs", &[log(details, spki, ID, start)]));
    let known = [
        (KeyType::P384, "PKIX_ECDSA_P384_SHA_384"),
        (KeyType::Ed25519, "PKIX_ED25519"),
        (KeyType::Rsa, "PKIX_RSA_PKCS1V15_2048_SHA256"),
    ];
    for (kind, details) in known {
        // A kind that is not built in is unknown.
        let expected = if kind.is_built_in() { Err(Error::Key(KeyError::Unsupported)) } else { Ok(0) };
        assert_eq!(made(details, SPKI), expected, "{details}");
    }
    assert_eq!(made("PKIX_ECDSA_P256_SHA_256", "AAAA"), Err(Error::Key(KeyError::Unsupported)));
    assert!(matches!(made("PKIX_ECDSA_P256_SHA_256", "AAA"), Err(Error::Base64(_))));
    assert!(matches!(made("PKIX_ECDSA_P256_SHA_256", &"A".repeat(1000)), Err(Error::Base64(_))));
}

#[test]
fn lists_and_chains_are_bounded_and_never_empty() {
    let start = r#"{"start":"2021-01-12T11:53:27Z"}"#;
    let logs = |count: usize| {
        let ids = (0..count).map(|n| {
            let mut id = [0_u8; 4];
            id[0] = u8::try_from(n).unwrap();
            let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let (high, low) = (id[0] >> 2, (id[0] & 3) << 4);
            format!("{}{}AAAA==", char::from(digits[usize::from(high)]), char::from(digits[usize::from(low)]))
        });
        ids.map(|id| log("PKIX_OF_TOMORROW", SPKI, &id, start)).collect::<Vec<_>>()
    };
    assert_eq!(check(&root("tlogs", &logs(limits::TRUSTED_LOGS))), Ok(0));
    assert_eq!(check(&root("tlogs", &logs(limits::TRUSTED_LOGS + 1))), Err(Error::TooMany("tlogs")));

    let authority = |certificates: &str| {
        let item = format!(r#"{{"certChain":{{"certificates":{certificates}}},"validFor":{start}}}"#);
        check(&root("timestampAuthorities", &[item]))
    };
    assert_eq!(authority("[]"), Err(Error::Certificate(x509::Error::UnknownIssuer)));
    assert_eq!(authority("null"), Err(Error::Json(json::Error::MissingKey("certificates"))));
    assert!(matches!(authority(r#"[{"rawBytes":"MAA="}]"#), Err(Error::Certificate(x509::Error::Der(_)))));
    assert!(matches!(authority(r#"[{"rawBytes":"MAA"}]"#), Err(Error::Base64(_))));
    assert_eq!(authority(r#"[{}]"#), Err(Error::Json(json::Error::MissingKey("rawBytes"))));
    let none = check(&root("certificateAuthorities", &["{}".to_string()]));
    assert_eq!(none, Err(Error::Json(json::Error::MissingKey("certChain"))));
    let not_a_list =
        r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","ctlogs":{}}"#;
    assert_eq!(check(not_a_list), Err(Error::Json(json::Error::WrongType)));
    assert!(TrustedRoot::read(not_a_list.as_bytes()).unwrap().lists_certificate_logs());
}
