//! Statements, rightly signed and wrong: version, subjects, predicate, shape.

use pullward_core::intoto::Error;
use pullward_core::json;
use pullward_core::judge::Standing;
use pullward_core::verdict::Reason;
use pullward_core::verify;
use pullward_tests::mint::{Ask, Forge, Form, Node, ask_key, digest, edit, statement, world};

use crate::{SIGNED, deny, good, refused};

/// Signs the changed statement with a trusted key, in both envelopes, and checks that it is refused with this error.
fn wrong(changed: &str, error: Error, reason: Reason, what: &str) {
    let signer = world().p256(0);
    for form in Form::DSSE {
        let bad = Forge::new(form, signer, &digest("app")).payload(changed).mint();
        refused(signer, &bad, verify::Error::Statement(error), reason, what);
    }
}

/// The honest statement with other subjects.
fn with_subjects(subjects: &str) -> String {
    let right = statement(&digest("app"));
    let (head, rest) = right.split_once("\"subject\":").unwrap();
    let (_, tail) = rest.split_once(",\"predicateType\"").unwrap();
    format!("{head}\"subject\":{subjects},\"predicateType\"{tail}")
}

fn subject(algorithm: &str, value: &str) -> String {
    format!(r#"{{"name":"n","digest":{{"{algorithm}":"{value}"}}}}"#)
}

#[test]
fn other_versions_of_the_statement_are_refused() {
    let right = statement(&digest("app"));
    for version in [
        "https://in-toto.io/Statement/v2",
        "https://in-toto.io/Statement/v0.2",
        "https://in-toto.io/Statement/v1 ",
        "https://in-toto.io/statement/v1",
        "http://in-toto.io/Statement/v1",
        "https://in-toto.io/Provenance/v0.1",
        "",
    ] {
        let changed = edit(&right, "https://in-toto.io/Statement/v1", version);
        wrong(&changed, Error::StatementType, Reason::StatementVersion, version);
    }
}

#[test]
fn statements_of_version_0_1_count_too() {
    let signer = world().p256(0);
    for form in Form::DSSE {
        let minted =
            Forge::new(form, signer, &digest("app")).payload_edit("Statement/v1", "Statement/v0.1").mint();
        assert_eq!(Node::from(signer).ask(&Ask::about("app").with(minted)).verdict(), SIGNED);
    }
}

#[test]
fn no_subject_and_null_are_not_every_subject() {
    let malformed = |error| (Error::Json(error), Reason::PayloadMalformed);
    for (subjects, (error, reason)) in [
        ("[]", (Error::SubjectEmpty, Reason::StatementSubjects)),
        ("null", malformed(json::Error::WrongType)),
        ("{}", malformed(json::Error::WrongType)),
        ("\"*\"", malformed(json::Error::WrongType)),
        ("[null]", malformed(json::Error::WrongType)),
        ("[[]]", malformed(json::Error::WrongType)),
        ("[{}]", malformed(json::Error::MissingKey("digest"))),
        (r#"[{"name":"app"}]"#, malformed(json::Error::MissingKey("digest"))),
        (r#"[{"digest":null}]"#, malformed(json::Error::WrongType)),
        (r#"[{"digest":[]}]"#, malformed(json::Error::WrongType)),
        (r#"[{"digest":{}}]"#, (Error::SubjectMismatch, Reason::DigestMismatch)),
        (r#"[{"digest":{"sha256":null}}]"#, malformed(json::Error::WrongType)),
        (r#"[{"digest":{"sha256":["x"]}}]"#, malformed(json::Error::WrongType)),
        (r#"[{"digest":{"sha256":""}}]"#, (Error::SubjectDigest, Reason::PayloadDigest)),
    ] {
        wrong(&with_subjects(subjects), error, reason, subjects);
    }
    let without = statement(&digest("app")).replacen("\"subject\"", "\"subjects\"", 1);
    wrong(&without, Error::Json(json::Error::MissingKey("subject")), Reason::PayloadMalformed, "subjects");
}

/// T-09: only `sha256`, spelled so, in lower case, whole.
#[test]
fn only_sha256_in_its_one_spelling_names_the_image() {
    let hex = digest("app").hex();
    let mismatch = (Error::SubjectMismatch, Reason::DigestMismatch);
    for (algorithm, value, (error, reason)) in [
        ("sha512", hex.as_str(), mismatch),
        ("sha512", &format!("{hex}{hex}"), mismatch),
        ("sha1", hex.as_str(), mismatch),
        ("gitCommit", hex.as_str(), mismatch),
        ("sha256sum", hex.as_str(), mismatch),
        ("sha-256", hex.as_str(), mismatch),
        ("", hex.as_str(), mismatch),
        ("SHA256", hex.as_str(), (Error::Json(json::Error::TwinKey("sha256")), Reason::PayloadAmbiguous)),
        (
            "\\u0073ha256",
            hex.as_str(),
            (Error::Json(json::Error::TwinKey("sha256")), Reason::PayloadAmbiguous),
        ),
        ("sha256", &hex.to_uppercase(), (Error::SubjectDigest, Reason::PayloadDigest)),
        ("sha256", &hex[..62], (Error::SubjectDigest, Reason::PayloadDigest)),
        ("sha256", &format!("sha256:{hex}"), (Error::SubjectDigest, Reason::PayloadDigest)),
        ("sha256", digest("other").hex().as_str(), mismatch),
    ] {
        wrong(&with_subjects(&format!("[{}]", subject(algorithm, value))), error, reason, algorithm);
    }
    // The name is not the digest.
    let named = format!(r#"[{{"name":"sha256:{hex}","digest":{{"sha512":"{hex}"}}}}]"#);
    wrong(&with_subjects(&named), Error::SubjectMismatch, Reason::DigestMismatch, "by name");
}

#[test]
fn one_of_several_subjects_is_enough_and_a_malformed_one_refuses_all() {
    let signer = world().p256(0);
    let right = subject("sha256", &digest("app").hex());
    let other = subject("sha256", &digest("other").hex());
    for subjects in [format!("[{right},{other}]"), format!("[{other},{right}]"), format!("[{right},{right}]")]
    {
        let minted =
            Forge::new(Form::Bundle, signer, &digest("app")).payload(with_subjects(&subjects)).mint();
        assert_eq!(Node::from(signer).ask(&Ask::about("app").with(minted)).verdict(), SIGNED);
    }
    let upper = subject("sha256", &digest("other").hex().to_uppercase());
    for subjects in [format!("[{right},{upper}]"), format!("[{upper},{right}]")] {
        wrong(&with_subjects(&subjects), Error::SubjectDigest, Reason::PayloadDigest, "upper case beside");
    }
    for subjects in [format!("[{right},null]"), format!("[null,{right}]")] {
        let error = Error::Json(json::Error::WrongType);
        wrong(&with_subjects(&subjects), error, Reason::PayloadMalformed, "null beside");
    }
    let twice = format!(
        r#"[{{"digest":{{"sha256":"{}"}},"digest":{{"sha256":"{}"}}}}]"#,
        digest("app").hex(),
        digest("other").hex()
    );
    let error = Error::Json(json::Error::DuplicateKey("digest"));
    wrong(&with_subjects(&twice), error, Reason::PayloadAmbiguous, "two digests");
}

#[test]
fn a_thousand_subjects_are_read_and_one_more_is_not() {
    let signer = world().p256(0);
    let right = subject("sha256", &digest("app").hex());
    let other = subject("sha256", &digest("other").hex());
    let many = |count: usize| with_subjects(&format!("[{}{right}]", format!("{other},").repeat(count - 1)));
    let minted = Forge::new(Form::Bundle, signer, &digest("app")).payload(many(1024)).mint();
    assert_eq!(Node::from(signer).ask(&Ask::about("app").with(minted)).verdict(), SIGNED);
    wrong(&many(1025), Error::SubjectCount, Reason::StatementSubjects, "1025 subjects");
}

#[test]
fn duplicate_and_twin_members_are_refused() {
    let right = statement(&digest("app"));
    let ambiguous = |error| (Error::Json(error), Reason::PayloadAmbiguous);
    for (from, to, (error, reason)) in [
        ("\"_type\"", r#""_type":"x","_type""#, ambiguous(json::Error::DuplicateKey("_type"))),
        ("\"_type\"", r#""_TYPE":"x","_type""#, ambiguous(json::Error::TwinKey("_type"))),
        ("\"subject\"", r#""subject":[],"subject""#, ambiguous(json::Error::DuplicateKey("subject"))),
        ("\"subject\"", r#""Subject":[],"subject""#, ambiguous(json::Error::TwinKey("subject"))),
        (
            "\"predicateType\"",
            r#""predicateType":"x","predicateType""#,
            ambiguous(json::Error::DuplicateKey("predicateType")),
        ),
        (
            "\"predicateType\"",
            r#""predicatetype":"x","predicateType""#,
            ambiguous(json::Error::TwinKey("predicateType")),
        ),
    ] {
        wrong(&edit(&right, from, to), error, reason, to);
    }
    for (from, key) in [("\"_type\"", "_type"), ("\"predicateType\"", "predicateType")] {
        let error = Error::Json(json::Error::MissingKey(key));
        wrong(&edit(&right, from, "\"x\""), error, Reason::PayloadMalformed, from);
    }
    // Others' documents grow: what nobody reads is skipped, twice or not.
    let signer = world().p256(0);
    let grown = edit(&right, "\"predicate\":{}", r#""predicate":{"a":1,"a":2},"new":{},"new":[]"#);
    let minted = Forge::new(Form::Bundle, signer, &digest("app")).payload(grown).mint();
    assert_eq!(Node::from(signer).ask(&Ask::about("app").with(minted)).verdict(), SIGNED);
}

#[test]
fn payloads_that_are_no_statement_are_refused() {
    for (text, error) in [
        ("", json::Error::Syntax { at: 0 }),
        ("x", json::Error::Syntax { at: 0 }),
        ("null", json::Error::WrongType),
        ("[]", json::Error::WrongType),
        ("{}", json::Error::MissingKey("_type")),
        ("{} {}", json::Error::TrailingBytes),
    ] {
        wrong(text, Error::Json(error), Reason::PayloadMalformed, text);
    }
    let right = statement(&digest("app"));
    wrong(
        &format!("{right}x"),
        Error::Json(json::Error::TrailingBytes),
        Reason::PayloadMalformed,
        "x behind",
    );
    // An empty container is no level: 65 brackets in the statement's own are 65 levels.
    let deep =
        edit(&right, "\"predicate\":{}", &format!("\"predicate\":{}{}", "[".repeat(65), "]".repeat(65)));
    wrong(&deep, Error::Json(json::Error::TooDeep), Reason::PayloadMalformed, "65 deep");
    let bomb = "[".repeat(100_000);
    wrong(&bomb, Error::Json(json::Error::TooDeep), Reason::PayloadMalformed, "100,000 deep");
}

/// "Signed" is cosign's signature predicate and no other: an attestation is not a signature.
#[test]
fn another_predicate_is_verified_and_does_not_count() {
    let signer = world().p256(0);
    let right = "https://sigstore.dev/cosign/sign/v1";
    for form in Form::DSSE {
        for other in [
            "https://slsa.dev/provenance/v1",
            "https://cosign.sigstore.dev/attestation/vuln/v1",
            "https://sigstore.dev/cosign/sign/v2",
            "https://sigstore.dev/cosign/sign/v1/",
            "https://sigstore.dev/cosign/sign/V1",
            "",
        ] {
            let minted = Forge::new(form, signer, &digest("app")).payload_edit(right, other).mint();
            let alone = Ask::about("app").with(minted.clone());
            for answer in [Node::from(signer).ask(&alone), ask_key(&signer.public(), &alone)] {
                assert_eq!(answer.verdict(), deny(Reason::PredicateNotSignature), "{other}");
                assert_eq!(answer.standings(), [Standing::Ignored(Reason::PredicateNotSignature)]);
                assert_eq!(answer.rows[0].predicate_type.as_deref(), Some(other));
                assert_eq!(answer.signed.0, 0);
            }
            let beside = alone.with(good(Form::SimpleSigning, signer));
            assert_eq!(Node::from(signer).ask(&beside).verdict(), SIGNED, "{other}");
        }
    }
    // By an untrusted key it is not even that.
    let minted = Forge::new(Form::Bundle, world().p256(1), &digest("app")).payload_edit(right, "x").mint();
    refused(signer, &minted, verify::Error::NoKey, Reason::UntrustedKey, "untrusted attestation");
    // About another image it is a mismatch first.
    let minted = Forge::new(Form::Bundle, signer, &digest("other")).payload_edit(right, "x").mint();
    let error = verify::Error::Statement(Error::SubjectMismatch);
    refused(signer, &minted, error, Reason::DigestMismatch, "attestation for another image");
}

#[test]
fn a_predicate_type_in_escapes_is_compared_decoded() {
    let signer = world().p256(0);
    let minted = Forge::new(Form::Bundle, signer, &digest("app"))
        .payload_edit("https://sigstore.dev/cosign/sign/v1", "https:\\/\\/sigstore.dev\\u002fcosign/sign/v1")
        .mint();
    assert_eq!(Node::from(signer).ask(&Ask::about("app").with(minted)).verdict(), SIGNED);
}
