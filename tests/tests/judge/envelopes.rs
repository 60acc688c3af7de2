//! What is around a statement: the envelope and the bundle. Nothing in them is signed, so nothing in them may decide
//! more than how to find the signed bytes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use pullward_core::signature::KeyType;
use pullward_core::verdict::Reason;
use pullward_core::{bundle, dsse, encoding, json, verify};
use pullward_tests::mint::{
    Answer, Ask, Authority, Forge, Form, Minted, Node, Rule, Trust, World, digest, edit, statement, world,
};

use crate::{SIGNED, good, refused};

/// The error of an envelope that cannot be opened: the same in each form.
fn opened(error: dsse::Error) -> verify::Error {
    verify::Error::Envelope(error)
}

/// The error of an envelope that cannot be read, as each form reports it.
fn envelope(form: Form, error: dsse::Error) -> verify::Error {
    match form {
        Form::Bundle => verify::Error::Bundle(bundle::Error::Envelope(error)),
        _ => verify::Error::Envelope(error),
    }
}

/// The only member of `text` called `name` whose value is a string: that value.
fn member<'t>(text: &'t str, name: &str) -> &'t str {
    let (_, rest) = text.split_once(&format!("\"{name}\":\"")).unwrap();
    rest.split_once('"').unwrap().0
}

