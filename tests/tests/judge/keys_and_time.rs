//! Revocations, keys that count only under conditions, and the edges of time.

use pullward_core::judge::{Ruling, Standing};
use pullward_core::signature::KeyType;
use pullward_core::time::UnixTime;
use pullward_core::verdict::Reason;
use pullward_core::verify::{Error, SignerState};
use pullward_tests::mint::{
    Ask, Authority, Forge, Form, Key, Minted, Node, Revoked, Rule, Trust, digest, edit, instant, world,
};

use crate::{SIGNED, deny, good};

/// Authorities `a` (keys 0 and 1) and `b` (key 2), either of which is enough.
fn trust() -> Trust {
    let authorities =
        vec![Authority::of("a", &[world().p256(0), world().p256(1)]), Authority::of("b", &[world().p256(2)])];
    Trust::new(authorities, vec![Rule::enforce("app", &["a", "b"], 1)])
}

fn revoking(change: impl FnOnce(&mut Revoked)) -> Node {
    Node::new(&trust().with(|trust| change(&mut trust.revoked)))
}

fn by(n: usize) -> Minted {
    good(Form::Bundle, world().p256(n))
}

fn signed_by(n: usize) -> Ask {
    Ask::about("app").with(by(n))
}

#[test]
fn a_revoked_digest_is_denied_under_every_rule() {
    for mode in ["allow", "audit", "deny", "enforce"] {
        let rule = match mode {
            "allow" | "deny" => Rule::mode("app", mode),
            _ => Rule::enforce("app", &["a"], 1).with(|rule| rule.mode = mode.into()),
        };
        let list = Revoked::list(&[digest("x"), digest("app"), digest("y")]);
        let node = Node::new(&trust().with(|trust| {
            trust.rules = vec![rule];
            trust.revoked.digests = list;
        }));
        let answer = node.ask(&signed_by(0));
        assert_eq!(answer.verdict(), deny(Reason::DigestRevoked), "{mode}");
        assert!(!answer.would_deny);
        let evidence = good(Form::Bundle, world().p256(0));
        assert_ne!(node.ask(&Ask::about("z").with(evidence)).reason, Reason::DigestRevoked);
    }
}

#[test]
fn a_revoked_key_does_not_count_and_says_so() {
    let node = revoking(|revoked| revoked.keys = Revoked::entry("key", &world().p256(0).id_hex()));
    let answer = node.ask(&signed_by(0));
    assert_eq!(answer.verdict(), deny(Reason::KeyRevoked));
    assert_eq!(answer.error(), Some(Error::Signer(SignerState::Revoked)));
    // The authority's other key and the other authority still do.
    assert_eq!(node.ask(&signed_by(1)).verdict(), SIGNED);
    assert_eq!(node.ask(&signed_by(2)).verdict(), SIGNED);
    assert_eq!(node.ask(&signed_by(0).with(by(1))).verdict(), SIGNED);
}

/// No verified time says that a signature is older than the revocation, so `from` cannot save it.
#[test]
fn a_revocation_from_some_time_on_holds_for_all_of_it() {
    let entry = Revoked::entry("key", &world().p256(0).id_hex());
    for from in ["2026-11-24T13:00:00Z", "2030-01-01T00:00:00Z"] {
        let entry = edit(&entry, "\"from\":null", &format!("\"from\":\"{from}\""));
        assert_eq!(
            revoking(|revoked| revoked.keys = entry).ask(&signed_by(0)).verdict(),
            deny(Reason::KeyRevoked)
        );
    }
}

#[test]
fn a_revoked_key_is_revoked_in_every_authority_that_has_it() {
    let node = Node::new(&trust().with(|trust| {
        trust.authorities.push(Authority::of("c", &[world().p256(0)]));
        trust.rules = vec![Rule::enforce("app", &["c", "a"], 1)];
        trust.revoked.keys = Revoked::entry("key", &world().p256(0).id_hex());
    }));
    assert_eq!(node.ask(&signed_by(0)).verdict(), deny(Reason::KeyRevoked));
}

