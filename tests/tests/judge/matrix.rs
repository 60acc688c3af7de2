//! Every format with every kind of key: the right pair allows, every mismatch of digest, key, hash and format denies.

use pullward_core::judge::Standing;
use pullward_core::signature::KeyType;
use pullward_core::verdict::Reason;
use pullward_core::{intoto, json, simple_signing, verify};
use pullward_tests::mint::{
    Ask, Forge, Form, Minted, Node, Scheme, World, ask_key, digest, pae, payload, statement, world,
};

use crate::{SIGNED, deny, good, refused};

/// Every pair of format and kind.
fn pairs() -> impl Iterator<Item = (Form, KeyType)> {
    Form::ALL.into_iter().flat_map(|form| World::kinds().map(move |kind| (form, kind)))
}

/// The error of evidence that is rightly signed and about another digest.
fn other_digest(form: Form) -> verify::Error {
    match form {
        Form::SimpleSigning => verify::Error::SimpleSigning(simple_signing::Error::DigestMismatch),
        Form::Envelope | Form::Bundle => verify::Error::Statement(intoto::Error::SubjectMismatch),
    }
}

#[test]
fn the_right_signature_allows_in_every_format_by_every_kind_of_key() {
    for (form, kind) in pairs() {
        let signer = world().key(kind, 0);
        let ask = Ask::about("app").with(good(form, signer));
        let answer = Node::from(signer).ask(&ask);
        assert_eq!(answer.verdict(), SIGNED, "{form:?} {kind:?}");
        assert_eq!(answer.rule.as_deref(), Some("app"));
        assert_eq!(answer.signed, (1, 1));
        let [row] = answer.rows.as_slice() else { panic!("one row for one piece of evidence") };
        assert_eq!(row.standing, Standing::Accepted);
        assert_eq!(row.authority.as_deref(), Some("release"));
        assert_eq!(row.key, Some(signer.public().id()));
        let answer = ask_key(&signer.public(), &ask);
        assert_eq!(answer.verdict(), SIGNED, "{form:?} {kind:?}");
        assert_eq!((answer.rule, answer.rows[0].authority.as_deref()), (None, None));
    }
}

#[test]
fn no_evidence_is_unsigned_and_asks_for_more() {
    let signer = world().p256(0);
    let answer = Node::from(signer).ask(&Ask::about("app"));
    assert_eq!(answer.verdict(), deny(Reason::Unsigned));
    assert_eq!(answer.needs, pullward_core::judge::Needs::Evidence);
    assert_eq!(ask_key(&signer.public(), &Ask::about("app")).verdict(), deny(Reason::Unsigned));
}

/// T-02: the whole product of format, key kind and what does not match.
#[test]
fn every_mismatch_of_digest_key_and_signature_denies() {
    let mut cells = 0;
    for (form, kind) in pairs() {
        let (signer, other) = (world().key(kind, 0), world().key(kind, 1));
        let what = |mismatch: &str| format!("{form:?} {kind:?} {mismatch}");
        let (app, elsewhere) = (digest("app"), digest("elsewhere"));

        let bad = Forge::new(form, signer, &elsewhere).mint();
        refused(signer, &bad, other_digest(form), Reason::DigestMismatch, &what("digest"));

        let bad = Forge::new(form, other, &app).mint();
        refused(signer, &bad, verify::Error::NoKey, Reason::UntrustedKey, &what("key"));

        let bad = Forge::new(form, other, &app).hint(&signer.hint()).mint();
        refused(signer, &bad, verify::Error::NoKey, Reason::UntrustedKey, &what("key, hint"));

        let about_elsewhere = Forge::new(form, signer, &elsewhere).message_bytes();
        let bad = Forge::new(form, signer, &app).message(about_elsewhere).mint();
        refused(signer, &bad, verify::Error::NoKey, Reason::UntrustedKey, &what("signature"));

        let right = signer.sign_by(
            Scheme::of(kind, form.format()),
            &Forge::new(form, signer, &app).message_bytes(),
            &mut pullward_tests::mint::Random::for_test("mismatch"),
        );
        for (mismatch, signature) in [
            ("empty", Vec::new()),
            ("zeros", vec![0; right.len()]),
            ("cut", right[..right.len() - 1].to_vec()),
            ("extended", [right.as_slice(), &[0]].concat()),
            ("shifted", [&[0], right.as_slice()].concat()),
            ("twice", [right.as_slice(), right.as_slice()].concat()),
        ] {
            if signature.len() > 512 {
                continue;
            }
            let bad = Forge::new(form, signer, &app).signature(signature).mint();
            refused(signer, &bad, verify::Error::NoKey, Reason::UntrustedKey, &what(mismatch));
            cells += 1;
        }
        cells += 4;
    }
    assert!(cells >= 12 * 9, "{cells}");
}

#[test]
fn a_key_of_one_kind_never_accepts_a_signature_of_another() {
    for form in Form::ALL {
        for trusted in World::kinds() {
            for signing in World::kinds().filter(|signing| *signing != trusted) {
                let bad = good(form, world().key(signing, 0));
                let what = format!("{form:?}: {signing:?} for {trusted:?}");
                let trusted = world().key(trusted, 0);
                refused(trusted, &bad, verify::Error::NoKey, Reason::UntrustedKey, &what);
            }
        }
    }
}