#[test]
fn evidence_has_exactly_one_signature() {
    let (signer, second) = (world().p256(0), world().p256(1));
    for form in Form::DSSE {
        let one = good(form, signer);
        let other = good(form, second);
        let item = format!(r#"{{"sig":"{}"}}"#, member(one.text(), "sig"));
        let foreign = format!(r#"{{"sig":"{}"}}"#, member(other.text(), "sig"));
        for signatures in [
            String::new(),
            format!("{item},{item}"),
            format!("{item},{foreign}"),
            format!("{foreign},{item}"),
            format!("{item},{item},{item}"),
            format!("{foreign},{item},{foreign}"),
        ] {
            let bad = Forge::new(form, signer, &digest("app")).after(replace_signatures(&signatures)).mint();
            let error = envelope(form, dsse::Error::SignatureCount);
            refused(signer, &bad, error, Reason::EnvelopeSignatures, &signatures);
        }
        for (signatures, error) in [
            ("null", json::Error::WrongType),
            ("null,null", json::Error::WrongType),
            ("{}", json::Error::MissingKey("sig")),
            (r#"{"sig":null}"#, json::Error::WrongType),
            (r#"{"sig":["x"]}"#, json::Error::WrongType),
            (r#"{"sig":"AA==","sig":"AA=="}"#, json::Error::DuplicateKey("sig")),
            (r#"{"sig":"AA==","Sig":"AA=="}"#, json::Error::TwinKey("sig")),
        ] {
            let bad = Forge::new(form, signer, &digest("app")).after(replace_signatures(signatures)).mint();
            // Two items are too many whatever they are, once the first is readable.
            let error = if signatures == "null,null" {
                dsse::Error::SignatureCount
            } else {
                dsse::Error::Json(error)
            };
            let reason = match error {
                dsse::Error::SignatureCount => Reason::EnvelopeSignatures,
                _ => Reason::EnvelopeMalformed,
            };
            // An envelope that is not even read is reported by whoever reads it.
            refused(signer, &bad, envelope(form, error), reason, signatures);
        }
        for value in ["null", "{}", "\"\""] {
            let bad = Forge::new(form, signer, &digest("app"))
                .after(move |text| {
                    let (head, rest) = text.split_once("\"signatures\":[").unwrap();
                    let (_, tail) = rest.split_once(']').unwrap();
                    format!("{head}\"signatures\":{value}{tail}")
                })
                .mint();
            let error = envelope(form, dsse::Error::Json(json::Error::WrongType));
            refused(signer, &bad, error, Reason::EnvelopeMalformed, value);
        }
    }
}

fn replace_signatures(items: &str) -> impl Fn(String) -> String {
    let items = items.to_owned();
    move |text| {
        let (head, rest) = text.split_once("\"signatures\":[").unwrap();
        let (_, tail) = rest.split_once(']').unwrap();
        format!("{head}\"signatures\":[{items}]{tail}")
    }
}

#[test]
fn another_payload_type_is_refused_even_where_it_is_signed() {
    let signer = world().p256(0);
    for form in Form::DSSE {
        for kind in [
            "",
            "application/vnd.in-toto+json ",
            "application/vnd.in-toto+JSON",
            "application/json",
            "application/vnd.pullward.trust-bundle.v1+json",
            "application/vnd.dev.cosign.simplesigning.v1+json",
        ] {
            let bad = Forge::new(form, signer, &digest("app")).payload_type(kind).mint();
            refused(signer, &bad, opened(dsse::Error::PayloadType), Reason::PayloadType, kind);
        }
        // Signed as one type, presented as the right one.
        let other = Forge::new(form, signer, &digest("app")).payload_type("application/json").message_bytes();
        let bad = Forge::new(form, signer, &digest("app")).message(other).mint();
        refused(signer, &bad, verify::Error::NoKey, Reason::UntrustedKey, "type changed after signing");
    }
}

/// T-57: base64 has one spelling, apart from DSSE's two alphabets, which do not mix.
#[test]
fn payload_and_signature_are_strict_base64() {
    let signer = world().p256(0);
    // A predicate that puts characters of both alphabets into the base64.
    let full =
        edit(&statement(&digest("app")), "\"predicate\":{}", r#""predicate":{"x":"??>>??>>??>>???>>>"}"#);
    let text = STANDARD.encode(&full);
    assert!(text.contains('+') && text.contains('/'), "the predicate was chosen for that");
    let padded = (0..3).map(|n| format!("{full}{}", " ".repeat(n))).find(|text| text.len() % 3 == 1).unwrap();
    let one_byte_over = STANDARD.encode(&padded);
    assert!(one_byte_over.ends_with("=="));
    let stray = |text: &str| {
        let digits = text.trim_end_matches('=');
        let (last, head) = (digits.chars().last().unwrap(), &digits[..digits.len() - 1]);
        format!("{head}{}==", char::from(u8::try_from(last).unwrap() + 1))
    };
    for form in Form::DSSE {
        for (what, payload, changed, error) in [
            ("stray bits", &padded, stray(&one_byte_over), encoding::Error::StrayBits),
            ("no padding", &padded, one_byte_over.trim_end_matches('=').into(), encoding::Error::Length),
            (
                "half the padding",
                &padded,
                one_byte_over.strip_suffix('=').unwrap().into(),
                encoding::Error::Length,
            ),
            ("too much padding", &padded, format!("{one_byte_over}="), encoding::Error::Length),
            ("mixed", &full, text.replacen('/', "_", 1), encoding::Error::MixedAlphabets),
            (
                "mixed the other way",
                &full,
                URL_SAFE.encode(&full).replacen('-', "+", 1),
                encoding::Error::MixedAlphabets,
            ),
            ("space", &full, text.replacen('/', " ", 1), encoding::Error::Character),
            ("line feed", &full, format!("{}\\n{}", &text[..76], &text[76..]), encoding::Error::Character),
            ("beyond ASCII", &full, format!("\u{e9}{}", &text[1..]), encoding::Error::Character),
            ("escaped beyond ASCII", &full, format!("\\u00e9{}", &text[1..]), encoding::Error::Character),
        ] {
            let right = STANDARD.encode(payload);
            let bad = Forge::new(form, signer, &digest("app"))
                .payload(payload.clone())
                .after(|outer| edit(&outer, &right, &changed))
                .mint();
            refused(signer, &bad, opened(dsse::Error::Payload(error)), Reason::EnvelopeMalformed, what);
        }
        for (what, sig, error) in [
            ("stray bits", "AAB=", encoding::Error::StrayBits),
            ("mixed", "+_==", encoding::Error::MixedAlphabets),
            ("no padding", "AAA", encoding::Error::Length),
            ("space", "AA A", encoding::Error::Character),
            ("513 bytes", &"AAAA".repeat(171), encoding::Error::TooLong),
        ] {
            let bad = Forge::new(form, signer, &digest("app"))
                .after(replace_signatures(&format!(r#"{{"sig":"{sig}"}}"#)))
                .mint();
            // "+_==" has stray bits too; what is found first is the alphabet.
            refused(signer, &bad, opened(dsse::Error::Signature(error)), Reason::SignatureMalformed, what);
        }
        // The URL alphabet alone, and escapes that JSON writers make, are the same bytes.
        for changed in [URL_SAFE.encode(&full), text.replace('/', "\\/"), text.replace('+', "\\u002b")] {
            let minted = Forge::new(form, signer, &digest("app"))
                .payload(full.clone())
                .after(|outer| edit(&outer, &text, &changed))
                .mint();
            assert_eq!(
                Node::from(signer).ask(&Ask::about("app").with(minted)).verdict(),
                SIGNED,
                "{changed}"
            );
        }
    }
}

#[test]
fn members_of_the_envelope_twice_in_another_spelling_or_absent() {
    let signer = world().p256(0);
    for form in Form::DSSE {
        for name in ["payload", "payloadType", "signatures"] {
            let quoted = format!("\"{name}\":");
            let twin = format!("\"{}\":", name.to_uppercase());
            let absent = "\"renamed\":".to_string();
            let missing = match name {
                "payload" => "payload",
                "payloadType" => "payloadType",
                _ => "signatures",
            };
            for (to, error) in [
                (format!("{quoted}\"\",{quoted}"), json::Error::DuplicateKey(missing)),
                (format!("{twin}\"\",{quoted}"), json::Error::TwinKey(missing)),
                (format!("{quoted}null,{quoted}"), json::Error::DuplicateKey(missing)),
                (absent, json::Error::MissingKey(missing)),
            ] {
                let bad = Forge::new(form, signer, &digest("app")).after_edit(&quoted, &to).mint();
                let error = envelope(form, dsse::Error::Json(error));
                refused(signer, &bad, error, Reason::EnvelopeMalformed, &to);
            }
        }
    }
}

#[test]
fn what_a_bundle_excludes_is_refused_by_name() {
    let signer = world().p256(0);
    let hint = format!("{{\"hint\":\"{}\"}}", signer.hint());
    let key = format!("\"publicKey\":{hint}");
    let v3 = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let version =
        |to: &'static str| (v3.to_string(), to.to_string(), bundle::Error::Version, Reason::BundleVersion);
    let material = |to: &str, error, reason| (key.clone(), to.to_string(), error, reason);
    let (certificate, content) = (
        (bundle::Error::Certificate, Reason::CertificateUnsupported),
        (bundle::Error::Content, Reason::EnvelopeMalformed),
    );
    let json = |error| (bundle::Error::Json(error), Reason::EnvelopeMalformed);
    let duplicate = json(json::Error::DuplicateKey("publicKey"));
    let twin = json(json::Error::TwinKey("publicKey"));
    let mistyped = json(json::Error::WrongType);
    let cases = [
        version("application/vnd.dev.sigstore.bundle.v0.2+json"),
        version("application/vnd.dev.sigstore.bundle.v0.4+json"),
        version("application/vnd.dev.sigstore.bundle.v0.3.1+json"),
        version("application/vnd.dev.sigstore.bundle.v0.3+JSON"),
        version("application/vnd.dev.sigstore.bundle+json;version=0.1"),
        version("application/vnd.dev.sigstore.bundle+json; version=0.3"),
        version(""),
        material(r#""certificate":{"rawBytes":"AAAA"}"#, certificate.0, certificate.1),
        material(r#""x509CertificateChain":{"certificates":[]}"#, certificate.0, certificate.1),
        material(&format!(r#""certificate":{{}},{key}"#), content.0, content.1),
        material(&format!(r#"{key},"x509CertificateChain":{{}}"#), content.0, content.1),
        material(r#""publicKey":null"#, content.0, content.1),
        material("", content.0, content.1),
        material(&format!("{key},{key}"), duplicate.0, duplicate.1),
        material(&format!(r#""PublicKey":{{}},{key}"#), twin.0, twin.1),
        material(r#""publicKey":"x""#, mistyped.0, mistyped.1),
        material(r#""publicKey":{"hint":7}"#, mistyped.0, mistyped.1),
        ("\"dsseEnvelope\"".into(), r#""messageSignature":{},"dsseEnvelope""#.into(), content.0, content.1),
        (
            "\"dsseEnvelope\"".into(),
            "\"messageSignature\"".into(),
            bundle::Error::MessageSignature,
            Reason::MessageSignatureUnsupported,
        ),
        ("\"dsseEnvelope\"".into(), "\"envelope\"".into(), content.0, content.1),
        (
            "\"verificationMaterial\"".into(),
            "\"material\"".into(),
            bundle::Error::Json(json::Error::MissingKey("verificationMaterial")),
            Reason::EnvelopeMalformed,
        ),
        (
            "\"mediaType\"".into(),
            "\"type\"".into(),
            bundle::Error::Json(json::Error::MissingKey("mediaType")),
            Reason::EnvelopeMalformed,
        ),
    ];
    for (from, to, error, reason) in &cases {
        let bad = Forge::new(Form::Bundle, signer, &digest("app")).after_edit(from, to).mint();
        refused(signer, &bad, verify::Error::Bundle(*error), *reason, to);
    }
}

#[test]
fn bytes_around_an_envelope_are_refused() {
    let signer = world().p256(0);
    for form in Form::DSSE {
        let right = good(form, signer);
        for (text, error) in [
            (format!("{}x", right.text()), json::Error::TrailingBytes),
            (format!("{0}{0}", right.text()), json::Error::TrailingBytes),
            (format!("{}\n{}", right.text(), "{}"), json::Error::TrailingBytes),
            (format!("[{}]", right.text()), json::Error::WrongType),
            (format!("\u{feff}{}", right.text()), json::Error::Syntax { at: 0 }),
            (String::new(), json::Error::Syntax { at: 0 }),
            (
                right.text()[..right.text().len() - 1].to_string(),
                json::Error::Syntax { at: right.text().len() - 1 },
            ),
        ] {
            let (bad, error) = match form {
                Form::Bundle => {
                    (Minted::Bundle(text.into()), verify::Error::Bundle(bundle::Error::Json(error)))
                }
                _ => (Minted::Envelope(text.into()), verify::Error::Envelope(dsse::Error::Json(error))),
            };
            refused(signer, &bad, error, Reason::EnvelopeMalformed, "around");
        }
    }
}

#[test]
fn what_later_versions_add_is_skipped() {
    let signer = world().p256(0);
    let grown = Forge::new(Form::Bundle, signer, &digest("app"))
        .after_edit("\"dsseEnvelope\":{", r#""new":[1,{"a":null}],"dsseEnvelope":{"new":true,"#)
        .after_edit(
            "\"publicKey\"",
            r#""tlogEntries":[],"timestampVerificationData":{},"certificate":null,"publicKey""#,
        )
        .after(|text| text.replace(":", " :\r\n\t"))
        .mint();
    // Neither base64 nor the media types have a colon: only the JSON was stretched.
    assert_eq!(Node::from(signer).ask(&Ask::about("app").with(grown)).verdict(), SIGNED);
}

/// T-15: `keyid` and `hint` are not signed. Whatever they say, the verdict is the same.
#[test]
fn key_names_decide_nothing() {
    let (a, b, c) = (world().p256(0), world().p256(1), world().key(KeyType::Ed25519, 0));
    let node = Node::new(&Trust::new(
        vec![Authority::of("a", &[a]), Authority::of("b", &[b]), Authority::of("c", &[c, a])],
        vec![Rule::enforce("app", &["b", "a", "c"], 2)],
    ));
    let hints = ["", "x", "AAAA", &a.hint(), &b.hint(), &c.hint(), &world().p256(2).hint(), &a.id_hex()];
    for signer in [a, b, c] {
        let answers: Vec<Answer> = hints
            .iter()
            .map(|hint| {
                let minted = Forge::new(Form::Bundle, signer, &digest("app")).hint(hint).mint();
                node.ask(&Ask::about("app").with(minted))
            })
            .collect();
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
        assert_eq!(answers[0].signed, (1, 2));
    }
    let keyids = ["", "x", &a.id_hex(), &b.id_hex(), &c.id_hex(), "null", "../../etc/passwd"];
    for form in Form::DSSE {
        let answers: Vec<Answer> = keyids
            .iter()
            .map(|keyid| {
                let minted = Forge::new(form, a, &digest("app"))
                    .after(|text| {
                        let sig = member(&text, "sig").to_owned();
                        replace_signatures(&format!(r#"{{"sig":"{sig}","keyid":"{keyid}"}}"#))(text)
                    })
                    .mint();
                node.ask(&Ask::about("app").with(minted))
            })
            .collect();
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    }
    // Absent is one of the ways to be blank.
    for (from, to) in [("\"hint\"", "\"other\""), ("{\"hint\"", "{\"hint\":null,\"other\"")] {
        let minted = Forge::new(Form::Bundle, a, &digest("app")).after_edit(from, to).mint();
        assert_eq!(node.ask(&Ask::about("app").with(minted)).signed, (1, 2));
    }
}

#[test]
fn evidence_at_the_bound_is_read_and_beyond_it_is_not() {
    let signer = world().p256(0);
    let most = 24 * 1024 * 1024;
    for form in Form::DSSE {
        let padded = |length: usize| {
            let text = good(form, signer).text().to_owned();
            let padding = " ".repeat(length - text.len());
            let bytes = format!("{text}{padding}").into_bytes();
            if form == Form::Bundle { Minted::Bundle(bytes) } else { Minted::Envelope(bytes) }
        };
        assert_eq!(Node::from(signer).ask(&Ask::about("app").with(padded(most))).verdict(), SIGNED);
        let bad = padded(most + 1);
        refused(signer, &bad, verify::Error::TooLarge, Reason::EvidenceTooLarge, "a byte too many");
    }
}

#[test]
fn a_payload_beyond_its_bound_is_refused() {
    let signer = world().p256(0);
    let most = 16 * 1024 * 1024;
    let padded = |length: usize| {
        let text = statement(&digest("app"));
        format!("{text}{}", " ".repeat(length - text.len()))
    };
    for form in Form::DSSE {
        let minted = Forge::new(form, signer, &digest("app")).payload(padded(most)).mint();
        assert_eq!(Node::from(signer).ask(&Ask::about("app").with(minted)).verdict(), SIGNED);
        for length in [most + 1, most + 4] {
            let bad = Forge::new(form, signer, &digest("app")).payload(padded(length)).mint();
            let error = opened(dsse::Error::PayloadTooLarge);
            refused(signer, &bad, error, Reason::EvidenceTooLarge, "a payload too large");
        }
    }
}

#[test]
fn every_kind_of_key_refuses_every_wrong_envelope() {
    for kind in World::kinds() {
        let signer = world().key(kind, 0);
        for form in Form::DSSE {
            let bad = Forge::new(form, signer, &digest("app")).after(replace_signatures("")).mint();
            refused(
                signer,
                &bad,
                envelope(form, dsse::Error::SignatureCount),
                Reason::EnvelopeSignatures,
                "none",
            );
            let bad = Forge::new(form, signer, &digest("app")).payload_type("text/plain").mint();
            refused(signer, &bad, opened(dsse::Error::PayloadType), Reason::PayloadType, "type");
        }
    }
}
