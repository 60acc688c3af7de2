//! What a rule asks of attestations: by whom, of which type, and that none is pieced together from two.

use pullward_core::judge::{Needs, Ruling, Standing};
use pullward_core::verdict::Reason;
use pullward_tests::mint::{
    Ask, Authority, Forge, Form, Minted, Node, PROVENANCE, Requirement, Revoked, Rule, Signer, Trust, VULN,
    digest, instant, world,
};

use crate::{SIGNED, deny, good};

const CUSTOM: &str = "https://cosign.sigstore.dev/attestation/v1";

/// Authorities `a`, `b`, `c` with keys 0, 1, 2; one rule `app`, signed by `a`, that asks for these.
fn node(requirements: &[Requirement]) -> Node {
    Node::new(&trust(requirements))
}

fn trust(requirements: &[Requirement]) -> Trust {
    let authorities = ["a", "b", "c"].iter().zip(0..);
    let authorities = authorities.map(|(name, n)| Authority::of(name, &[world().p256(n)])).collect();
    let list: Vec<String> = requirements.iter().map(ToString::to_string).collect();
    let rule =
        Rule::enforce("app", &["a"], 1).with(|rule| rule.attestations = format!("[{}]", list.join(",")));
    Trust::new(authorities, vec![rule])
}

fn signature() -> Minted {
    good(Form::Bundle, world().p256(0))
}

fn attested(signer: &Signer, predicate_type: &str, predicate: &str) -> Minted {
    Forge::new(Form::Bundle, signer, &digest("app"))
        .attesting(&digest("app"), predicate_type, predicate)
        .mint()
}

fn by(n: usize, predicate_type: &str) -> Minted {
    attested(world().p256(n), predicate_type, "{}")
}

#[test]
fn a_requirement_is_met_by_an_attestation_of_its_type_by_its_authority() {
    let node = node(&[Requirement::of(CUSTOM, "b")]);
    for form in Form::DSSE {
        let attestation =
            Forge::new(form, world().p256(1), &digest("app")).attesting(&digest("app"), CUSTOM, "{}").mint();
        for order in [[signature(), attestation.clone()], [attestation.clone(), signature()]] {
            let answer = node.ask(&order.into_iter().fold(Ask::about("app"), Ask::with));
            assert_eq!((answer.verdict(), answer.met, answer.needs), (SIGNED, 1, Needs::Nothing));
            assert_eq!(answer.standings(), [Standing::Accepted; 2]);
        }
    }
}

#[test]
fn a_signed_image_without_the_attestation_is_denied_by_name() {
    let node = node(&[Requirement::of(CUSTOM, "b"), Requirement::of(VULN, "c")]);
    let answer = node.ask(&Ask::about("app").with(signature()));
    assert_eq!(answer.verdict(), deny(Reason::AttestationMissing));
    assert_eq!((answer.met, answer.unmet, answer.needs), (0, Some(0), Needs::Evidence));
    let answer = node.ask(&Ask::about("app").with(signature()).with(by(1, CUSTOM)));
    assert_eq!(answer.verdict(), deny(Reason::AttestationMissing));
    assert_eq!((answer.met, answer.unmet), (1, Some(1)));
}

#[test]
fn an_attestation_without_a_signature_of_the_image_is_not_enough() {
    let node = node(&[Requirement::of(CUSTOM, "a")]);
    let answer = node.ask(&Ask::about("app").with(by(0, CUSTOM)));
    assert_eq!(answer.verdict(), deny(Reason::PredicateNotSignature));
    assert_eq!((answer.met, answer.signed.0), (1, 0));
}

/// Who is named for an attestation only cannot sign the image.
#[test]
fn an_authority_that_attests_does_not_sign() {
    let node = node(&[Requirement::of(CUSTOM, "b")]);
    let by_b = good(Form::Bundle, world().p256(1));
    let answer = node.ask(&Ask::about("app").with(by_b).with(by(1, CUSTOM)));
    assert_eq!(answer.verdict(), deny(Reason::UntrustedKey));
    assert_eq!(answer.standings()[0], Standing::Ignored(Reason::UntrustedKey));
}

/// T-08, and an authority that the requirement does not name.
#[test]
fn the_wrong_type_and_the_wrong_signer_do_not_meet_it() {
    let node = node(&[Requirement::of(CUSTOM, "b")]);
    for (attestation, reason) in [
        (by(1, VULN), Reason::AttestationMissing),
        (by(1, "https://cosign.sigstore.dev/attestation/v1/"), Reason::AttestationMissing),
        (by(1, "https://COSIGN.sigstore.dev/attestation/v1"), Reason::AttestationMissing),
        (by(0, CUSTOM), Reason::AttestationSigner),
        (by(2, CUSTOM), Reason::AttestationMissing),
        (by(3, CUSTOM), Reason::AttestationMissing),
    ] {
        let answer = node.ask(&Ask::about("app").with(signature()).with(attestation));
        assert_eq!((answer.verdict(), answer.met), (deny(reason), 0));
    }
}

