//! Changed, cut and random evidence: nothing that is signed over can change, and nothing that was not signed passes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use pullward_core::judge::{Ruling, Standing};
use pullward_core::signature::KeyType;
use pullward_tests::mint::{Answer, Ask, Form, Minted, Node, Random, World, ask_key, world};

use crate::{SIGNED, good};

fn rebuilt(minted: &Minted, bytes: Vec<u8>) -> Minted {
    match minted {
        Minted::SimpleSigning { signature, .. } => {
            Minted::SimpleSigning { payload: bytes, signature: signature.clone() }
        }
        Minted::Envelope(_) => Minted::Envelope(bytes),
        Minted::Bundle(_) => Minted::Bundle(bytes),
        Minted::Annotated(minted, texts) => {
            Minted::Annotated(Box::new(rebuilt(minted, bytes)), texts.clone())
        }
    }
}

fn bytes(minted: &Minted) -> &[u8] {
    minted.text().as_bytes()
}

fn ask(node: &Node, minted: Minted) -> Answer {
    node.ask(&Ask::about("app").with(minted))
}

/// Where a changed byte may be accepted, because no signature covers it and the core does not believe it.
///
/// - In a bundle: the member `hint`, name and value. It says which key to try first; without it all are tried.
/// - In a bare envelope: the name of the member `keyid`. It is not read, so under any other name it is not read
///   either. Its value is empty, and the quotes of it are JSON.
///
/// Everything else is either signed over (payload, payload type), is the signature, or is the JSON that leads to them.
fn unsigned_positions(minted: &Minted) -> core::ops::Range<usize> {
    let text = minted.text();
    match minted {
        Minted::SimpleSigning { .. } => 0..0,
        Minted::Annotated(minted, _) => unsigned_positions(minted),
        Minted::Envelope(_) => {
            let start = text.find("keyid").unwrap();
            start..start + "keyid".len()
        }
        Minted::Bundle(_) => {
            let start = text.find("\"hint\":\"").unwrap();
            start + 1..start + text[start..].find("\"}").unwrap()
        }
    }
}

fn flip(form: Form, kind: KeyType, bits: core::ops::Range<u32>) {
    let signer = world().key(kind, 0);
    let node = Node::from(signer);
    let minted = good(form, signer);
    let free = unsigned_positions(&minted);
    let mut accepted = 0;
    for position in 0..bytes(&minted).len() {
        for bit in bits.clone() {
            let mut changed = bytes(&minted).to_vec();
            changed[position] ^= 1 << bit;
            let answer = ask(&node, rebuilt(&minted, changed));
            if answer.ruling == Ruling::Allow {
                assert!(free.contains(&position), "{form:?} {kind:?}: bit {bit} of byte {position}");
                accepted += 1;
            } else {
                assert!(matches!(answer.standings()[..], [Standing::Rejected(_)]), "{answer:?}");
            }
        }
    }
    // The exception is real: were it empty, the list above would be a wish.
    assert_eq!(accepted > 0, !free.is_empty(), "{form:?} {kind:?}");
    if let Minted::SimpleSigning { payload, signature } = &minted {
        for position in 0..signature.len() {
            for bit in bits.clone() {
                let mut changed = signature.clone().into_bytes();
                changed[position] ^= 1 << bit;
                // A byte beyond ASCII is no text at all.
                let Ok(signature) = String::from_utf8(changed) else { continue };
                let answer = ask(&node, Minted::SimpleSigning { payload: payload.clone(), signature });
                assert_eq!(answer.ruling, Ruling::Deny, "bit {bit} of signature byte {position}");
            }
        }
    }
}

#[test]
fn every_bit_of_every_form_by_p256() {
    for form in Form::ALL {
        flip(form, KeyType::P256, 0..8);
    }
}

#[test]
fn a_bit_of_every_byte_of_every_form_by_every_other_kind() {
    for (n, kind) in (0_u32..).zip(World::kinds().filter(|kind| *kind != KeyType::P256)) {
        for form in Form::ALL {
            flip(form, kind, n..n + 1);
        }
    }
}