/// T-56: which hash goes with which key and format is one table, and nothing else is tried.
#[test]
fn every_other_hash_than_the_formats_denies() {
    let mut wrong = 0;
    for (form, kind) in pairs() {
        let signer = world().key(kind, 0);
        for scheme in [Scheme::Pure, Scheme::Sha256, Scheme::Sha384, Scheme::Sha512] {
            // An RSA block has no room for a whole message.
            if scheme == Scheme::of(kind, form.format()) || (kind == KeyType::Rsa && scheme == Scheme::Pure) {
                continue;
            }
            let bad = Forge::new(form, signer, &digest("app")).scheme(scheme).mint();
            let what = format!("{form:?} {kind:?} {scheme:?}");
            refused(signer, &bad, verify::Error::NoKey, Reason::UntrustedKey, &what);
            wrong += 1;
        }
    }
    assert_eq!(wrong, 3 * (3 + 3 + 3 + 2));
}

/// A legacy envelope and a bundle hold the same signed bytes, so each is the other's for the kinds whose hash is the
/// same. With P-384 it is not, and neither passes for the other.
#[test]
fn an_envelope_passes_as_the_other_form_only_where_the_hash_is_the_same() {
    for kind in World::kinds() {
        let signer = world().key(kind, 0);
        for (form, minted_for) in [(Form::Envelope, Form::Bundle), (Form::Bundle, Form::Envelope)] {
            let scheme = Scheme::of(kind, minted_for.format());
            let moved = Forge::new(form, signer, &digest("app")).scheme(scheme).mint();
            let what = format!("{kind:?} as {form:?}");
            if kind == KeyType::P384 {
                refused(signer, &moved, verify::Error::NoKey, Reason::UntrustedKey, &what);
            } else {
                assert_eq!(
                    Node::from(signer).ask(&Ask::about("app").with(moved)).verdict(),
                    SIGNED,
                    "{what}"
                );
            }
        }
    }
}

#[test]
fn a_simple_signing_signature_is_no_envelope() {
    for kind in World::kinds() {
        let signer = world().key(kind, 0);
        for form in Form::DSSE {
            // The signature over the bare payload, put around as an envelope.
            let bare = payload(&digest("app"));
            let scheme = Scheme::of(kind, form.format());
            let bad = Forge::new(form, signer, &digest("app"))
                .payload(bare.clone())
                .message(bare)
                .scheme(scheme)
                .mint();
            refused(signer, &bad, verify::Error::NoKey, Reason::UntrustedKey, "bare payload");
            let bare = statement(&digest("app"));
            let bad = Forge::new(form, signer, &digest("app")).message(bare).mint();
            refused(signer, &bad, verify::Error::NoKey, Reason::UntrustedKey, "bare statement");
            // The payload of the one form, rightly signed as the other.
            let bad = Forge::new(form, signer, &digest("app")).payload(payload(&digest("app"))).mint();
            let error = verify::Error::Statement(intoto::Error::Json(json::Error::MissingKey("_type")));
            refused(signer, &bad, error, Reason::PayloadMalformed, "payload as statement");
        }
    }
}

#[test]
fn an_envelopes_signature_is_no_simple_signing() {
    for kind in World::kinds() {
        let signer = world().key(kind, 0);
        let app = digest("app");
        let signed = pae("application/vnd.in-toto+json", statement(&app).as_bytes());
        let bad = Forge::new(Form::SimpleSigning, signer, &app).message(signed.clone()).mint();
        refused(signer, &bad, verify::Error::NoKey, Reason::UntrustedKey, "signature over the envelope");
        // The very bytes that an envelope's signature is over, as a payload.
        let bad = Forge::new(Form::SimpleSigning, signer, &app).payload(signed).mint();
        let json = |error| verify::Error::SimpleSigning(simple_signing::Error::Json(error));
        refused(signer, &bad, json(json::Error::Syntax { at: 0 }), Reason::PayloadMalformed, "encoding");
        let bad = Forge::new(Form::SimpleSigning, signer, &app).payload(statement(&app)).mint();
        refused(signer, &bad, json(json::Error::UnknownKey), Reason::PayloadMalformed, "statement");
    }
}

#[test]
fn evidence_in_the_wrong_place_is_malformed_and_never_panics() {
    let signer = world().p256(0);
    let envelope = good(Form::Envelope, signer);
    let bundle = good(Form::Bundle, signer);
    let missing = |key| json::Error::MissingKey(key);
    for (bad, error, reason) in [
        (
            Minted::Bundle(envelope.text().into()),
            verify::Error::Bundle(pullward_core::bundle::Error::Json(missing("mediaType"))),
            Reason::EnvelopeMalformed,
        ),
        (
            Minted::Envelope(bundle.text().into()),
            verify::Error::Envelope(pullward_core::dsse::Error::Json(missing("payloadType"))),
            Reason::EnvelopeMalformed,
        ),
        (
            Minted::SimpleSigning { payload: bundle.text().into(), signature: "AAAA".into() },
            verify::Error::NoKey,
            Reason::UntrustedKey,
        ),
    ] {
        refused(signer, &bad, error, reason, "misplaced");
    }
}
