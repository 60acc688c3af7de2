//! Trust bundles: whatever payload comes out of an envelope is the signed one; payloads that nobody signed are read, too.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use pullward_core::trust::{TrustBundle, TrustIndex, open_envelope};
use pullward_fuzz::{Random, bytes_at, mutate, world};

fuzz_target!(|input: &[u8]| {
    let world = world();
    let mut scratch = vec![0; input.len() + 1024];
    let roots = core::slice::from_ref(&world.root_key);
    if let Ok(payload) = open_envelope(input, roots, 1, &mut scratch) {
        assert!(payload == world.payload.as_bytes(), "opened, and never signed");
    }
    // The signature spares nodes the rest; builders read unsigned ones.
    let payload = serde_json::from_slice(input).ok().and_then(|document| bytes_at(&document, "/payload"));
    let Some(payload) = payload else { return };
    let mut index = Box::new(TrustIndex::new());
    if index.read(&payload).is_ok() {
        let text = core::str::from_utf8(&payload).expect("taken, and no UTF-8");
        let document: serde_json::Value = serde_json::from_str(text).expect("taken, and no JSON");
        assert_eq!(Some(index.version()), document["version"].as_u64());
        // What the index has taken can be read for a verdict.
        let bundle = TrustBundle::new(&payload, &index);
        assert_eq!(bundle.rules().filter(Result::is_ok).count(), index.rule_count());
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let out = mutate(&data[..size], &[world().trust.clone().into_bytes()], &mut Random::new(seed));
    let length = out.len().min(max_size);
    data[..length].copy_from_slice(&out[..length]);
    length
});
