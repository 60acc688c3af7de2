//! Rules for some namespaces, and hooks that are not told the namespace (item 26 of the corrections, stricter: every
//! rule that might decide has to allow).

use pullward_core::judge::{Needs, Ruling};
use pullward_core::verdict::Reason;
use pullward_tests::mint::{Ask, Authority, Form, Minted, Node, Rule, Trust, world};

use crate::{SIGNED, deny, good};

fn node(rules: Vec<Rule>) -> Node {
    let authorities = vec![Authority::of("a", &[world().p256(0)]), Authority::of("b", &[world().p256(1)])];
    Node::new(&Trust::new(authorities, rules))
}

fn within(namespaces: &[&str], rule: Rule) -> Rule {
    rule.with(|rule| rule.namespaces = namespaces.iter().map(|name| (*name).into()).collect())
}

fn by(n: usize) -> Minted {
    good(Form::Bundle, world().p256(n))
}

#[test]
fn a_namespaced_rule_is_for_its_namespaces_only() {
    let node = node(vec![
        within(&["demo", "team-*"], Rule::enforce("lax", &["a"], 1)),
        Rule::enforce("strict", &["b"], 1),
    ]);
    for (namespace, rule) in [
        ("demo", "lax"),
        ("team-1", "lax"),
        ("team-", "lax"),
        ("demo2", "strict"),
        ("Demo", "strict"),
        ("xteam-1", "strict"),
        ("", "strict"),
    ] {
        let ask = Ask::about("app").in_namespace(namespace);
        for (n, allowed_by) in [(0, "lax"), (1, "strict")] {
            let answer = node.ask(&ask.clone().with(by(n)));
            assert_eq!(answer.rule.as_deref(), Some(rule), "{namespace}");
            let expected = if allowed_by == rule { SIGNED } else { deny(Reason::UntrustedKey) };
            assert_eq!(answer.verdict(), expected, "{namespace}");
        }
    }
}

#[test]
fn in_an_unknown_namespace_every_rule_that_might_decide_has_to_allow() {
    let rules = || {
        vec![
            within(&["demo"], Rule::enforce("demo", &["a"], 1)),
            Rule::enforce("rest", &["b"], 1),
            Rule::mode("never reached", "deny"),
        ]
    };
    let node = node(rules());
    let ask = || Ask::about("app");
    assert_eq!(node.ask(&ask()).verdict(), deny(Reason::Unsigned));
    assert_eq!(node.ask(&ask().with(by(0))).verdict(), deny(Reason::NamespaceUnknown));
    assert_eq!(node.ask(&ask().with(by(1))).verdict(), deny(Reason::NamespaceUnknown));
    assert_eq!(node.ask(&ask().with(by(0)).with(by(1))).verdict(), SIGNED);
    assert_eq!(node.ask(&ask().with(by(0))).needs, Needs::Evidence);
    assert_eq!(node.ask(&ask().with(by(2))).verdict(), deny(Reason::UntrustedKey));
    // An error stays one: it is not the namespace that is in the way.
    assert_eq!(
        node.ask(&ask().with(by(0)).with_failed_source()).verdict(),
        deny(Reason::EvidenceUnreachable)
    );
}

#[test]
fn a_namespaced_rule_alone_leaves_the_other_namespaces_without_a_rule() {
    let node = node(vec![within(&["demo"], Rule::mode("demo", "allow"))]);
    assert_eq!(
        node.ask(&Ask::about("app").in_namespace("demo")).verdict(),
        (Ruling::Allow, Reason::AllowedByRule)
    );
    assert_eq!(node.ask(&Ask::about("app").in_namespace("x")).verdict(), deny(Reason::NoRule));
    assert_eq!(node.ask(&Ask::about("app")).verdict(), deny(Reason::NamespaceUnknown));
}

#[test]
fn modes_of_candidates_combine_to_the_strictest() {
    let allow = || Rule::mode("rest", "allow");
    for (mode, verdict) in [
        ("deny", deny(Reason::NamespaceUnknown)),
        ("allow", (Ruling::Allow, Reason::AllowedByRule)),
        // What audit mode let through is what is told.
        ("audit", (Ruling::Allow, Reason::Unsigned)),
        ("enforce", deny(Reason::NamespaceUnknown)),
    ] {
        let first = match mode {
            "audit" | "enforce" => Rule::enforce("demo", &["a"], 1).with(|rule| rule.mode = mode.into()),
            _ => Rule::mode("demo", mode),
        };
        let node = node(vec![within(&["demo"], first), allow()]);
        let answer = node.ask(&Ask::about("app"));
        assert_eq!(answer.verdict(), verdict, "{mode}");
        assert_eq!(answer.would_deny, mode == "audit");
    }
    // In the other order too.
    let audit = Rule::enforce("rest", &["a"], 1).with(|rule| rule.mode = "audit".into());
    let both = node(vec![within(&["demo"], Rule::mode("demo", "allow")), audit]);
    let answer = both.ask(&Ask::about("app"));
    assert_eq!((answer.verdict(), answer.would_deny), ((Ruling::Allow, Reason::Unsigned), true));
    // Both deny for their own reasons: the first one's is told.
    let node = node(vec![within(&["demo"], Rule::mode("demo", "deny")), Rule::enforce("rest", &["a"], 1)]);
    assert_eq!(node.ask(&Ask::about("app")).verdict(), deny(Reason::DeniedByRule));
}

#[test]
fn eight_candidates_are_kept_and_more_deny() {
    let rules = |count: usize| {
        let namespaced =
            |n: usize| within(&[&format!("team-{n}")], Rule::enforce(&format!("team {n}"), &["a"], 1));
        (0..count).map(namespaced).chain([Rule::enforce("rest", &["a"], 1)]).collect()
    };
    let ask = || Ask::about("app").with(by(0));
    assert_eq!(node(rules(7)).ask(&ask()).verdict(), SIGNED);
    assert_eq!(node(rules(8)).ask(&ask()).verdict(), deny(Reason::NamespaceUnknown));
    // Told the namespace, any number of rules is fine.
    assert_eq!(node(rules(8)).ask(&ask().in_namespace("team-7")).verdict(), SIGNED);
    assert_eq!(node(rules(200)).ask(&ask().in_namespace("x")).verdict(), SIGNED);
}
