//! cosign's legacy payload, rightly signed and wrong: every member of it counts.

use pullward_core::encoding;
use pullward_core::json;
use pullward_core::oci::DigestError;
use pullward_core::simple_signing::Error;
use pullward_core::verdict::Reason;
use pullward_core::verify;
use pullward_tests::mint::{Ask, Forge, Form, Minted, Node, digest, edit, payload, world};

use crate::{SIGNED, refused};

/// Signs the changed payload with a trusted key and checks that it is refused with this error.
fn wrong(changed: impl Into<Vec<u8>>, error: Error, reason: Reason, what: &str) {
    let signer = world().p256(0);
    let bad = Forge::new(Form::SimpleSigning, signer, &digest("app")).payload(changed).mint();
    refused(signer, &bad, verify::Error::SimpleSigning(error), reason, what);
}

#[test]
fn every_member_of_the_payload_counts() {
    let right = payload(&digest("app"));
    let json = |error| Error::Json(error);
    let (malformed, ambiguous) = (Reason::PayloadMalformed, Reason::PayloadAmbiguous);
    for (from, to, error, reason) in [
        // the type
        ("cosign container image signature", "", Error::PayloadType, Reason::PayloadType),
        (
            "cosign container image signature",
            "atomic container signature",
            Error::PayloadType,
            Reason::PayloadType,
        ),
        (
            "cosign container image signature",
            "cosign container image signature ",
            Error::PayloadType,
            Reason::PayloadType,
        ),
        (
            "cosign container image signature",
            "Cosign container image signature",
            Error::PayloadType,
            Reason::PayloadType,
        ),
        (
            r#""type":"cosign container image signature""#,
            r#""type":null"#,
            json(json::Error::WrongType),
            malformed,
        ),
        (
            r#","type":"cosign container image signature""#,
            "",
            json(json::Error::MissingKey("type")),
            malformed,
        ),
        // the digest
        ("sha256:", "sha512:", Error::Digest(DigestError::Algorithm), Reason::PayloadDigest),
        ("sha256:", "SHA256:", Error::Digest(DigestError::Algorithm), Reason::PayloadDigest),
        ("sha256:", "", Error::Digest(DigestError::NoAlgorithm), Reason::PayloadDigest),
        // members twice, in another spelling, unknown, absent
        (
            "\"critical\"",
            r#""critical":{},"critical""#,
            json(json::Error::DuplicateKey("critical")),
            ambiguous,
        ),
        ("\"critical\"", r#""Critical":{},"critical""#, json(json::Error::TwinKey("critical")), ambiguous),
        (
            "\"critical\"",
            r#""criti\u0063al":{},"critical""#,
            json(json::Error::TwinKey("critical")),
            ambiguous,
        ),
        ("\"image\"", r#""image":{},"image""#, json(json::Error::DuplicateKey("image")), ambiguous),
        ("\"image\"", r#""IMAGE":{},"image""#, json(json::Error::TwinKey("image")), ambiguous),
        ("\"type\"", r#""type":"x","type""#, json(json::Error::DuplicateKey("type")), ambiguous),
        (
            "\"optional\"",
            r#""optional":{},"optional""#,
            json(json::Error::DuplicateKey("optional")),
            ambiguous,
        ),
        (
            "\"docker-manifest-digest\"",
            r#""docker-manifest-digest":"x","docker-manifest-digest""#,
            json(json::Error::DuplicateKey("docker-manifest-digest")),
            ambiguous,
        ),
        // long s and the Kelvin sign are what Go folds into s and k
        (
            "\"docker-manifest-digest\"",
            "\"doc\u{212a}er-manife\u{17f}t-digest\":\"x\",\"docker-manifest-digest\"",
            json(json::Error::TwinKey("docker-manifest-digest")),
            ambiguous,
        ),
        ("\"image\"", r#""extra":1,"image""#, json(json::Error::UnknownKey), malformed),
        ("\"optional\"", r#""extra":1,"optional""#, json(json::Error::UnknownKey), malformed),
        ("\"identity\"", r#""identify""#, json(json::Error::UnknownKey), malformed),
        ("\"docker-reference\"", r#""reference""#, json(json::Error::UnknownKey), malformed),
        ("\"docker-manifest-digest\"", r#""digest""#, json(json::Error::UnknownKey), malformed),
        (
            r#""docker-reference":"registry.example/team/app""#,
            "",
            json(json::Error::MissingKey("docker-reference")),
            malformed,
        ),
        ("\"registry.example/team/app\"", "7", json(json::Error::WrongType), malformed),
    ] {
        wrong(edit(&right, from, to), error, reason, &format!("{from} -> {to}"));
    }
}

#[test]
fn digests_have_one_spelling() {
    let right = payload(&digest("app"));
    let hex = digest("app").hex();
    let upper = hex.to_uppercase();
    for (to, error) in [
        (upper.clone(), DigestError::Hex),
        (format!("{}{}", &upper[..32], &hex[32..]), DigestError::Hex),
        (hex[..62].to_string(), DigestError::Length),
        (hex[..63].to_string(), DigestError::Length),
        (format!("{hex}0"), DigestError::Length),
        (format!("{hex} "), DigestError::Length),
        (format!(" {}", &hex[1..]), DigestError::Hex),
        (format!("{}g", &hex[..63]), DigestError::Hex),
        (String::new(), DigestError::Length),
    ] {
        let changed = edit(&right, &hex, &to);
        wrong(changed, Error::Digest(error), Reason::PayloadDigest, &to);
    }
    // An escape inside the digest is another spelling of it.
    let escaped = edit(&right, &hex, &format!("\\u00{:02x}{}", hex.as_bytes()[0], &hex[1..]));
    wrong(escaped, Error::Json(json::Error::WrongType), Reason::PayloadMalformed, "escaped");
}

#[test]
fn bytes_around_the_payload_are_refused() {
    let right = payload(&digest("app"));
    let trailing = Error::Json(json::Error::TrailingBytes);
    for (changed, error) in [
        (format!("{right}x"), trailing),
        (format!("{right}\0"), trailing),
        (format!("{right}{right}"), trailing),
        (format!("{right},"), trailing),
        (format!("\u{feff}{right}"), Error::Json(json::Error::Syntax { at: 0 })),
        (format!("//\n{right}"), Error::Json(json::Error::Syntax { at: 0 })),
        (format!("[{right}]"), Error::Json(json::Error::WrongType)),
        (String::new(), Error::Json(json::Error::Syntax { at: 0 })),
        ("null".into(), Error::Json(json::Error::WrongType)),
        ("{}".into(), Error::Json(json::Error::MissingKey("critical"))),
    ] {
        wrong(changed, error, Reason::PayloadMalformed, "around");
    }
    let latin1 = [&right.as_bytes()[..right.len() - 1], b",\"\xe9\":1}"].concat();
    wrong(latin1, Error::Json(json::Error::NotUtf8), Reason::PayloadMalformed, "latin 1");
}

#[test]
fn white_space_and_what_optional_holds_do_not_matter() {
    let signer = world().p256(0);
    let right = payload(&digest("app"));
    for changed in [
        format!(" \r\n\t{right}\n"),
        edit(&right, "\"optional\":null", "\"optional\" : {\"creator\":\"x\",\"timestamp\":1,\"type\":[{}]}"),
        edit(&right, ",\"optional\":null", ""),
        edit(&right, "cosign container", "cosign\\u0020container"),
        edit(&right, "registry.example/team/app", ""),
    ] {
        let minted = Forge::new(Form::SimpleSigning, signer, &digest("app")).payload(changed.clone()).mint();
        let answer = Node::from(signer).ask(&Ask::about("app").with(minted));
        assert_eq!(answer.verdict(), SIGNED, "{changed}");
    }
}

#[test]
fn a_payload_with_a_changed_byte_needs_a_new_signature() {
    let signer = world().p256(0);
    let Minted::SimpleSigning { payload, signature } =
        Forge::new(Form::SimpleSigning, signer, &digest("app")).mint()
    else {
        panic!("the form that was asked for")
    };
    let bad = Minted::SimpleSigning { payload: [payload.as_slice(), b"\n"].concat(), signature };
    refused(signer, &bad, verify::Error::NoKey, Reason::UntrustedKey, "line feed");
}

#[test]
fn the_signature_annotation_is_strict_base64() {
    let signer = world().p256(0);
    let error = |error| verify::Error::Signature(error);
    let mint = |step: &dyn Fn(String) -> String| {
        Forge::new(Form::SimpleSigning, signer, &digest("app")).after(step).mint()
    };
    for (what, step, expected) in [
        (
            "line feed",
            (&|_: String| "AAAA\n".into()) as &dyn Fn(String) -> String,
            encoding::Error::Character,
        ),
        ("leading space", &|text| format!(" {text}"), encoding::Error::Character),
        ("NUL", &|_| "AAAA\0".into(), encoding::Error::Character),
        ("beyond ASCII", &|text| format!("\u{ff21}{text}"), encoding::Error::Character),
        ("URL alphabet", &|_| "AA-_".into(), encoding::Error::Character),
        (
            "one padding too many",
            &|text| format!("{}====", text.trim_end_matches('=')),
            encoding::Error::Length,
        ),
        ("padding inside", &|text| format!("AA=={text}"), encoding::Error::Length),
        ("no padding", &|_| "AAA".into(), encoding::Error::Length),
        ("one digit", &|_| "AAAAA".into(), encoding::Error::Length),
        ("stray bits", &|_| "AAB=".into(), encoding::Error::StrayBits),
        ("more stray bits", &|_| "AB==".into(), encoding::Error::StrayBits),
        ("513 bytes", &|_| "AAAA".repeat(171), encoding::Error::TooLong),
    ] {
        refused(signer, &mint(step), error(expected), Reason::SignatureMalformed, what);
    }
}

#[test]
fn a_payload_larger_than_any_is_not_read() {
    let signer = world().p256(0);
    let right = payload(&digest("app"));
    let most = 1024 * 1024;
    let padded = |length: usize| format!("{right}{}", " ".repeat(length - right.len()));
    let forge =
        |length| Forge::new(Form::SimpleSigning, signer, &digest("app")).payload(padded(length)).mint();
    assert_eq!(Node::from(signer).ask(&Ask::about("app").with(forge(most))).verdict(), SIGNED);
    refused(signer, &forge(most + 1), verify::Error::TooLarge, Reason::EvidenceTooLarge, "a byte too many");
}
