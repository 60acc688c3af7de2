//! Which rule decides, and what its mode makes of what was found.

use pullward_core::judge::{Needs, Ruling, Standing};
use pullward_core::trust::Mode;
use pullward_core::verdict::Reason;
use pullward_tests::mint::{
    Ask, Authority, Forge, Form, Minted, Node, Requirement, Revoked, Rule, Trust, VULN, digest, instant,
    world,
};

use crate::{SIGNED, deny, good};

/// Authorities `a` and `b` with these rules.
fn trust(rules: Vec<Rule>) -> Trust {
    Trust::new(vec![Authority::of("a", &[world().p256(0)]), Authority::of("b", &[world().p256(1)])], rules)
}

fn node(rules: Vec<Rule>) -> Node {
    Node::new(&trust(rules))
}

fn by(n: usize) -> Minted {
    good(Form::Bundle, world().p256(n))
}

#[test]
fn the_first_rule_that_matches_decides() {
    let a = || Rule::enforce("a's", &["a"], 1).matching(&["registry.example/team/*"]);
    let b = || Rule::enforce("b's", &["b"], 1);
    let (first, second) = (node(vec![a(), b()]), node(vec![b(), a()]));
    let answer = first.ask(&Ask::about("app").with(by(0)));
    assert_eq!((answer.verdict(), answer.rule.as_deref()), (SIGNED, Some("a's")));
    let answer = first.ask(&Ask::about("app").with(by(1)));
    assert_eq!((answer.verdict(), answer.rule.as_deref()), (deny(Reason::UntrustedKey), Some("a's")));
    assert_eq!(second.ask(&Ask::about("app").with(by(1))).verdict(), SIGNED);
    assert_eq!(second.ask(&Ask::about("app").with(by(0))).verdict(), deny(Reason::UntrustedKey));
    // Elsewhere the second rule is the first that matches.
    let elsewhere = Ask::about("app").named("other.example/team/app:v1").with(by(1));
    let answer = first.ask(&elsewhere);
    assert_eq!((answer.verdict(), answer.rule.as_deref()), (SIGNED, Some("b's")));
}

#[test]
fn no_rule_and_an_empty_policy_deny() {
    let elsewhere = node(vec![Rule::enforce("app", &["a"], 1).matching(&["other.example/**"])]);
    for node in [elsewhere, node(Vec::new()), Node::new(&Trust::new(Vec::new(), Vec::new()))] {
        let answer = node.ask(&Ask::about("app").with(by(0)));
        assert_eq!(answer.verdict(), deny(Reason::NoRule));
        assert_eq!((answer.rule, answer.needs), (None, Needs::Nothing));
        assert_eq!(answer.mode, Mode::Enforce);
    }
}

#[test]
fn without_a_name_no_rule_matches_not_even_everything() {
    let node = node(vec![Rule::mode("all", "allow")]);
    assert_eq!(node.ask(&Ask::about("app").nameless()).verdict(), deny(Reason::ReferenceInvalid));
    assert_eq!(node.ask(&Ask::about("app")).verdict(), (Ruling::Allow, Reason::AllowedByRule));
}

#[test]
fn allow_and_deny_ask_for_no_evidence() {
    for (mode, verdict) in
        [("allow", (Ruling::Allow, Reason::AllowedByRule)), ("deny", deny(Reason::DeniedByRule))]
    {
        let node = node(vec![Rule::mode("app", mode), Rule::enforce("rest", &["a"], 1)]);
        for ask in [
            Ask::about("app"),
            Ask::about("app").with(by(0)),
            Ask::about("app").with_failed_source(),
            Ask::about("app").with_limit(Reason::EvidenceLimit),
        ] {
            let answer = node.ask(&ask);
            assert_eq!(answer.verdict(), verdict, "{mode}");
            assert_eq!((answer.needs, answer.would_deny), (Needs::Nothing, false));
            assert!(answer.rows.iter().all(|row| matches!(row.standing, Standing::Ignored(_))));
        }
    }
}

