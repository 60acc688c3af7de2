//! Every trusted root of the corpora is read, and every authority in them holds together.

use pullward_core::operations::Operations;
use pullward_core::trusted_root::TrustedRoot;
use pullward_core::{limits, x509};
use pullward_tests::Corpora;
use serde_json::Value;

/// Trusted roots in a document: itself, one of its lines, or inside a client's trust configuration.
fn roots_in(bytes: &[u8]) -> Vec<Vec<u8>> {
    let whole =
        |value: &Value| value.get("certificateAuthorities").is_some() && value.get("mediaType").is_some();
    let Ok(text) = std::str::from_utf8(bytes) else { return Vec::new() };
    let documents = match serde_json::from_str::<Value>(text) {
        Ok(value) => vec![(text, value)],
        Err(_) => text.lines().filter_map(|line| Some((line, serde_json::from_str(line).ok()?))).collect(),
    };
    let mut roots = Vec::new();
    for (text, value) in documents {
        if whole(&value) {
            roots.push(text.as_bytes().to_vec());
        } else if let Some(inner) = value.get("trustedRoot").filter(|inner| whole(inner)) {
            roots.push(inner.to_string().into_bytes());
        }
    }
    roots
}

#[test]
fn every_trusted_root_of_the_corpora_reads_and_its_authorities_hold() {
    let Some(corpora) = Corpora::at_hand("trusted roots") else { return };
    let mut scratch = vec![0; limits::CHAIN_BYTES];
    let (mut roots, mut authorities, mut logs, mut leaves) = (0, 0, 0, 0);
    for (path, bytes) in corpora.tree(&["conformance", "trust", "sigstore-clients"]) {
        for root in roots_in(&bytes) {
            let root =
                TrustedRoot::check(&root, &mut scratch).unwrap_or_else(|error| panic!("{path}: {error:?}"));
            roots += 1;
            logs += root.transparency_logs().chain(root.certificate_logs()).map(Result::unwrap).count();
            let certificate =
                root.certificate_authorities().map(|authority| (authority, x509::Purpose::CodeSigning));
            let timestamp =
                root.timestamp_authorities().map(|authority| (authority, x509::Purpose::TimeStamping));
            for (authority, purpose) in certificate.chain(timestamp) {
                let chain = authority.unwrap().open(&mut scratch).unwrap();
                authorities += 1;
                let anchor = &chain.anchor().certificate;
                x509::check_authority(anchor, 0, &[], purpose)
                    .unwrap_or_else(|error| panic!("{path}: {error:?}"));
                // A timestamp authority's own leaf stands in its chain, so that its path can be walked.
                let Some(leaf) = chain.below().first().filter(|_| purpose == x509::Purpose::TimeStamping)
                else {
                    continue;
                };
                if leaf.basic_constraints().is_some_and(|constraints| constraints.authority) {
                    continue;
                }
                let time = leaf.not_before().max(authority_start(chain.anchor()));
                let walked = x509::verify_path(
                    leaf,
                    &chain.below()[1..],
                    &[*chain.anchor()],
                    &[time],
                    purpose,
                    &mut Operations::new(),
                );
                walked.unwrap_or_else(|error| panic!("{path}: {error:?}"));
                leaves += 1;
            }
        }
    }
    println!(
        "{roots} trusted roots, {logs} usable logs, {authorities} authorities, {leaves} timestamp leaves walked"
    );
    assert!(roots >= 35 && leaves >= 20);
}

fn authority_start(anchor: &x509::Anchor<'_>) -> pullward_core::time::UnixTime {
    anchor.window.start.max(anchor.certificate.not_before())
}
