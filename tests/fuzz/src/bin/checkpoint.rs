//! Checkpoints: whatever is accepted as a log's was signed by a log, to the last byte of its text.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use pullward_core::operations::Operations;
use pullward_core::tlog::Logs as _;
use pullward_core::tlog::checkpoint::Checkpoint;
use pullward_core::trusted_root::TrustedRoot;
use pullward_fuzz::{Random, assert_checkpoint, mutate, world};

fuzz_target!(|input: &[u8]| {
    let Ok(input) = core::str::from_utf8(input) else { return };
    let Ok(checkpoint) = Checkpoint::read(input) else { return };
    let world = world();
    let root = TrustedRoot::read(world.roots[0].as_bytes()).expect("a root");
    let mut operations = Operations::new();
    for log in root.transparency_logs() {
        let log = log.expect("a log");
        let Ok(id) = log.id().bytes().try_into() else { continue };
        let Some(log) = root.log(id) else { continue };
        if checkpoint.verify(&log, &mut operations).is_ok() {
            assert_checkpoint(world, input);
        }
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let out = mutate(&data[..size], &world().checkpoints, &mut Random::new(seed));
    let length = out.len().min(max_size);
    data[..length].copy_from_slice(&out[..length]);
    length
});
