//! Trusted roots: none that is changed makes a bundle verify by what it does not hold, and none breaks its reader.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use pullward_core::limits;
use pullward_core::trusted_root::TrustedRoot;
use pullward_fuzz::{Asked, Random, World, assert_root, mutate, verify_bundle, world};
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    let mut scratch = vec![0; limits::CHAIN_BYTES];
    if TrustedRoot::check(input, &mut scratch).is_err() {
        return;
    }
    let Ok(text) = core::str::from_utf8(input) else { panic!("taken, and no UTF-8") };
    let world = world();
    // One root of each kind of time and log for each instance: all are the same to the root.
    let honest = world.bundles.iter().map(|(place, bundle)| (world.roots[*place].as_str(), bundle));
    let strangers = world.strangers.iter().map(|bundle| (world.stranger_root.as_str(), bundle));
    for (root, bundle) in chosen(honest, input).into_iter().chain(chosen(strangers, input)) {
        let asked = Asked {
            root: text,
            issuer: &world.issuer,
            subject: &world.subject,
            artifact: &world.artifact,
            now: world.now,
        };
        if verify_bundle(bundle.to_string().as_bytes(), &asked).is_some() {
            assert_root(world, text, root, bundle);
        }
    }
});

/// One of them, by what the input is.
fn chosen<'w>(all: impl Iterator<Item = (&'w str, &'w Value)>, input: &[u8]) -> Option<(&'w str, &'w Value)> {
    let all: Vec<_> = all.collect();
    let sum: usize = input.iter().map(|byte| usize::from(*byte)).sum();
    all.get(sum % all.len()).copied()
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let World { roots: [one, two], stranger_root, .. } = world();
    let donors = [one, two, stranger_root].map(|root| root.clone().into_bytes());
    let out = mutate(&data[..size], &donors, &mut Random::new(seed));
    let length = out.len().min(max_size);
    data[..length].copy_from_slice(&out[..length]);
    length
});
