//! Bundles of every version: whatever is accepted is an honest one in all that is signed.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use pullward_fuzz::{Asked, Random, assert_bundle, mutate, verify_bundle, world};

fuzz_target!(|input: &[u8]| {
    let world = world();
    for (place, root) in world.roots.iter().enumerate() {
        let asked = Asked {
            root,
            issuer: &world.issuer,
            subject: &world.subject,
            artifact: &world.artifact,
            now: world.now,
        };
        if let Some(time) = verify_bundle(input, &asked) {
            assert_eq!(time, world.signed_at, "accepted, and nobody vouches for this time");
            assert_bundle(world, place, input);
        }
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let out = mutate(&data[..size], &world().texts, &mut Random::new(seed));
    let length = out.len().min(max_size);
    data[..length].copy_from_slice(&out[..length]);
    length
});
