//! `at_least`: distinct authorities, never signatures, keys or pieces of evidence (T-19).

use pullward_core::judge::Needs;
use pullward_core::signature::KeyType;
use pullward_core::verdict::Reason;
use pullward_tests::mint::{Ask, Authority, Form, Minted, Node, Rule, Trust, world};

use crate::{SIGNED, deny, good};

fn by(n: usize) -> Minted {
    good(Form::Bundle, world().p256(n))
}

fn node(authorities: &[(&str, &[usize])], at_least: u64) -> Node {
    let names: Vec<&str> = authorities.iter().map(|(name, _)| *name).collect();
    let of = |(name, keys): &(&str, &[usize])| {
        let keys: Vec<_> = keys.iter().map(|n| world().p256(*n)).collect();
        Authority::of(name, &keys)
    };
    let authorities = authorities.iter().map(of).collect();
    Node::new(&Trust::new(authorities, vec![Rule::enforce("app", &names, at_least)]))
}

fn ask(evidence: &[Minted]) -> Ask {
    evidence.iter().cloned().fold(Ask::about("app"), Ask::with)
}

#[test]
fn k_of_n_is_reached_by_k_authorities_and_not_by_fewer() {
    let all = [by(0), by(1), by(2), by(3)];
    for k in 1..=4 {
        let node = node(&[("a", &[0]), ("b", &[1]), ("c", &[2]), ("d", &[3])], k);
        for signed in 0..=4_usize {
            let answer = node.ask(&ask(&all[..signed]));
            let expected = match u64::try_from(signed).unwrap() {
                0 => deny(Reason::Unsigned),
                signed if signed < k => deny(Reason::ThresholdNotMet),
                _ => SIGNED,
            };
            assert_eq!(answer.verdict(), expected, "{signed} of {k}");
            assert_eq!(answer.signed, (u32::try_from(signed).unwrap(), k));
            let open = u64::try_from(signed).unwrap() < k;
            assert_eq!(answer.needs, if open { Needs::Evidence } else { Needs::Nothing });
        }
    }
}

#[test]
fn which_authorities_and_in_which_order_does_not_matter() {
    let node = node(&[("a", &[0]), ("b", &[1]), ("c", &[2])], 2);
    for (first, second) in [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)] {
        assert_eq!(node.ask(&ask(&[by(first), by(second)])).verdict(), SIGNED);
    }
}

#[test]
fn signatures_of_one_key_count_once() {
    let node = node(&[("a", &[0]), ("b", &[1])], 2);
    let same = by(0);
    for evidence in [
        vec![same.clone(), same],
        vec![by(0), by(0)],
        vec![by(0), good(Form::SimpleSigning, world().p256(0)), good(Form::Envelope, world().p256(0))],
        (0..20).map(|_| by(0)).collect(),
    ] {
        let answer = node.ask(&ask(&evidence));
        assert_eq!(answer.verdict(), deny(Reason::ThresholdNotMet));
        assert_eq!(answer.signed, (1, 2));
    }
}

#[test]
fn keys_of_one_authority_count_once() {
    let node = node(&[("a", &[0, 1, 2]), ("b", &[3])], 2);
    let answer = node.ask(&ask(&[by(0), by(1), by(2)]));
    assert_eq!((answer.verdict(), answer.signed), (deny(Reason::ThresholdNotMet), (1, 2)));
    assert_eq!(node.ask(&ask(&[by(2), by(3)])).verdict(), SIGNED);
}

#[test]
fn a_key_of_several_authorities_counts_once() {
    for authorities in [
        [("a", &[0][..]), ("b", &[0][..])],
        [("a", &[0, 1][..]), ("b", &[0][..])],
        [("a", &[1, 0][..]), ("b", &[2, 0][..])],
    ] {
        let node = node(&authorities, 2);
        let answer = node.ask(&ask(&[by(0), by(0), good(Form::SimpleSigning, world().p256(0))]));
        assert_eq!((answer.verdict(), answer.signed), (deny(Reason::ThresholdNotMet), (1, 2)));
    }
}

