//! Timestamps over honest signatures: whatever is accepted was signed by the authority, and says the time that it said.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use pullward_core::limits;
use pullward_core::operations::Operations;
use pullward_core::timestamp;
use pullward_core::trusted_root::TrustedRoot;
use pullward_fuzz::{Random, assert_timestamp, mutate, world};

fuzz_target!(|input: &[u8]| {
    let world = world();
    let root = TrustedRoot::read(world.roots[0].as_bytes()).expect("a root");
    let mut scratch = vec![0; limits::CHAIN_BYTES];
    for (honest, signature) in &world.timestamps {
        let mut operations = Operations::new();
        if let Ok(verified) = timestamp::verify(input, signature, &root, &mut operations, &mut scratch) {
            assert_eq!(verified.time(), world.signed_at, "accepted, and the authority said another time");
            assert_timestamp(input, honest);
        }
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let out = mutate(&data[..size], &world().tokens, &mut Random::new(seed));
    let length = out.len().min(max_size);
    data[..length].copy_from_slice(&out[..length]);
    length
});
