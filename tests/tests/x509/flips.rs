//! No byte of a certificate can be changed without its path falling.

use pullward_core::operations::Operations;
use pullward_core::time::UnixTime;
use pullward_core::x509::{Anchor, Certificate, verify_path};

use crate::chain::{Chain, NOW};

#[test]
fn no_flipped_byte_of_a_leaf_or_an_intermediate_yields_a_path() {
    let chain = Chain::new();
    let (leaf, intermediate, root) = (chain.leaf_der(), chain.intermediate_der(), chain.root_der());
    let anchor = Anchor { certificate: Certificate::read(&root).unwrap(), window: chain.window };
    let holds = |leaf: &[u8], intermediate: &[u8]| {
        let (Ok(leaf), Ok(intermediate)) = (Certificate::read(leaf), Certificate::read(intermediate)) else {
            return false;
        };
        let mut operations = Operations::new();
        verify_path(&leaf, &[intermediate], &[anchor], &[UnixTime(NOW)], chain.purpose, &mut operations)
            .is_ok()
    };
    assert!(holds(&leaf, &intermediate));
    let mut flips = 0;
    for mask in [0x01, 0x80, 0xff] {
        for place in 0..leaf.len() {
            let mut flipped = leaf.clone();
            flipped[place] ^= mask;
            assert!(!holds(&flipped, &intermediate), "byte {place} of the leaf, mask {mask}");
            flips += 1;
        }
        for place in 0..intermediate.len() {
            let mut flipped = intermediate.clone();
            flipped[place] ^= mask;
            assert!(!holds(&leaf, &flipped), "byte {place} of the intermediate, mask {mask}");
            flips += 1;
        }
    }
    println!("{flips} flips, no path");
    assert!(flips > 2000);
}

#[test]
fn no_flipped_byte_of_an_sct_counts_even_where_its_certificate_is_signed() {
    let chain = Chain::new();
    let log = pullward_tests::mint::world().p256(3);
    let sct = chain.leaf.sct(&chain.intermediate_key, log, NOW * 1000, b"extension");
    let root = chain.trusted_root(Some(log));
    let with = |sct: Vec<u8>| {
        let mut chain = chain.clone();
        chain.leaf.set(pullward_tests::mint::certificate::Extension::scts(&[sct]));
        chain.keyless(&root).is_ok()
    };
    assert!(with(sct.clone()));
    for place in 0..sct.len() {
        for mask in [0x01, 0x80] {
            let mut flipped = sct.clone();
            flipped[place] ^= mask;
            assert!(!with(flipped), "byte {place} of the SCT, mask {mask}");
        }
    }
    println!("{} flips, no SCT", sct.len() * 2);
}
