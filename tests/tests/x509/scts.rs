//! SCTs that must not count (T-19, T-49), and those that must.

use pullward_core::keyless::Error;
use pullward_core::sct;
use pullward_core::signature::KeyType;
use pullward_core::{trusted_root, x509};
use pullward_tests::mint::certificate::{Extension, SCT_LIST};
use pullward_tests::mint::{Signer, der as value, trusted_log, world};
use serde_json::Value;

use crate::chain::{Chain, NOW, PROVIDER, URI_OF_LEAF};

fn log() -> &'static Signer {
    world().p256(3)
}

/// What the core says of a leaf with these SCTs; how many logs count.
fn with(scts: &[Vec<u8>]) -> Result<usize, Error> {
    let mut chain = Chain::new();
    chain.leaf.set(Extension::scts(scts));
    chain.keyless(&chain.trusted_root(Some(log()))).map(|(_, _, logs)| logs)
}

/// An honest SCT.
fn honest() -> Vec<u8> {
    let chain = Chain::new();
    chain.leaf.sct(&chain.intermediate_key, log(), NOW * 1000, &[])
}

#[test]
fn an_honest_sct_counts_with_its_extensions() {
    let mut chain = Chain::new();
    let sct = chain.leaf.sct(&chain.intermediate_key, log(), NOW * 1000, b"anything at all");
    chain.leaf.set(Extension::scts(&[sct]));
    let verified = chain.keyless(&chain.trusted_root(Some(log())));
    assert_eq!(verified, Ok((URI_OF_LEAF.to_owned(), PROVIDER.to_owned(), 1)));
}

#[test]
fn what_the_root_lists_is_asked_for() {
    let chain = Chain::new();
    assert_eq!(chain.keyless(&chain.trusted_root(None)).map(|(_, _, logs)| logs), Ok(0));
    let mut root = chain.trusted_root(Some(log()));
    assert_eq!(chain.keyless(&root), Err(Error::Sct(sct::Error::Missing)));
    // A kind of key that nobody knows is skipped as a key, and does not make its log optional.
    root["ctlogs"][0]["publicKey"]["keyDetails"] = "PKIX_OF_TOMORROW".into();
    assert_eq!(chain.keyless(&root), Err(Error::Sct(sct::Error::Missing)));
    let mut chain = Chain::new();
    chain.leaf.set(Extension::scts(&[honest()]));
    assert_eq!(chain.keyless(&root), Err(Error::Sct(sct::Error::UnknownLog)));
}

#[test]
fn t19_scts_of_one_log_count_once() {
    assert_eq!(with(&[honest()]), Ok(1));
    assert_eq!(with(&[honest(), honest(), honest()]), Ok(1));
    let mut chain = Chain::new();
    let other = world().key(KeyType::Rsa, 0);
    let scts = [log(), other].map(|log| chain.leaf.sct(&chain.intermediate_key, log, NOW * 1000, &[]));
    chain.leaf.set(Extension::scts(&scts));
    let mut root = chain.trusted_root(Some(log()));
    let second = trusted_log(other, "https://other.virtual", "2020-01-01T00:00:00Z");
    root["ctlogs"].as_array_mut().unwrap().push(second);
    assert_eq!(chain.keyless(&root).map(|(_, _, logs)| logs), Ok(2));
}

#[test]
fn t49_the_issuer_is_the_one_whose_key_verified() {
    let chain = Chain::new();
    // By the root's key, by a twin of the intermediate's name, and about another leaf.
    let by_root = chain.leaf.sct(&chain.root_key, log(), NOW * 1000, &[]);
    assert_eq!(with(&[by_root]), Err(Error::Sct(sct::Error::Signature)));
    let by_twin = chain.leaf.sct(world().p256(2), log(), NOW * 1000, &[]);
    assert_eq!(with(&[by_twin]), Err(Error::Sct(sct::Error::Signature)));
    let mut other = chain.leaf.clone();
    other.serial = vec![0x2b];
    let about_other = other.sct(&chain.intermediate_key, log(), NOW * 1000, &[]);
    assert_eq!(with(&[about_other]), Err(Error::Sct(sct::Error::Signature)));

    // With the twin in the root too, before the true one, nothing changes.
    let mut twin = chain.intermediate.clone();
    twin.spki = world().p256(2).spki().to_vec();
    let mut root = chain.trusted_root(Some(log()));
    let twin =
        pullward_tests::mint::trusted_authority(&[&twin.sign(&chain.root_key)], "2020-01-01T00:00:00Z");
    let certificates = root["certificateAuthorities"][0]["certChain"]["certificates"].as_array_mut().unwrap();
    certificates.insert(0, twin["certChain"]["certificates"][0].clone());
    let mut chain = chain;
    chain.leaf.set(Extension::scts(&[honest()]));
    assert_eq!(chain.keyless(&root).map(|(_, _, logs)| logs), Ok(1));
}