#[test]
fn evidence_cut_at_any_byte_denies() {
    for form in Form::ALL {
        let signer = world().p256(0);
        let node = Node::from(signer);
        let minted = good(form, signer);
        for end in 0..bytes(&minted).len() {
            let cut = rebuilt(&minted, bytes(&minted)[..end].to_vec());
            assert_eq!(ask(&node, cut).ruling, Ruling::Deny, "{form:?} cut at {end}");
        }
        if let Minted::SimpleSigning { payload, signature } = &minted {
            for end in 0..signature.len() {
                let signature = signature[..end].to_owned();
                let cut = Minted::SimpleSigning { payload: payload.clone(), signature };
                assert_eq!(ask(&node, cut).ruling, Ruling::Deny, "signature cut at {end}");
            }
        }
    }
}

#[test]
fn random_bytes_never_verify() {
    let mut random = Random::for_test("random_bytes_never_verify");
    let signers: Vec<_> = World::kinds().map(|kind| world().key(kind, 0)).collect();
    let keys: Vec<_> = signers.iter().map(|signer| signer.public()).collect();
    for n in 0..100_000 {
        let length = random.below(600);
        let noise = random.bytes(length);
        let minted = match n % 4 {
            0 => Minted::Envelope(noise),
            1 => Minted::Bundle(noise),
            // A payload that is nobody's, with a signature that reads.
            2 => Minted::SimpleSigning { signature: STANDARD.encode(random.bytes(70)), payload: noise },
            _ => {
                Minted::SimpleSigning { signature: STANDARD.encode(&noise[..length.min(8)]), payload: noise }
            }
        };
        let answer = ask_key(&keys[n % keys.len()], &Ask::about("app").with(minted));
        assert_eq!(answer.ruling, Ruling::Deny, "{answer:?}");
    }
}

/// Honest evidence with random splices. What is accepted must hold, to an independent reader, the very payload and
/// signature that were made.
#[test]
fn spliced_evidence_is_accepted_only_with_the_signed_bytes_in_it() {
    let mut random = Random::for_test("spliced_evidence");
    let signer = world().p256(0);
    let node = Node::from(signer);
    let mut accepted = 0;
    for form in Form::DSSE {
        let minted = good(form, signer);
        let original = content(bytes(&minted), form).unwrap();
        for _ in 0..20_000 {
            let mut changed = bytes(&minted).to_vec();
            for _ in 0..=random.below(3) {
                let (from, to) = (random.below(changed.len()), random.below(changed.len()));
                let most = 1 + random.below(40);
                let length = random.below(most).min(changed.len() - from);
                let piece = changed[from..from + length].to_vec();
                match random.below(4) {
                    0 => drop(changed.splice(to..to, piece)),
                    1 => drop(changed.drain(from..from + length)),
                    2 => changed[to] = *b" {}[]\",:\\u0a=_-+/".get(random.below(17)).unwrap(),
                    _ => {
                        let end = (to + length).min(changed.len());
                        drop(changed.splice(to..end, piece));
                    }
                }
                if changed.is_empty() {
                    break;
                }
            }
            let minted = rebuilt(&minted, changed);
            if ask(&node, minted.clone()).verdict() == SIGNED {
                accepted += 1;
                let (Minted::Envelope(bytes) | Minted::Bundle(bytes)) = &minted else { continue };
                assert_eq!(content(bytes, form).as_ref(), Some(&original), "{}", minted.text());
            }
        }
    }
    println!("spliced and accepted: {accepted} of 40000");
}

/// Payload and signature as serde reads them.
fn content(bytes: &[u8], form: Form) -> Option<(Vec<u8>, Vec<u8>)> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let envelope = if form == Form::Bundle { value.get("dsseEnvelope")? } else { &value };
    let decode = |text: &serde_json::Value| {
        let text = text.as_str()?;
        STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
    };
    Some((decode(envelope.get("payload")?)?, decode(envelope.get("signatures")?.get(0)?.get("sig")?)?))
}