/// Item 11 of the corrections: in audit mode whatever the evaluation of the rule finds is let through, and said.
#[test]
fn audit_mode_lets_through_what_the_rule_finds_and_says_so() {
    let audit = |change: fn(&mut Rule)| {
        node(vec![Rule::enforce("app", &["a", "b"], 2).with(|r| r.mode = "audit".into()).with(change)])
    };
    let plain = audit(|_| {});
    let other = Forge::new(Form::Bundle, world().p256(0), &digest("other")).mint();
    let attestation = Forge::new(Form::Bundle, world().p256(0), &digest("app"))
        .payload_edit("https://sigstore.dev/cosign/sign/v1", "https://slsa.dev/provenance/v1")
        .mint();
    let ask = || Ask::about("app");
    let attested = audit(|r| r.attestations = Requirement::of(VULN, "a").alone());
    for (node, ask, reason) in [
        (&plain, ask(), Reason::Unsigned),
        (&plain, ask().with(by(2)), Reason::UntrustedKey),
        (&plain, ask().with(by(0)), Reason::ThresholdNotMet),
        (&plain, ask().with(other), Reason::DigestMismatch),
        (&plain, ask().with(attestation), Reason::PredicateNotSignature),
        (&plain, ask().with(Minted::Bundle(b"{".to_vec())), Reason::EnvelopeMalformed),
        (&plain, ask().with_failed_source(), Reason::EvidenceUnreachable),
        (&plain, ask().with_limit(Reason::EvidenceLimit), Reason::EvidenceLimit),
        (&audit(|r| r.index = "parent".into()), ask(), Reason::Unsigned),
        (&attested, ask().with(by(0)).with(by(1)), Reason::AttestationMissing),
    ] {
        let answer = node.ask(&ask);
        assert_eq!(answer.verdict(), (Ruling::Allow, reason));
        assert!(answer.would_deny, "{reason:?}");
        assert_eq!(answer.mode, Mode::Audit);
    }
    let answer = plain.ask(&ask().with(by(0)).with(by(1)));
    assert_eq!((answer.verdict(), answer.would_deny), (SIGNED, false));
}

#[test]
fn what_is_no_rules_to_find_denies_in_audit_mode_too() {
    let audit = || Rule::enforce("app", &["a"], 1).with(|rule| rule.mode = "audit".into());
    let revoked =
        Node::new(&trust(vec![audit()]).with(|t| t.revoked.digests = Revoked::list(&[digest("app")])));
    assert_eq!(revoked.ask(&Ask::about("app").with(by(0))).verdict(), deny(Reason::DigestRevoked));
    let node = node(vec![audit().matching(&["registry.example/**"])]);
    let late = Ask::about("app").at(instant("2027-02-22T13:00:00Z")).with(by(0));
    assert_eq!(node.ask(&late).verdict(), deny(Reason::TrustExpired));
    let elsewhere = Ask::about("app").named("other.example/app").with(by(0));
    assert_eq!(node.ask(&elsewhere).verdict(), deny(Reason::NoRule));
    for answer in [revoked.ask(&Ask::about("app")), node.ask(&late), node.ask(&elsewhere)] {
        assert!(!answer.would_deny);
        assert_eq!(answer.mode, Mode::Enforce);
    }
}

#[test]
fn a_rule_with_digests_governs_only_those() {
    let list = |names: &[&str]| Revoked::list(&names.iter().map(|name| digest(name)).collect::<Vec<_>>());
    let rules = vec![
        Rule::mode("pinned", "allow").with(|rule| rule.digests = Some(1)),
        Rule::mode("bad", "deny").with(|rule| rule.digests = Some(0)),
        Rule::enforce("rest", &["a"], 1),
    ];
    let node =
        Node::new(&trust(rules).with(|t| t.digest_lists = vec![list(&["x", "y"]), list(&["app", "z"])]));
    let answer = node.ask(&Ask::about("app"));
    assert_eq!(
        (answer.verdict(), answer.rule.as_deref()),
        ((Ruling::Allow, Reason::AllowedByRule), Some("pinned"))
    );
    let answer = node.ask(&Ask::about("y"));
    assert_eq!((answer.verdict(), answer.rule.as_deref()), (deny(Reason::DeniedByRule), Some("bad")));
    let answer = node.ask(&Ask::about("other"));
    assert_eq!((answer.verdict(), answer.rule.as_deref()), (deny(Reason::Unsigned), Some("rest")));
}