#[test]
fn a_revoked_authority_does_not_count_with_any_of_its_keys() {
    let node = revoking(|revoked| revoked.authorities = Revoked::entry("authority", "a"));
    for n in [0, 1] {
        let answer = node.ask(&signed_by(n));
        assert_eq!(answer.verdict(), deny(Reason::AuthorityRevoked));
        assert_eq!(answer.error(), Some(Error::Signer(SignerState::AuthorityRevoked)));
    }
    assert_eq!(node.ask(&signed_by(2)).verdict(), SIGNED);
}

#[test]
fn revoked_evidence_is_not_looked_into() {
    for form in Form::ALL {
        let evidence = good(form, world().p256(0));
        let node = revoking(|revoked| revoked.evidence = Revoked::list(&[evidence.source(), digest("x")]));
        let answer = node.ask(&Ask::about("app").with(evidence.clone()));
        assert_eq!(answer.verdict(), deny(Reason::EvidenceRevoked), "{form:?}");
        assert_eq!(answer.standings(), [Standing::Revoked]);
        assert_eq!(node.ask(&signed_by(1).with(evidence)).verdict(), SIGNED);
    }
}

/// What is around the signed bytes is anybody's to change: a revocation by the blob's digest alone would be undone by
/// one space.
#[test]
fn evidence_revoked_by_its_signed_payload_stays_revoked_in_another_wrapping() {
    for form in Form::DSSE {
        let payload = pullward_tests::mint::statement(&digest("app"));
        let list = Revoked::list(&[pullward_core::oci::Digest::of(payload.as_bytes())]);
        let node = revoking(|revoked| revoked.evidence = list);
        for wrapped in [
            Forge::new(form, world().p256(0), &digest("app")).mint(),
            Forge::new(form, world().p256(0), &digest("app")).after(|text| format!(" {text} ")).mint(),
        ] {
            let answer = node.ask(&Ask::about("app").with(wrapped));
            assert_eq!(answer.verdict(), deny(Reason::EvidenceRevoked), "{form:?}");
            assert_eq!(answer.standings(), [Standing::Revoked]);
        }
        // Another statement by the same key is not that evidence.
        let other = Forge::new(form, world().p256(0), &digest("app"))
            .payload_edit("\"predicate\":{}", "\"predicate\":{\"a\":1}");
        assert_eq!(node.ask(&Ask::about("app").with(other.mint())).verdict(), SIGNED);
    }
}

#[test]
fn retired_and_windowed_keys_do_not_count_without_a_receipt_or_a_time() {
    for (change, state, reason) in [
        ((|key: &mut Key| key.retired = true) as fn(&mut Key), SignerState::Retired, Reason::KeyRetired),
        (
            |key| key.valid_from = Some("2020-01-01T00:00:00Z".into()),
            SignerState::Windowed,
            Reason::KeyWindowNoTime,
        ),
        (
            |key| key.valid_until = Some("2030-01-01T00:00:00Z".into()),
            SignerState::Windowed,
            Reason::KeyWindowNoTime,
        ),
        (
            |key| {
                key.valid_from = Some("2026-12-01T00:00:00Z".into());
                key.valid_until = Some("2026-12-01T00:00:00Z".into());
            },
            SignerState::Windowed,
            Reason::KeyWindowNoTime,
        ),
    ] {
        for kind in [KeyType::P256, KeyType::Ed25519] {
            let signer = world().key(kind, 0);
            let mut key = Key::of(signer);
            change(&mut key);
            let mut authority = Authority::of("a", &[world().p256(3)]);
            authority.keys.as_mut().unwrap().push(key);
            let node = Node::new(&Trust::new(vec![authority], vec![Rule::enforce("app", &["a"], 1)]));
            for form in Form::ALL {
                let answer = node.ask(&Ask::about("app").with(good(form, signer)));
                assert_eq!(answer.verdict(), deny(reason));
                assert_eq!(answer.error(), Some(Error::Signer(state)));
            }
            assert_eq!(
                node.ask(&Ask::about("app").with(good(Form::Bundle, world().p256(3)))).verdict(),
                SIGNED
            );
            // About another image the key's state is still what is found first.
            let other = Forge::new(Form::Bundle, signer, &digest("other")).mint();
            assert_eq!(node.ask(&Ask::about("app").with(other)).verdict(), deny(reason));
        }
    }
}

