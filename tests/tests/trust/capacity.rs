//! The capacities that a bundle may always use (item 27 of the corrections), all at once, and how long that takes.
//! Times are printed and not compared: machines differ.

use std::fmt::Write as _;
use std::time::Instant;

use pullward_core::judge::Ruling;
use pullward_core::oci::Digest;
use pullward_core::signature::KeyType;
use pullward_core::trust::{TrustError, TrustIndex};
use pullward_core::verdict::Reason;
use pullward_tests::mint::{
    Ask, Authority, Forge, Form, Key, Node, Random, Revoked, Rule, Signer, Trust, digest, world,
};

/// Sorted digests as one string: an even spread of the whole range.
fn spread(count: u64) -> String {
    let mut text = String::with_capacity(usize::try_from(count).unwrap() * 64);
    let step = u64::MAX / count;
    for n in 0..count {
        write!(text, "{:016x}{:048x}", n * step, n).unwrap();
    }
    text
}

fn entry(list: &str, n: usize) -> Digest {
    Digest::from_hex(&list[n * 64..(n + 1) * 64]).unwrap()
}

#[test]
fn a_million_revoked_digests_load_and_are_found() {
    let list = spread(1_000_000);
    let trust = Trust::new(Vec::new(), vec![Rule::mode("all", "allow")])
        .with(|t| t.revoked.digests.clone_from(&list));
    let payload = trust.payload();
    let start = Instant::now();
    let node = Node::load(&payload).unwrap();
    println!("1,000,000 revoked digests: {} bytes load in {:?}", payload.len(), start.elapsed());
    let reason = |digest: Digest| node.ask(&Ask::about("x").of(digest)).reason;
    let start = Instant::now();
    let mut asked = 0_u32;
    for n in (0..1_000_000).step_by(1013).chain([1, 999_998, 999_999]) {
        assert_eq!(reason(entry(&list, n)), Reason::DigestRevoked, "{n}");
        asked += 1;
    }
    println!("{asked} of them looked up, {:?} each", start.elapsed() / asked);
    // Neighbours of entries are not entries.
    for n in [0, 1, 499_999, 999_999] {
        for change in [1_u8, 0x80] {
            let mut bytes = *entry(&list, n).as_bytes();
            bytes[31] ^= change;
            let neighbour = Digest::from_sha256(bytes);
            let listed = list.as_bytes().chunks(64).any(|hex| hex == neighbour.hex().as_bytes());
            assert_eq!(reason(neighbour) == Reason::DigestRevoked, listed);
        }
    }
    assert_eq!(reason(digest("app")), Reason::AllowedByRule);

    let more = trust.with(|t| t.revoked.digests = spread(1_000_001));
    assert_eq!(Node::load(&more.payload()).err(), Some(TrustError::TooMany("revoked.digests")));
}