#[test]
fn an_attestation_about_another_image_does_not_meet_it() {
    let node = node(&[Requirement::of(CUSTOM, "b")]);
    let other = Forge::new(Form::Bundle, world().p256(1), &digest("app"))
        .attesting(&digest("other"), CUSTOM, "{}")
        .mint();
    let answer = node.ask(&Ask::about("app").with(signature()).with(other));
    assert_eq!(answer.verdict(), deny(Reason::AttestationMissing));
}

/// One key under two names: the attestation counts for the name that the requirement has.
#[test]
fn a_key_that_two_authorities_share_attests_for_either() {
    let authorities =
        vec![Authority::of("a", &[world().p256(0)]), Authority::of("scanner", &[world().p256(0)])];
    let rule = Rule::enforce("app", &["a"], 1)
        .with(|rule| rule.attestations = Requirement::of(CUSTOM, "scanner").alone());
    let node = Node::new(&Trust::new(authorities, vec![rule]));
    assert_eq!(node.ask(&Ask::about("app").with(signature()).with(by(0, CUSTOM))).verdict(), SIGNED);
}

#[test]
fn a_revoked_authority_or_key_attests_nothing() {
    for (revoked, reason) in [
        (
            Revoked { authorities: Revoked::entry("authority", "b"), ..Revoked::nothing() },
            Reason::AttestationMissing,
        ),
        (
            Revoked { keys: Revoked::entry("key", &world().p256(1).id_hex()), ..Revoked::nothing() },
            Reason::AttestationMissing,
        ),
    ] {
        let node = Node::new(&trust(&[Requirement::of(CUSTOM, "b")]).with(|trust| trust.revoked = revoked));
        let answer = node.ask(&Ask::about("app").with(signature()).with(by(1, CUSTOM)));
        assert_eq!(answer.verdict(), deny(reason));
    }
}

#[test]
fn several_types_are_alternatives_and_several_requirements_are_not() {
    let either = Requirement::of(CUSTOM, "b").with(|r| r.types.push(PROVENANCE.into()));
    let node_of_either = node(&[either]);
    for kind in [CUSTOM, PROVENANCE] {
        assert_eq!(
            node_of_either.ask(&Ask::about("app").with(signature()).with(by(1, kind))).verdict(),
            SIGNED
        );
    }
    let both = node(&[Requirement::of(CUSTOM, "b"), Requirement::of(PROVENANCE, "b")]);
    let one = Ask::about("app").with(signature()).with(by(1, PROVENANCE));
    let answer = both.ask(&one);
    assert_eq!((answer.verdict(), answer.met, answer.unmet), (deny(Reason::AttestationMissing), 2, Some(0)));
    assert_eq!(both.ask(&one.with(by(1, CUSTOM))).verdict(), SIGNED);
}

/// T-06 for attestations: junk beside good ones neither counts nor hides.
#[test]
fn attestations_that_fall_short_do_not_hide_one_that_does_not() {
    let node = node(&[Requirement::of(CUSTOM, "b")]);
    let junk = [by(0, CUSTOM), by(3, CUSTOM), Minted::Bundle(b"{".to_vec()), by(1, VULN)];
    let good_one = by(1, CUSTOM);
    let mut after = Ask::about("app").with(good_one.clone()).with(signature());
    let mut before = Ask::about("app");
    for piece in junk {
        after = after.with(piece.clone());
        before = before.with(piece);
    }
    for ask in [after, before.with(good_one).with(signature())] {
        assert_eq!(node.ask(&ask).verdict(), SIGNED);
    }
}

#[test]
fn under_audit_an_unmet_requirement_is_told_and_lets_through() {
    let trust = trust(&[Requirement::of(CUSTOM, "b")]).with(|trust| trust.rules[0].mode = "audit".into());
    let answer = Node::new(&trust).ask(&Ask::about("app").with(signature()));
    assert_eq!(answer.verdict(), (Ruling::Allow, Reason::AttestationMissing));
    assert!(answer.would_deny);
}

/// Without an engine for it a condition keeps its requirement unmet; it never meets one.
#[test]
fn a_condition_without_an_engine_denies() {
    let condition = r#"{"engine":"x/1","expression":"true"}"#;
    let node = node(&[Requirement::of(CUSTOM, "b").with(|r| r.condition = condition.into())]);
    let answer = node.ask(&Ask::about("app").with(signature()).with(by(1, CUSTOM)));
    assert_eq!(answer.verdict(), deny(Reason::ConditionEngineAbsent));
}