/// One key, retired for one authority and current for another: it counts for the one where it is current.
#[test]
fn a_key_counts_where_it_is_usable() {
    let node = Node::new(&trust().with(|trust| {
        let mut retired = Authority::of("old", &[world().p256(0)]);
        retired.keys.as_mut().unwrap()[0].retired = true;
        trust.authorities = vec![retired, Authority::of("new", &[world().p256(0)])];
        trust.rules = vec![Rule::enforce("app", &["old", "new"], 1)];
    }));
    let answer = node.ask(&signed_by(0));
    assert_eq!(answer.verdict(), SIGNED);
    assert_eq!(answer.rows[0].authority.as_deref(), Some("new"));
}

#[test]
fn of_two_ways_not_to_count_the_first_authoritys_is_told() {
    let retired = |name: &str| {
        let mut authority = Authority::of(name, &[world().p256(0)]);
        authority.keys.as_mut().unwrap()[0].retired = true;
        authority
    };
    let windowed = |name: &str| {
        let mut authority = Authority::of(name, &[world().p256(0)]);
        authority.keys.as_mut().unwrap()[0].valid_from = Some("2020-01-01T00:00:00Z".into());
        authority
    };
    for (authorities, reason) in [
        (vec![retired("a"), windowed("b")], Reason::KeyRetired),
        (vec![windowed("a"), retired("b")], Reason::KeyWindowNoTime),
    ] {
        let node = Node::new(&Trust::new(authorities, vec![Rule::enforce("app", &["a", "b"], 1)]));
        assert_eq!(node.ask(&signed_by(0)).verdict(), deny(reason));
    }
}

#[test]
fn a_bundle_holds_until_the_second_before_its_expiry() {
    let node = Node::new(&trust());
    let expiry = instant("2027-02-22T13:00:00Z");
    let issue = instant("2026-11-24T13:00:00Z");
    for (time, verdict) in [
        // A clock before the issue counts as the issue.
        (UnixTime(0), SIGNED),
        (UnixTime(issue.0 - 1), SIGNED),
        (issue, SIGNED),
        (UnixTime(issue.0 + 1), SIGNED),
        (UnixTime(expiry.0 - 1), SIGNED),
        (expiry, deny(Reason::TrustExpired)),
        (UnixTime(expiry.0 + 1), deny(Reason::TrustExpired)),
        (UnixTime(u64::MAX), deny(Reason::TrustExpired)),
    ] {
        assert_eq!(node.ask(&signed_by(0).at(time)).verdict(), verdict, "{time}");
    }
}

#[test]
fn an_expired_bundle_allows_nothing_not_even_by_rule() {
    let node = Node::new(&trust().with(|trust| trust.rules = vec![Rule::mode("all", "allow")]));
    let at = |time: &str| node.ask(&Ask::about("app").at(instant(time))).verdict();
    assert_eq!(at("2027-02-22T12:59:59Z"), (Ruling::Allow, Reason::AllowedByRule));
    assert_eq!(at("2027-02-22T13:00:00Z"), deny(Reason::TrustExpired));
}

#[test]
fn a_revoked_digest_is_told_as_such_after_expiry_too() {
    let node = revoking(|revoked| revoked.digests = Revoked::list(&[digest("app")]));
    let late = signed_by(0).at(instant("2030-01-01T00:00:00Z"));
    assert_eq!(node.ask(&late).verdict(), deny(Reason::DigestRevoked));
}

#[test]
fn an_index_of_nothing_trusts_nothing() {
    use pullward_core::judge::{Judge, Question, Trust as Believed};
    use pullward_core::reference::Reference;
    use pullward_core::trust::{TrustBundle, TrustIndex};
    let payload = Trust::new(Vec::new(), vec![Rule::mode("all", "allow")]).payload();
    let index = TrustIndex::new();
    let reference = Reference::parse("registry.example/app").unwrap();
    let question = Question {
        reference: Some(&reference),
        digest: digest("app"),
        time: UnixTime(0),
        pod_namespace: None,
        platform: "linux/amd64",
        allowed_at: None,
    };
    let judge = Judge::open(Believed::Bundle(TrustBundle::new(payload.as_bytes(), &index)), &question);
    let decision = judge.decide();
    assert_eq!((decision.ruling, decision.reason), deny(Reason::TrustMissing));
}