#[test]
fn every_capacity_at_once_loads_and_judges() {
    let mut random = Random::for_test("every_capacity");
    let signers: Vec<Signer> = (0..512).map(|_| Signer::generate(KeyType::P256, &mut random)).collect();
    let authorities: Vec<Authority> = signers
        .iter()
        .enumerate()
        .map(|(n, signer)| Authority::of(&format!("authority {n}"), &[signer]))
        .collect();
    let rules: Vec<Rule> = (0..1000)
        .map(|n| {
            let names: Vec<String> = (0..64).map(|k| format!("authority {}", (n + k) % 512)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Rule::enforce(&format!("rule {n}"), &names, 1)
                .with(|r| r.patterns = (0..64).map(|p| format!("registry-{n}.example/team-{p}/*")).collect())
        })
        .collect();
    let trust = Trust::new(authorities, rules).with(|t| t.revoked.digests = spread(500_000));
    let payload = trust.payload();
    let start = Instant::now();
    let node = Node::load(&payload).unwrap();
    println!(
        "1,000 rules x 64 patterns x 64 authorities, 512 keys: {} bytes load in {:?}",
        payload.len(),
        start.elapsed()
    );
    assert!(size_of::<TrustIndex>() <= 64 * 1024, "{} bytes beside the payload", size_of::<TrustIndex>());

    // The last rule, its last pattern, its last authority.
    let signer = &signers[(999 + 63) % 512];
    let name = "registry-999.example/team-63/app:v1";
    let ask = Ask::about("app").named(name).with(Forge::new(Form::Bundle, signer, &digest("app")).mint());
    let start = Instant::now();
    let answer = node.ask(&ask);
    println!("a verdict by the last of 1,000 rules: {:?}", start.elapsed());
    assert_eq!((answer.ruling, answer.rule.as_deref()), (Ruling::Allow, Some("rule 999")));
    let stranger = Forge::new(Form::Bundle, world().p256(0), &digest("app")).mint();
    assert_eq!(node.ask(&Ask::about("app").named(name).with(stranger)).reason, Reason::UntrustedKey);
    assert_eq!(node.ask(&Ask::about("app").named("registry-1000.example/team-0/app")).reason, Reason::NoRule);
}

/// Rules that all match on every host: nothing is spared by the filter.
#[test]
fn verdicts_over_many_rules() {
    for count in [10, 200, 1000] {
        let rules: Vec<Rule> = (0..count)
            .map(|n| {
                Rule::enforce(&format!("rule {n}"), &["a"], 1).with(|r| {
                    r.patterns = (0..64).map(|p| format!("registry.example/**/x-{n}-{p}/**")).collect();
                })
            })
            .chain([Rule::mode("rest", "allow")])
            .collect();
        let count = rules.len().min(1000);
        let rules = rules[rules.len() - count..].to_vec();
        let node = Node::new(&Trust::new(vec![Authority::of("a", &[world().p256(0)])], rules));
        let start = Instant::now();
        let answer = node.ask(&Ask::about("app"));
        println!(
            "{count} rules of 64 patterns that all look at the host: a verdict in {:?}",
            start.elapsed()
        );
        assert_eq!(answer.reason, Reason::AllowedByRule);
    }
}

/// As much as a bundle may revoke beside as many keys as a rule may have: what one piece of evidence costs at most.
#[test]
fn the_most_expensive_piece_of_evidence() {
    let mut random = Random::for_test("the_most_expensive");
    let keys: Vec<Key> = (0..512).map(|_| Key::of(&Signer::generate(KeyType::P256, &mut random))).collect();
    let authorities: Vec<Authority> = keys
        .chunks(8)
        .enumerate()
        .map(|(n, keys)| Authority { name: format!("authority {n}"), keys: Ok(keys.to_vec()) })
        .collect();
    let names: Vec<String> = authorities.iter().map(|authority| authority.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let revoked: Vec<String> = (0..512)
        .map(|n| {
            format!(
                r#"{{"key":"{}","from":null,"reason":"{}"}}"#,
                digest(&n.to_string()).hex(),
                "r".repeat(200)
            )
        })
        .collect();
    let trust = Trust::new(authorities, vec![Rule::enforce("app", &names, 1)])
        .with(|t| t.revoked = Revoked { keys: format!("[{}]", revoked.join(",")), ..Revoked::nothing() });
    let node = Node::new(&trust);
    let stranger = || Forge::new(Form::Bundle, world().p256(0), &digest("app")).mint();
    let start = Instant::now();
    assert_eq!(node.ask(&Ask::about("app").with(stranger())).reason, Reason::UntrustedKey);
    println!("512 keys and 512 revocations against one piece of evidence: {:?}", start.elapsed());
    let start = Instant::now();
    let ask = (0..64).fold(Ask::about("app"), |ask, _| ask.with(stranger()));
    assert_eq!(node.ask(&ask).reason, Reason::SignatureLimit);
    println!("the same against 64 pieces: {:?}", start.elapsed());
}

/// A stranger's signature over the largest payload, against as many keys as a verdict may try: what is signed is hashed
/// once and not once per key, and where a key has to hash it anew (Ed25519) that is paid for out of the budget.
#[test]
fn a_large_piece_of_junk_against_many_keys() {
    let mut random = Random::for_test("a_large_piece_of_junk");
    for kind in [KeyType::P256, KeyType::Ed25519] {
        let signers: Vec<Signer> = (0..64).map(|_| Signer::generate(kind, &mut random)).collect();
        let keys: Vec<&Signer> = signers.iter().collect();
        let trust = Trust::new(vec![Authority::of("a", &keys)], vec![Rule::enforce("app", &["a"], 1)]);
        let node = Node::new(&trust);
        let padding = " ".repeat(16 * 1024 * 1024 - 1024);
        let payload = format!("{}{padding}", pullward_tests::mint::statement(&digest("app")));
        let by = |signer: &Signer| {
            Forge::new(Form::Bundle, signer, &digest("app")).payload(payload.clone()).mint()
        };
        let good = by(&signers[63]);
        let start = Instant::now();
        assert_eq!(node.ask(&Ask::about("app").with(good)).reason, Reason::Signed, "{kind:?}");
        println!("{kind:?}: a signature over 16 MB, hinted: {:?}", start.elapsed());
        let junk = by(world().key(kind, 0));
        let start = Instant::now();
        let answer = node.ask(&Ask::about("app").with(junk));
        let elapsed = start.elapsed();
        println!("{kind:?}: junk of 16 MB against 64 keys: {elapsed:?}, {:?}", answer.reason);
        let expected = if kind == KeyType::P256 { Reason::UntrustedKey } else { Reason::SignatureLimit };
        assert_eq!(answer.reason, expected);
    }
}