fn dated(time: &str) -> Minted {
    attested(world().p256(1), CUSTOM, &format!(r#"{{"Data":"","Timestamp":"{time}"}}"#))
}

fn of_age(at: &str) -> Node {
    node(&[Requirement::of(CUSTOM, "b").with(|r| {
        r.max_age = Some(30 * 86_400);
        r.max_age_at = at.into();
    })])
}

/// The question is asked on 2026-12-01.
#[test]
fn an_attestation_older_than_the_rule_allows_or_without_a_usable_date_denies() {
    for (time, reason) in [
        ("2026-11-01T00:00:00Z", None),
        ("2026-10-31T23:59:59Z", Some(Reason::AttestationTooOld)),
        ("2026-12-01T00:00:00Z", None),
        ("2026-12-01T00:00:01Z", Some(Reason::AttestationFromFuture)),
        ("2026-12-01T01:00:00+01:00", None),
        ("2026-11-20T00:00:00", Some(Reason::PredicateMalformed)),
        ("2026-11-31T00:00:00Z", Some(Reason::PredicateMalformed)),
        ("yesterday", Some(Reason::PredicateMalformed)),
        ("", Some(Reason::PredicateMalformed)),
    ] {
        let answer = of_age("first").ask(&Ask::about("app").with(signature()).with(dated(time)));
        assert_eq!(answer.verdict(), reason.map_or(SIGNED, deny), "{time}");
    }
    let undated = Ask::about("app").with(signature()).with(by(1, CUSTOM));
    assert_eq!(of_age("first").ask(&undated).verdict(), deny(Reason::AttestationNoTime));
}

#[test]
fn age_counts_at_first_admission_or_always_as_the_rule_says() {
    let old = Ask::about("app").with(signature()).with(dated("2026-11-10T00:00:00Z"));
    let late = old.clone().at(instant("2027-01-15T00:00:00Z"));
    let known = late.clone().allowed_at(instant("2026-12-01T00:00:00Z"));
    let too_old = deny(Reason::AttestationTooOld);
    assert_eq!(of_age("first").ask(&old).verdict(), SIGNED);
    assert_eq!(of_age("first").ask(&late).verdict(), too_old);
    assert_eq!(of_age("first").ask(&known).verdict(), SIGNED);
    assert_eq!(of_age("always").ask(&old).verdict(), SIGNED);
    assert_eq!(of_age("always").ask(&known).verdict(), too_old);
    // Admitted before the attestation was made, and now too old: neither time makes it young.
    let before = late.allowed_at(instant("2026-11-01T00:00:00Z"));
    assert_eq!(of_age("first").ask(&before).verdict(), too_old);
}

#[test]
fn a_receipt_brings_no_retired_key_back_that_has_a_window() {
    let windowed = trust(&[]).with(|trust| {
        for key in trust.authorities[0].keys.as_mut().unwrap() {
            key.retired = true;
            key.valid_until = Some("2026-01-01T00:00:00Z".into());
        }
    });
    let known = Ask::about("app").with(signature()).allowed_at(instant("2026-11-25T00:00:00Z"));
    assert_eq!(Node::new(&windowed).ask(&known).verdict(), deny(Reason::KeyWindowNoTime));
}

#[test]
fn what_was_admitted_survives_the_retirement_of_its_key_and_the_end_of_the_bundle() {
    let retired = trust(&[]).with(|trust| {
        for key in trust.authorities[0].keys.as_mut().unwrap() {
            key.retired = true;
        }
    });
    let ask = Ask::about("app").with(signature());
    let known = ask.clone().allowed_at(instant("2026-11-25T00:00:00Z"));
    assert_eq!(Node::new(&retired).ask(&ask).verdict(), deny(Reason::KeyRetired));
    assert_eq!(Node::new(&retired).ask(&known).verdict(), SIGNED);
    let after_the_end = instant("2027-06-01T00:00:00Z");
    for (after_expiry, verdict) in [("deny-new", SIGNED), ("deny-all", deny(Reason::TrustExpired))] {
        let node = Node::new(&trust(&[]).with(|trust| trust.after_expiry = after_expiry.into()));
        assert_eq!(node.ask(&ask.clone().at(after_the_end)).verdict(), deny(Reason::TrustExpired));
        assert_eq!(node.ask(&known.clone().at(after_the_end)).verdict(), verdict, "{after_expiry}");
    }
}

/// Whoever holds a retired key could sign an image that a rule lets in without evidence, run it there, and have it let
/// in by the rules that ask for signatures.
#[test]
fn what_a_rule_let_in_without_evidence_brings_no_retired_key_and_no_old_attestation_back() {
    let retired = trust(&[]).with(|trust| {
        for key in trust.authorities[0].keys.as_mut().unwrap() {
            key.retired = true;
        }
    });
    let let_in = Ask::about("app").with(signature()).let_in_at(instant("2026-11-25T00:00:00Z"));
    assert_eq!(Node::new(&retired).ask(&let_in).verdict(), deny(Reason::KeyRetired));
    let old = let_in.clone().with(dated("2026-11-10T00:00:00Z")).at(instant("2027-01-15T00:00:00Z"));
    assert_eq!(of_age("first").ask(&old).verdict(), deny(Reason::AttestationTooOld));
    // It was admitted, so it keeps starting when the bundle is over.
    let after_the_end = instant("2027-06-01T00:00:00Z");
    let node = Node::new(&trust(&[]).with(|trust| trust.after_expiry = "deny-new".into()));
    assert_eq!(node.ask(&let_in.at(after_the_end)).verdict(), SIGNED);
}