#[test]
fn a_source_that_failed_matters_only_while_something_is_open() {
    let node = node(vec![Rule::enforce("app", &["a", "b"], 2)]);
    let unreachable = deny(Reason::EvidenceUnreachable);
    assert_eq!(node.ask(&Ask::about("app").with_failed_source()).verdict(), unreachable);
    assert_eq!(node.ask(&Ask::about("app").with(by(0)).with_failed_source()).verdict(), unreachable);
    assert_eq!(node.ask(&Ask::about("app").with(by(2)).with_failed_source()).verdict(), unreachable);
    assert_eq!(node.ask(&Ask::about("app").with(by(0)).with(by(1)).with_failed_source()).verdict(), SIGNED);
}

#[test]
fn a_passed_deadline_denies_under_audit_too_while_something_is_open() {
    let late = deny(Reason::DeadlineExceeded);
    for rule in [
        Rule::enforce("app", &["a"], 1),
        Rule::enforce("app", &["a"], 1).with(|rule| rule.mode = "audit".into()),
    ] {
        let node = node(vec![rule]);
        assert_eq!(node.ask(&Ask::about("app").with_passed_deadline()).ruling, Ruling::Deny);
        assert_eq!(node.ask(&Ask::about("app").with_passed_deadline()).reason, Reason::DeadlineExceeded);
        assert_eq!(node.ask(&Ask::about("app").with(by(2)).with_passed_deadline()).ruling, Ruling::Deny);
        assert_eq!(node.ask(&Ask::about("app").with(by(0)).with_passed_deadline()).reason, Reason::Signed);
    }
    let node = node(vec![Rule::enforce("app", &["a"], 1)]);
    assert_eq!(node.ask(&Ask::about("app").with_failed_source().with_passed_deadline()).verdict(), late);
}

#[test]
fn a_limit_denies_whatever_was_found_before() {
    let node = node(vec![Rule::enforce("app", &["a"], 1)]);
    for reason in [Reason::EvidenceLimit, Reason::SignatureLimit] {
        for ask in [Ask::about("app"), Ask::about("app").with(by(0))] {
            assert_eq!(node.ask(&ask.with_limit(reason)).verdict(), deny(reason));
        }
    }
}

#[test]
fn the_most_telling_rejection_is_the_reason() {
    let node = node(vec![Rule::enforce("app", &["a"], 1)]);
    let other = || Forge::new(Form::Bundle, world().p256(0), &digest("other")).mint();
    let junk = || Minted::Bundle(b"junk".to_vec());
    let after =
        |from, to| Forge::new(Form::Bundle, world().p256(0), &digest("app")).after_edit(from, to).mint();
    let version = || after("bundle.v0.3", "bundle.v0.9");
    let certificate = || after("publicKey", "certificate");
    for (evidence, reason) in [
        (vec![junk(), by(1)], Reason::UntrustedKey),
        (vec![by(1), junk()], Reason::UntrustedKey),
        (vec![other(), by(1), junk()], Reason::DigestMismatch),
        (vec![junk(), by(1), other()], Reason::DigestMismatch),
        // Of two that tell as much, the first.
        (vec![version(), certificate()], Reason::BundleVersion),
        (vec![certificate(), version()], Reason::CertificateUnsupported),
    ] {
        let ask = evidence.into_iter().fold(Ask::about("app"), Ask::with);
        assert_eq!(node.ask(&ask).verdict(), deny(reason));
    }
}

#[test]
fn a_reference_that_names_another_digest_is_a_conflict() {
    let named = format!("registry.example/team/app@{}", digest("pinned"));
    let rules = vec![Rule::mode("pinned", "allow").matching(&[&named])];
    let node = node(rules);
    let honest = Ask::about("pinned").named(&named);
    assert_eq!(node.ask(&honest).verdict(), (Ruling::Allow, Reason::AllowedByRule));
    // The pattern's digest matches the name; what would run is other content.
    let swapped = Ask::about("app").named(&named);
    assert_eq!(node.ask(&swapped).verdict(), deny(Reason::DigestConflict));
}