/// Two spellings of one authority's key are two keys, and still one authority.
#[test]
fn kinds_of_keys_mix() {
    let signers = [
        world().p256(0),
        world().key(KeyType::Ed25519, 0),
        world().key(KeyType::P384, 0),
        world().key(KeyType::Rsa, 0),
    ];
    let authorities =
        signers.iter().zip(["a", "b", "c", "d"]).map(|(signer, name)| Authority::of(name, &[signer]));
    let node =
        Node::new(&Trust::new(authorities.collect(), vec![Rule::enforce("app", &["a", "b", "c", "d"], 4)]));
    let evidence: Vec<Minted> = signers
        .iter()
        .zip([Form::Bundle, Form::SimpleSigning, Form::Envelope, Form::Bundle])
        .map(|(s, f)| good(f, s))
        .collect();
    assert_eq!(node.ask(&ask(&evidence)).verdict(), SIGNED);
    assert_eq!(node.ask(&ask(&evidence[1..])).verdict(), deny(Reason::ThresholdNotMet));
}

#[test]
fn an_authority_that_the_rule_does_not_name_does_not_count() {
    let authorities = vec![Authority::of("a", &[world().p256(0)]), Authority::of("b", &[world().p256(1)])];
    let node = Node::new(&Trust::new(authorities, vec![Rule::enforce("app", &["a"], 1)]));
    assert_eq!(node.ask(&ask(&[by(1)])).verdict(), deny(Reason::UntrustedKey));
    assert_eq!(node.ask(&ask(&[by(1), by(0)])).verdict(), SIGNED);
}

/// Engine 1 does not verify certificates: a keyless authority is in the format and can be met by nothing.
#[test]
fn a_keyless_authority_is_met_by_nothing() {
    // Base64 of three zero bytes.
    let root = format!(r#"[{{"digest":"{}","content":"AAAA"}}]"#, pullward_core::oci::Digest::of(&[0; 3]));
    let authorities = vec![Authority::keyless("github", 0), Authority::of("a", &[world().p256(0)])];
    let trust = |signed_by: &[&str], at_least| {
        Trust::new(authorities.clone(), vec![Rule::enforce("app", signed_by, at_least)])
            .with(|trust| trust.trusted_roots.clone_from(&root))
    };
    assert_eq!(Node::new(&trust(&["github"], 1)).ask(&ask(&[by(0)])).verdict(), deny(Reason::UntrustedKey));
    let both = Node::new(&trust(&["github", "a"], 2));
    assert_eq!(both.ask(&ask(&[by(0)])).verdict(), deny(Reason::ThresholdNotMet));
    // Either is enough, and the other one is there.
    assert_eq!(Node::new(&trust(&["github", "a"], 1)).ask(&ask(&[by(0)])).verdict(), SIGNED);
}

#[test]
fn sixty_four_authorities_are_one_word_and_each_has_its_bit() {
    let mut random = pullward_tests::mint::Random::for_test("sixty_four");
    let signers: Vec<_> =
        (0..64).map(|_| pullward_tests::mint::Signer::generate(KeyType::Ed25519, &mut random)).collect();
    let names: Vec<String> = (0..64).map(|n| format!("team {n}")).collect();
    let authorities =
        names.iter().zip(&signers).map(|(name, signer)| Authority::of(name, &[signer])).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let node = Node::new(&Trust::new(authorities, vec![Rule::enforce("app", &names, 3)]));
    // First, middle and last; hints keep the operations few.
    let evidence: Vec<Minted> = [0, 31, 63].iter().map(|n| good(Form::Bundle, &signers[*n])).collect();
    assert_eq!(node.ask(&ask(&evidence)).verdict(), SIGNED);
    assert_eq!(node.ask(&ask(&evidence[1..])).verdict(), deny(Reason::ThresholdNotMet));
    assert_eq!(node.ask(&ask(&[evidence[2].clone()])).signed, (1, 3));
}