#[test]
fn logs_are_known_by_their_ids_and_believed_in_their_windows() {
    let chain = Chain::new();
    let stranger = chain.leaf.sct(&chain.intermediate_key, world().p256(0), NOW * 1000, &[]);
    assert_eq!(with(core::slice::from_ref(&stranger)), Err(Error::Sct(sct::Error::UnknownLog)));
    assert_eq!(with(&[stranger, honest()]), Ok(1));
    // The stranger under the log's id.
    let mut posing = chain.leaf.sct(&chain.intermediate_key, world().p256(0), NOW * 1000, &[]);
    posing[1..33].copy_from_slice(&log().public().id().0);
    assert_eq!(with(&[posing]), Err(Error::Sct(sct::Error::Signature)));

    let mut chain = Chain::new();
    chain.leaf.set(Extension::scts(&[honest()]));
    let ask = |start: &str, end: Option<&str>| {
        let mut root = chain.trusted_root(Some(log()));
        let window = &mut root["ctlogs"][0]["publicKey"]["validFor"];
        window["start"] = start.into();
        window["end"] = end.map_or(Value::Null, Value::from);
        chain.keyless(&root).map(|(_, _, logs)| logs)
    };
    let window = Err(Error::Sct(sct::Error::LogWindow));
    assert_eq!(ask("2023-11-14T22:13:20Z", Some("2023-11-14T22:13:20Z")), Ok(1));
    assert_eq!(ask("2023-11-14T22:13:21Z", None), window);
    assert_eq!(ask("2023-11-14T22:13:20.5Z", None), window);
    assert_eq!(ask("2020-01-01T00:00:00Z", Some("2023-11-14T22:13:19.999Z")), window);
    assert_eq!(ask("2020-01-01T00:00:00Z", Some("2023-11-14T22:13:20Z")), Ok(1));
}

#[test]
fn a_log_whose_id_is_not_its_keys_makes_the_root_an_error() {
    let chain = Chain::new();
    let mut root = chain.trusted_root(Some(log()));
    let other = trusted_log(world().p256(0), "", "2020-01-01T00:00:00Z");
    root["ctlogs"][0]["logId"] = other["logId"].clone();
    assert_eq!(chain.keyless(&root), Err(Error::TrustedRoot(trusted_root::Error::LogId)));
}

#[test]
fn other_algorithms_and_forms_are_refused() {
    let change = |place: usize, byte: u8| {
        let mut sct = honest();
        sct[place] = byte;
        with(&[sct])
    };
    // Hash and scheme stand behind version, id, time and the length of no extensions.
    assert_eq!(change(43, 2), Err(Error::Sct(sct::Error::Algorithm)));
    assert_eq!(change(44, 2), Err(Error::Sct(sct::Error::Algorithm)));
    assert_eq!(change(44, 1), Err(Error::Sct(sct::Error::Signature)));
    // Version 2 is skipped, and then nothing is left.
    assert_eq!(change(0, 1), Err(Error::Sct(sct::Error::UnknownLog)));

    assert_eq!(with(&vec![honest(); 9]), Err(Error::Sct(sct::Error::TooMany)));
    assert_eq!(with(&[]), Err(Error::Sct(sct::Error::Malformed)));
    assert_eq!(with(&[vec![]]), Err(Error::Sct(sct::Error::Malformed)));
    assert_eq!(with(&[[honest(), vec![0]].concat()]), Err(Error::Sct(sct::Error::Malformed)));
    assert_eq!(with(&[honest()[..40].to_vec()]), Err(Error::Sct(sct::Error::Malformed)));
    assert_eq!(with(&[honest(), vec![0]]), Err(Error::Sct(sct::Error::Malformed)));

    let raw = |value: Vec<u8>, critical| {
        let mut chain = Chain::new();
        chain.leaf.set(Extension::new(SCT_LIST, critical, value));
        chain.keyless(&chain.trusted_root(Some(log()))).map(|(_, _, logs)| logs)
    };
    let list = Extension::scts(&[honest()]).value;
    assert_eq!(raw(list.clone(), false), Ok(1));
    assert_eq!(raw(list.clone(), true), Err(Error::Certificate(x509::Error::CriticalExtension)));
    assert_eq!(raw([list.clone(), vec![0]].concat(), false), Err(Error::Sct(sct::Error::Malformed)));
    assert_eq!(raw(list[2..].to_vec(), false), Err(Error::Sct(sct::Error::Malformed)));
    assert_eq!(raw(value(0x04, &[0, 9, 1]), false), Err(Error::Sct(sct::Error::Malformed)));
}
