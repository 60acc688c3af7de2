//! Signers' certificates, held against a trusted root: whatever is accepted is an honest leaf, byte for byte.
//!
//! The input is the length of the leaf in two bytes, the leaf, and behind it one certificate that is sent beside it.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use pullward_core::keyless::{SelfIssued, SentCertificates, verify_certificate};
use pullward_core::limits;
use pullward_core::operations::Operations;
use pullward_core::trusted_root::TrustedRoot;
use pullward_fuzz::{Random, mutate, world};

fuzz_target!(|input: &[u8]| {
    let Some((leaf, other)) = pieces(input) else { return };
    let world = world();
    let root = TrustedRoot::read(world.roots[0].as_bytes()).expect("a root");
    let others: &[&[u8]] = if other.is_empty() { &[] } else { &[other] };
    for self_issued in [SelfIssued::Refuse, SelfIssued::LeaveOutLast] {
        let sent = SentCertificates { leaf, others, self_issued };
        let (times, mut operations) = ([world.signed_at], Operations::new());
        let mut scratch = vec![0; limits::VERIFY_CERTIFICATE_BYTES];
        let verified = verify_certificate(&sent, &root, &times, world.now, &mut operations, &mut scratch);
        if let Ok(verified) = verified {
            assert!(world.leaves.iter().any(|honest| honest == leaf), "accepted, and never issued");
            assert_eq!(verified.identity().issuer(), world.issuer);
            assert_eq!(verified.identity().subject().text(), world.subject);
        }
    }
});

fn pieces(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = input.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut random = Random::new(seed);
    let donors = &world().leaves;
    let (mut leaf, mut other) = match pieces(&data[..size]) {
        Some((leaf, other)) => (leaf.to_vec(), other.to_vec()),
        None => (donors[random.below(donors.len())].clone(), Vec::new()),
    };
    match random.below(8) {
        0 => other = leaf.clone(),
        1 => std::mem::swap(&mut leaf, &mut other),
        2 => other = mutate(&other, donors, &mut random),
        _ => leaf = mutate(&leaf, donors, &mut random),
    }
    let length = u16::try_from(leaf.len()).unwrap_or(u16::MAX);
    let out = [&length.to_be_bytes()[..], &leaf, &other].concat();
    let length = out.len().min(max_size);
    data[..length].copy_from_slice(&out[..length]);
    length
});