/// A revocation that cannot be read holds: the key has signed, and whether it is revoked is not known.
#[test]
fn a_revocation_that_cannot_be_read_holds() {
    use pullward_core::judge::{Judge, Question, Trust as Believed};
    use pullward_core::reference::Reference;
    use pullward_core::trust::{TrustBundle, TrustIndex};
    let own = trust().with(|trust| trust.revoked.keys = Revoked::entry("key", &digest("x").hex())).payload();
    let mut index = Box::new(TrustIndex::new());
    index.read(own.as_bytes()).unwrap();
    let reference = Reference::parse("registry.example/app").unwrap();
    let question = Question {
        reference: Some(&reference),
        digest: digest("app"),
        time: instant("2026-12-01T00:00:00Z"),
        pod_namespace: None,
        platform: "linux/amd64",
        allowed_at: None,
    };
    let judge = |payload: &str| {
        let mut judge =
            Judge::open(Believed::Bundle(TrustBundle::new(payload.as_bytes(), &index)), &question);
        let evidence = by(0);
        let mut scratch = vec![0; evidence.evidence().scratch_bytes()];
        let _row = judge.offer(&evidence.evidence(), &evidence.source(), &mut scratch);
        let decision = judge.decide();
        (decision.ruling, decision.reason)
    };
    assert_eq!(judge(&own), SIGNED);
    assert_eq!(
        judge(&edit(&own, "\"from\":null,\"reason\"", "\"from\":9999,\"reason\"")),
        deny(Reason::KeyRevoked)
    );
}

/// The index of one payload beside another payload: places that point nowhere, at half a value, at another value.
#[test]
fn an_index_beside_another_payload_never_allows() {
    use pullward_core::judge::{Judge, Question, Trust as Believed};
    use pullward_core::reference::Reference;
    use pullward_core::trust::{TrustBundle, TrustIndex};
    let own = trust().with(|trust| trust.rules.insert(0, Rule::enforce("first", &["a"], 1))).payload();
    let mut index = Box::new(TrustIndex::new());
    index.read(own.as_bytes()).unwrap();
    let reference = Reference::parse("registry.example/app").unwrap();
    let question = Question {
        reference: Some(&reference),
        digest: digest("app"),
        time: instant("2026-12-01T00:00:00Z"),
        pod_namespace: None,
        platform: "linux/amd64",
        allowed_at: None,
    };
    let judge = |payload: &[u8]| {
        let mut judge = Judge::open(Believed::Bundle(TrustBundle::new(payload, &index)), &question);
        let evidence = by(0);
        let mut scratch = vec![0; evidence.evidence().scratch_bytes()];
        let _row = judge.offer(&evidence.evidence(), &evidence.source(), &mut scratch);
        let decision = judge.decide();
        (decision.ruling, decision.reason)
    };
    assert_eq!(judge(own.as_bytes()), SIGNED);
    assert_eq!(judge(b""), deny(Reason::TrustInvalid));
    // What loading would have refused, in the very places of what it has read: nothing is enough, nobody is revoked.
    let nothing = own.replace("\"at_least\":1", "\"at_least\":0");
    assert_eq!(judge(nothing.as_bytes()).0, Ruling::Deny);
    for shift in 1..400 {
        let moved = [vec![b' '; shift], own.clone().into_bytes()].concat();
        assert_eq!(judge(&moved).0, Ruling::Deny, "moved by {shift}");
    }
    for end in 0..own.len() {
        // Up to the revocations, which stand last and are read first, everything is cut off.
        let verdict = judge(&own.as_bytes()[..end]);
        let parts = own.len() - "\"parts\":[]}".len();
        assert!(verdict.0 == Ruling::Deny || end > parts - 60, "cut at {end}");
    }
}
