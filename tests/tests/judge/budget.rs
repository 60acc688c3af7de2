//! The budget of signature operations: 512 for one verdict, and one more denies.

use pullward_core::judge::{Needs, Standing};
use pullward_core::signature::KeyType;
use pullward_core::verdict::Reason;
use pullward_core::verify::Error;
use pullward_tests::mint::{
    Ask, Authority, Forge, Form, Minted, Node, Random, Rule, Signer, Trust, digest, world,
};

use crate::{SIGNED, deny};

/// A node whose rule asks for any of eight keys, and the keys.
fn eight() -> (Node, Vec<Signer>) {
    let mut random = Random::for_test("eight");
    let signers: Vec<Signer> = (0..8).map(|_| Signer::generate(KeyType::P256, &mut random)).collect();
    let keys: Vec<&Signer> = signers.iter().collect();
    (Node::new(&Trust::new(vec![Authority::of("a", &keys)], vec![Rule::enforce("app", &["a"], 1)])), signers)
}

/// Evidence by a key that nobody trusts: it costs one operation per key of the rule.
fn junk() -> Minted {
    Forge::new(Form::Bundle, world().p256(0), &digest("app")).mint()
}

/// Evidence whose hint finds its key at once: one operation.
fn hinted(signer: &Signer) -> Minted {
    Forge::new(Form::Bundle, signer, &digest("app")).mint()
}

#[test]
fn sixty_four_pieces_by_strangers_and_eight_keys_fit() {
    let (node, _) = eight();
    let ask = (0..64).fold(Ask::about("app"), |ask, _| ask.with(junk()));
    assert_eq!(node.ask(&ask).verdict(), deny(Reason::UntrustedKey));
}

#[test]
fn the_last_operation_counts_and_the_one_after_denies() {
    let (node, signers) = eight();
    let filled = (0..63).fold(Ask::about("app"), |ask, _| ask.with(junk()));
    // 504 are spent. Eight more find the last key without a hint.
    let last = Forge::new(Form::Bundle, &signers[7], &digest("app")).hint("").mint();
    let full = filled.with(last);
    assert_eq!(node.ask(&full).verdict(), SIGNED);
    // Nothing is left: one more piece denies, although the rule was met before it.
    for more in [junk(), hinted(&signers[0])] {
        let answer = node.ask(&full.clone().with(more));
        assert_eq!(answer.verdict(), deny(Reason::SignatureLimit));
        assert_eq!(answer.rows.last().map(|row| row.standing), Some(Standing::Rejected(Error::Budget)));
        assert_eq!(answer.needs, Needs::Nothing);
    }
}

#[test]
fn evidence_that_is_not_read_costs_nothing() {
    let (node, signers) = eight();
    let malformed = || Minted::Bundle(b"{}".to_vec());
    let ask = (0..1000).fold(Ask::about("app"), |ask, _| ask.with(malformed())).with(hinted(&signers[3]));
    assert_eq!(node.ask(&ask).verdict(), SIGNED);
}

#[test]
fn a_hint_at_a_key_of_the_rule_costs_one_operation() {
    let (node, signers) = eight();
    let ask = (0..512).fold(Ask::about("app"), |ask, n: usize| ask.with(hinted(&signers[n % 8])));
    assert_eq!(node.ask(&ask).verdict(), SIGNED);
    assert_eq!(node.ask(&ask.with(hinted(&signers[0]))).verdict(), deny(Reason::SignatureLimit));
}

/// Candidates of an unknown namespace share the budget: eight rules do not make eight budgets.
#[test]
fn open_rules_share_the_budget() {
    let (_, signers) = eight();
    let keys: Vec<&Signer> = signers.iter().collect();
    let rules = (0..4).map(|n| {
        Rule::enforce(&format!("rule {n}"), &["a"], 1).with(|rule| {
            if n < 3 {
                rule.namespaces = vec![format!("team-{n}")];
            }
        })
    });
    let node = Node::new(&Trust::new(vec![Authority::of("a", &keys)], rules.collect()));
    let ask = |count: usize| (0..count).fold(Ask::about("app"), |ask, _| ask.with(junk()));
    assert_eq!(node.ask(&ask(16)).verdict(), deny(Reason::UntrustedKey));
    assert_eq!(node.ask(&ask(17)).verdict(), deny(Reason::SignatureLimit));
}
