//! Paths that must not hold, each with the one thing that is wrong with it (T-25, T-28, T-30, T-42 to T-49, T-56).

use pullward_core::keyless::{self, SelfIssued};
use pullward_core::operations::Operations;
use pullward_core::signature::{KeyError, KeyType};
use pullward_core::time::{UnixTime, Window};
use pullward_core::x509::{Anchor, Certificate, Error, Purpose, verify_path};
use pullward_core::{der, limits};
use pullward_tests::mint::certificate::{
    ANY_PURPOSE, BASIC_CONSTRAINTS, CODE_SIGNING, CertificateForge, DNS, EMAIL, EXTENDED_KEY_USAGE,
    Extension, KEY_USAGE, SERVER_AUTH, TIME_STAMPING, URI, algorithm, name, time,
};
use pullward_tests::mint::{Scheme, der as value, world};

use crate::chain::{Chain, NOW};

type Case = (&'static str, fn(&mut Chain), Result<(), Error>);

fn run(cases: &[Case]) {
    assert_eq!(Chain::new().verify(), Ok(()), "the honest chain");
    for (what, change, expected) in cases {
        let mut chain = Chain::new();
        change(&mut chain);
        assert_eq!(chain.verify(), *expected, "{what}");
    }
    println!("{} paths", cases.len());
}

#[test]
fn t30_every_certificate_is_valid_at_every_time_both_ends_included() {
    run(&[
        ("first second of the leaf", |chain| chain.times = vec![NOW - 300], Ok(())),
        ("last second of the leaf", |chain| chain.times = vec![NOW + 300], Ok(())),
        ("before the leaf", |chain| chain.times = vec![NOW - 301], Err(Error::Expired)),
        ("after the leaf", |chain| chain.times = vec![NOW + 301], Err(Error::Expired)),
        ("t25 one time in and one out", |chain| chain.times = vec![NOW, NOW + 301], Err(Error::Expired)),
        ("t25 one time out and one in", |chain| chain.times = vec![NOW - 301, NOW], Err(Error::Expired)),
        ("t25 two times in", |chain| chain.times = vec![NOW - 1, NOW + 1], Ok(())),
        ("t24 no time", |chain| chain.times = vec![], Err(Error::NoTime)),
        (
            "the intermediate ends before the leaf",
            |chain| chain.intermediate.validity[1] = time(UnixTime(NOW - 1)),
            Err(Error::Expired),
        ),
        (
            "the intermediate begins after the leaf",
            |chain| chain.intermediate.validity[0] = time(UnixTime(NOW + 1)),
            Err(Error::Expired),
        ),
        (
            "the root ends before",
            |chain| chain.root.validity[1] = time(UnixTime(NOW - 1)),
            Err(Error::Expired),
        ),
        (
            "t26 the anchor is not believed any more",
            |chain| chain.window.end = Some(UnixTime(NOW - 1)),
            Err(Error::AnchorWindow),
        ),
        ("t32 the anchor's last second", |chain| chain.window.end = Some(UnixTime(NOW)), Ok(())),
        (
            "the anchor is not believed yet",
            |chain| chain.window = Window { start: UnixTime(NOW + 1), end: None },
            Err(Error::AnchorWindow),
        ),
        ("it ends before it begins", |chain| chain.leaf.validity.reverse(), Err(Error::Validity)),
    ]);
}

#[test]
fn t44_authorities_say_that_they_are() {
    run(&[
        (
            "no basic constraints",
            |chain| chain.intermediate.remove(BASIC_CONSTRAINTS),
            Err(Error::NotAuthority),
        ),
        (
            "basic constraints that say no",
            |chain| chain.intermediate.set(Extension::basic_constraints(false, None)),
            Err(Error::NotAuthority),
        ),
        (
            "basic constraints that are not critical",
            |chain| {
                let mut extension = Extension::basic_constraints(true, None);
                extension.critical.clear();
                chain.intermediate.set(extension);
            },
            Err(Error::NotAuthority),
        ),
        ("no key usage", |chain| chain.intermediate.remove(KEY_USAGE), Err(Error::NotAuthority)),
        (
            "another key usage",
            |chain| chain.intermediate.set(Extension::key_usage(0)),
            Err(Error::NotAuthority),
        ),
        ("a root without key usage", |chain| chain.root.remove(KEY_USAGE), Err(Error::NotAuthority)),
        (
            "a root without basic constraints",
            |chain| chain.root.remove(BASIC_CONSTRAINTS),
            Err(Error::NotAuthority),
        ),
        (
            "no authority may be below the root",
            |chain| chain.root.set(Extension::basic_constraints(true, Some(0))),
            Err(Error::PathLengthConstraint),
        ),
        (
            "one authority may be below the root",
            |chain| chain.root.set(Extension::basic_constraints(true, Some(1))),
            Ok(()),
        ),
        (
            "none may be below the intermediate, and none is",
            |chain| chain.intermediate.set(Extension::basic_constraints(true, Some(0))),
            Ok(()),
        ),
        (
            "an intermediate without a name",
            |chain| {
                chain.intermediate.subject = name("");
                chain.leaf.issuer = name("");
            },
            Err(Error::Name),
        ),
        (
            "t45 an intermediate for servers",
            |chain| {
                chain.intermediate.set(Extension::purposes(&[SERVER_AUTH]));
            },
            Err(Error::Purpose),
        ),
        (
            "t45 an intermediate for anything",
            |chain| {
                chain.intermediate.set(Extension::purposes(&[ANY_PURPOSE]));
            },
            Err(Error::Purpose),
        ),
        (
            "an intermediate for code and servers",
            |chain| {
                chain.intermediate.set(Extension::purposes(&[SERVER_AUTH, CODE_SIGNING]));
            },
            Ok(()),
        ),
        (
            "t45 a root for servers",
            |chain| {
                chain.root.set(Extension::purposes(&[SERVER_AUTH]));
            },
            Err(Error::Purpose),
        ),
    ]);
}

#[test]
fn t44_a_leaf_is_a_leaf() {
    run(&[
        (
            "an authority",
            |chain| chain.leaf.set(Extension::basic_constraints(true, None)),
            Err(Error::LeafIsAuthority),
        ),
        (
            "basic constraints that say no",
            |chain| chain.leaf.set(Extension::basic_constraints(false, None)),
            Ok(()),
        ),
        ("signs certificates", |chain| chain.leaf.set(Extension::key_usage(5)), Err(Error::LeafIsAuthority)),
        ("signs nothing", |chain| chain.leaf.set(Extension::key_usage(2)), Err(Error::LeafKeyUsage)),
        ("no key usage", |chain| chain.leaf.remove(KEY_USAGE), Err(Error::LeafKeyUsage)),
        (
            "constrains names",
            |chain| chain.leaf.set(Extension::name_constraints(Some((DNS, b"example.com")), None)),
            Err(Error::LeafIsAuthority),
        ),
        ("t45 no purpose", |chain| chain.leaf.remove(EXTENDED_KEY_USAGE), Err(Error::Purpose)),
        ("t45 for servers", |chain| chain.leaf.set(Extension::purposes(&[SERVER_AUTH])), Err(Error::Purpose)),
        (
            "t45 for anything",
            |chain| chain.leaf.set(Extension::purposes(&[ANY_PURPOSE])),
            Err(Error::Purpose),
        ),
        (
            "t45 for timestamps",
            |chain| chain.leaf.set(Extension::purposes(&[TIME_STAMPING])),
            Err(Error::Purpose),
        ),
        (
            "for code and servers",
            |chain| {
                chain.leaf.set(Extension::purposes(&[SERVER_AUTH, CODE_SIGNING]));
            },
            Ok(()),
        ),
        (
            "its own issuer",
            |chain| {
                chain.leaf.subject = name("intermediate");
            },
            Err(Error::SelfIssued),
        ),
    ]);
}

#[test]
fn t28_a_timestamp_authority_has_one_purpose() {
    fn timestamp(chain: &mut Chain) {
        chain.purpose = Purpose::TimeStamping;
        let validity = [NOW - 300, NOW + 300].map(UnixTime);
        chain.leaf = CertificateForge::timestamp_leaf("tsa", "intermediate", &chain.leaf_key, validity);
    }
    run(&[
        ("honest", timestamp, Ok(())),
        (
            "content commitment",
            |chain| {
                timestamp(chain);
                chain.leaf.set(Extension::key_usage(1));
            },
            Ok(()),
        ),
        (
            "with an unknown purpose",
            |chain| {
                timestamp(chain);
                chain.leaf.set(Extension::purposes(&[TIME_STAMPING, &[0x2a, 0x03]]));
            },
            Err(Error::Purpose),
        ),
        (
            "with code signing",
            |chain| {
                timestamp(chain);
                chain.leaf.set(Extension::purposes(&[TIME_STAMPING, CODE_SIGNING]));
            },
            Err(Error::Purpose),
        ),
        (
            "an authority",
            |chain| {
                timestamp(chain);
                chain.leaf.set(Extension::basic_constraints(true, None));
            },
            Err(Error::LeafIsAuthority),
        ),
        (
            "code signing where timestamps are asked for",
            |chain| {
                chain.purpose = Purpose::TimeStamping;
            },
            Err(Error::Purpose),
        ),
        (
            "an intermediate for code",
            |chain| {
                timestamp(chain);
                chain.intermediate.set(Extension::purposes(&[CODE_SIGNING]));
            },
            Err(Error::Purpose),
        ),
    ]);
}

#[test]
fn t44_what_is_critical_and_unknown_is_refused() {
    const UNKNOWN: &[u8] = &[0x2a, 0x03, 0x04];
    run(&[
        (
            "in the leaf",
            |chain| {
                chain.leaf.set(Extension::new(UNKNOWN, true, vec![0x05, 0]));
            },
            Err(Error::CriticalExtension),
        ),
        (
            "in the intermediate",
            |chain| {
                chain.intermediate.set(Extension::new(UNKNOWN, true, vec![0x05, 0]));
            },
            Err(Error::CriticalExtension),
        ),
        (
            "in the root",
            |chain| {
                chain.root.set(Extension::new(UNKNOWN, true, vec![0x05, 0]));
            },
            Err(Error::CriticalExtension),
        ),
        (
            "not critical",
            |chain| {
                chain.leaf.set(Extension::new(UNKNOWN, false, vec![0x05, 0]));
            },
            Ok(()),
        ),
        (
            "policy constraints",
            |chain| {
                chain.intermediate.set(Extension::new(&[0x55, 0x1d, 0x24], true, vec![0x30, 0]));
            },
            Err(Error::CriticalExtension),
        ),
    ]);
}

#[test]
fn t43_name_constraints_hold_for_everything_below() {
    run(&[
        (
            "a permitted host",
            |chain| {
                chain.intermediate.set(Extension::name_constraints(Some((URI, b"github.com")), None));
            },
            Ok(()),
        ),
        (
            "another host",
            |chain| {
                chain.intermediate.set(Extension::name_constraints(Some((URI, b"gitlab.com")), None));
            },
            Err(Error::NameConstraint),
        ),
        (
            "another host, in the root",
            |chain| {
                chain.root.set(Extension::name_constraints(Some((URI, b"gitlab.com")), None));
            },
            Err(Error::NameConstraint),
        ),
        (
            "an excluded host",
            |chain| {
                chain.intermediate.set(Extension::name_constraints(None, Some((URI, b"GitHub.com"))));
            },
            Err(Error::NameConstraint),
        ),
        (
            "a constraint on another kind",
            |chain| {
                chain.intermediate.set(Extension::name_constraints(Some((EMAIL, b"acme.example")), None));
            },
            Ok(()),
        ),
        (
            "a constraint on addresses",
            |chain| {
                chain
                    .intermediate
                    .set(Extension::name_constraints(Some((0x87, &[10, 0, 0, 0, 255, 0, 0, 0])), None));
            },
            Err(Error::NameConstraint),
        ),
        (
            "a constraint on other names",
            |chain| {
                chain.intermediate.set(Extension::name_constraints(None, Some((0xa0, &[0x06, 1, 0x2a]))));
            },
            Err(Error::NameConstraint),
        ),
        (
            "excluded directory names",
            |chain| {
                let tree = name("somebody");
                chain.intermediate.set(Extension::name_constraints(None, Some((0xa4, &tree))));
            },
            Err(Error::NameConstraint),
        ),
        (
            "a directory name that the intermediate does not have",
            |chain| {
                let tree = name("somebody");
                chain.root.set(Extension::name_constraints(Some((0xa4, &tree)), None));
            },
            Err(Error::NameConstraint),
        ),
        (
            "a directory name that the intermediate has",
            |chain| {
                let tree = name("intermediate");
                chain.root.set(Extension::name_constraints(Some((0xa4, &tree)), None));
            },
            Ok(()),
        ),
        (
            "constraints without any",
            |chain| {
                chain.intermediate.set(Extension::name_constraints(None, None));
            },
            Err(Error::NameConstraint),
        ),
    ]);
}

#[test]
fn t56_the_algorithm_goes_with_the_key_and_is_said_twice() {
    run(&[
        (
            "another algorithm outside",
            |chain| {
                chain.leaf.outer_algorithm = Some(algorithm(KeyType::P256, Scheme::Sha384));
            },
            Err(Error::AlgorithmMismatch),
        ),
        (
            "another algorithm inside",
            |chain| {
                chain.leaf.inner_algorithm = Some(algorithm(KeyType::P256, Scheme::Sha384));
            },
            Err(Error::AlgorithmMismatch),
        ),
        (
            "another hash than is said",
            |chain| {
                chain.leaf.scheme = Some(Scheme::Sha256);
                chain.leaf.inner_algorithm = Some(algorithm(KeyType::P256, Scheme::Sha384));
                chain.leaf.outer_algorithm = chain.leaf.inner_algorithm.clone();
            },
            Err(Error::Signature),
        ),
        ("P-256 with SHA-384, as it says", |chain| chain.leaf.scheme = Some(Scheme::Sha384), Ok(())),
        ("P-256 with SHA-512", |chain| chain.leaf.scheme = Some(Scheme::Sha512), Err(Error::Signature)),
        (
            "RSA, with a key of P-256",
            |chain| {
                chain.leaf.inner_algorithm = Some(algorithm(KeyType::Rsa, Scheme::Sha256));
                chain.leaf.outer_algorithm = chain.leaf.inner_algorithm.clone();
            },
            Err(Error::Signature),
        ),
        (
            "SHA-1",
            |chain| {
                let sha1 = value(0x30, &value(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01]));
                chain.leaf.inner_algorithm = Some(sha1.clone());
                chain.leaf.outer_algorithm = Some(sha1);
            },
            Err(Error::SignatureAlgorithm),
        ),
        (
            "somebody else's key",
            |chain| chain.intermediate_key = world().p256(3).clone(),
            Err(Error::Signature),
        ),
        (
            "t48 explicit parameters",
            |chain| {
                // id-ecPublicKey with parameters written out instead of the curve's name.
                let parameters =
                    [value(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]), value(0x30, &[0x02, 1, 1])];
                let point = chain.intermediate_key.spki()[23..].to_vec();
                chain.intermediate.spki = value(0x30, &[value(0x30, &parameters.concat()), point].concat());
            },
            Err(Error::Key(KeyError::Unsupported)),
        ),
        (
            "a key that is none",
            |chain| {
                chain.intermediate.spki = value(0x30, &[]);
            },
            Err(Error::Key(KeyError::Unsupported)),
        ),
    ]);
}

#[test]
fn every_kind_of_key_issues_with_its_own_hashes_and_no_other() {
    for (kind, scheme, holds) in [
        (KeyType::P384, Scheme::Sha384, true),
        (KeyType::P384, Scheme::Sha256, false),
        (KeyType::P384, Scheme::Sha512, false),
        (KeyType::Ed25519, Scheme::Pure, true),
        (KeyType::Rsa, Scheme::Sha256, true),
        (KeyType::Rsa, Scheme::Sha384, true),
        (KeyType::Rsa, Scheme::Sha512, true),
    ] {
        let mut chain = Chain::new();
        chain.intermediate_key = world().key(kind, 0).clone();
        chain.intermediate.spki = chain.intermediate_key.spki().to_vec();
        chain.leaf.scheme = Some(scheme);
        let expected = if holds { Ok(()) } else { Err(Error::Signature) };
        assert_eq!(chain.verify(), expected, "{kind:?} {scheme:?}");
    }
}

#[test]
fn t42_a_root_that_is_sent_is_never_an_anchor() {
    let honest = Chain::new();
    // Somebody's own chain, with the same names, and its root sent along.
    let mut chain = Chain::new();
    let key = world().p256(3).clone();
    chain.root_key = key.clone();
    chain.root.spki = key.spki().to_vec();
    let (forged_root, forged_intermediate) = (chain.root_der(), chain.intermediate_der());
    chain.root_key = honest.root_key.clone();
    chain.root = honest.root.clone();
    assert_eq!(
        chain.verify_with(&[forged_intermediate.clone(), forged_root.clone()]),
        Err(Error::SelfIssued)
    );
    // The true root among the intermediates gives no way round the anchor.
    assert_eq!(honest.verify_with(&[honest.intermediate_der(), honest.root_der()]), Ok(()));

    let root = honest.trusted_root(None);
    let sent = |others: &[&[u8]], rule| honest.keyless_with(&root, others, rule).map(|_| ());
    let (intermediate, own) = (honest.intermediate_der(), honest.root_der());
    assert_eq!(sent(&[], SelfIssued::Refuse), Ok(()));
    assert_eq!(sent(&[&intermediate], SelfIssued::Refuse), Ok(()));
    assert_eq!(sent(&[&intermediate, &own], SelfIssued::Refuse), Err(keyless::Error::RootSent));
    assert_eq!(sent(&[&intermediate, &own], SelfIssued::LeaveOutLast), Ok(()));
    assert_eq!(sent(&[&own, &intermediate], SelfIssued::LeaveOutLast), Err(keyless::Error::RootSent));
    let forged = chain.keyless_with(&root, &[&forged_intermediate, &forged_root], SelfIssued::LeaveOutLast);
    assert_eq!(forged.map(|_| ()), Ok(()), "the leaf is the true intermediate's, whatever is sent beside it");
    let mut forged = chain.clone();
    forged.intermediate_key = key;
    let mut fake = forged.intermediate.clone();
    fake.spki = forged.intermediate_key.spki().to_vec();
    let fake = fake.sign(&forged.intermediate_key);
    let forged = forged.keyless_with(&root, &[&fake, &forged_root], SelfIssued::LeaveOutLast);
    assert_eq!(forged, Err(keyless::Error::Certificate(Error::Signature)));
}

#[test]
fn an_intermediate_may_be_sent_where_the_root_has_the_anchor_alone() {
    let chain = Chain::new();
    let mut root = chain.trusted_root(None);
    root["certificateAuthorities"][0]["certChain"]["certificates"].as_array_mut().unwrap().remove(0);
    let alone = chain.keyless(&root).map(|_| ());
    assert_eq!(alone, Err(keyless::Error::Certificate(Error::UnknownIssuer)));
    let sent = chain.keyless_with(&root, &[&chain.intermediate_der()], SelfIssued::Refuse).map(|_| ());
    assert_eq!(sent, Ok(()));
}

#[test]
fn t49_two_intermediates_of_one_name_are_told_apart_by_their_keys() {
    let chain = Chain::new();
    let mut twin = chain.intermediate.clone();
    twin.spki = world().p256(3).spki().to_vec();
    twin.serial = vec![0x2b];
    let twin = twin.sign(&chain.root_key);
    let intermediate = chain.intermediate_der();
    let (leaf, root) = (chain.leaf_der(), chain.root_der());
    for order in [[&twin, &intermediate], [&intermediate, &twin]] {
        let intermediates = order.map(|der| Certificate::read(der).unwrap());
        let anchor = Anchor { certificate: Certificate::read(&root).unwrap(), window: chain.window };
        let leaf = Certificate::read(&leaf).unwrap();
        let mut operations = Operations::new();
        let path =
            verify_path(&leaf, &intermediates, &[anchor], &[UnixTime(NOW)], chain.purpose, &mut operations)
                .unwrap();
        assert_eq!(path.issuer().der(), intermediate);
        assert_eq!(path.anchor().der(), root);
        assert_eq!(path.certificates().count(), 3);
    }
}

#[test]
fn t46_the_search_ends_however_the_candidates_are_built() {
    // Certificates that have all issued each other: same name, same key.
    let chain = Chain::new();
    let crossed = |count: u8| -> Vec<Vec<u8>> {
        let certificates = (0..count).map(|serial| {
            let mut crossed = chain.intermediate.clone();
            crossed.serial = vec![1 + serial];
            crossed.issuer = name("intermediate");
            crossed.subject = name("intermediate");
            crossed.sign(&chain.intermediate_key)
        });
        certificates.collect()
    };
    assert_eq!(chain.verify_with(&crossed(12)), Err(Error::SelfIssued));
    assert_eq!(chain.verify_with(&crossed(13)), Err(Error::TooManyCertificates));

    // Two names that issue each other, so that none is its own issuer.
    let mut ring = Vec::new();
    for serial in 0..6 {
        for (subject, issuer) in [("intermediate", "other"), ("other", "intermediate")] {
            let mut certificate = chain.intermediate.clone();
            (certificate.subject, certificate.issuer) = (name(subject), name(issuer));
            certificate.serial = vec![1 + serial];
            ring.push(certificate.sign(&chain.intermediate_key));
        }
    }
    let (leaf, root) = (chain.leaf_der(), chain.root_der());
    let leaf = Certificate::read(&leaf).unwrap();
    let anchor = Anchor { certificate: Certificate::read(&root).unwrap(), window: chain.window };
    let candidates: Vec<Certificate<'_>> = ring.iter().map(|der| Certificate::read(der).unwrap()).collect();
    let search = |operations: &mut Operations| {
        let times = [UnixTime(NOW)];
        verify_path(&leaf, &candidates, &[anchor], &times, Purpose::CodeSigning, operations).map(|_| ())
    };
    let mut operations = Operations::new();
    assert_eq!(search(&mut operations), Err(Error::Operations));
    let spent = Operations::new().left() - operations.left();
    println!("a ring of {} certificates: {spent} operations", ring.len());
    assert_eq!(spent, limits::PATH_OPERATIONS);
    let mut few = Operations::at_most(5);
    assert_eq!((search(&mut few), few.left()), (Err(Error::Operations), 0));
}

#[test]
fn paths_of_the_longest_length_hold_and_longer_ones_do_not() {
    let chain = Chain::new();
    // Authorities between the root and the intermediate, all with one key.
    let with = |between: usize| {
        let names: Vec<String> = (0..=between).map(|place| format!("authority {place}")).collect();
        let mut certificates = Vec::new();
        for (place, subject) in names.iter().enumerate() {
            let mut certificate = chain.intermediate.clone();
            certificate.issuer = if place == 0 { name("root") } else { name(&names[place - 1]) };
            certificate.subject = if place == between { name("intermediate") } else { name(subject) };
            let issuer = if place == 0 { &chain.root_key } else { &chain.intermediate_key };
            certificates.push(certificate.sign(issuer));
        }
        chain.verify_with(&certificates)
    };
    assert_eq!(with(limits::PATH_LENGTH - 3), Ok(()));
    assert_eq!(with(limits::PATH_LENGTH - 2), Err(Error::PathTooLong));
}

#[test]
fn t29_no_anchor_and_no_authority_is_nobody() {
    let chain = Chain::new();
    let (leaf, intermediate) = (chain.leaf_der(), chain.intermediate_der());
    let (leaf, intermediate) = (Certificate::read(&leaf).unwrap(), Certificate::read(&intermediate).unwrap());
    let times = [UnixTime(NOW)];
    let path = verify_path(&leaf, &[intermediate], &[], &times, Purpose::CodeSigning, &mut Operations::new());
    assert_eq!(path.map(|_| ()), Err(Error::UnknownIssuer));
    let mut root = chain.trusted_root(None);
    root["certificateAuthorities"] = serde_json::json!([]);
    assert_eq!(chain.keyless(&root), Err(keyless::Error::NoAuthority));
    root["certificateAuthorities"] = serde_json::Value::Null;
    assert_eq!(chain.keyless(&root), Err(keyless::Error::NoAuthority));
}

#[test]
fn t21_t26_authorities_are_never_pooled() {
    // The retired authority's window does not grow by the other's being open, in either order.
    let chain = Chain::new();
    let mut other = Chain::new();
    other.root_key = world().p256(3).clone();
    other.root.spki = other.root_key.spki().to_vec();
    other.intermediate.spki = world().p256(3).spki().to_vec();
    let mut root = chain.trusted_root(None);
    let mut retired = root["certificateAuthorities"][0].clone();
    retired["validFor"]["end"] = "2021-01-01T00:00:00Z".into();
    let open = other.trusted_root(None)["certificateAuthorities"][0].clone();
    for order in [[retired.clone(), open.clone()], [open, retired]] {
        root["certificateAuthorities"] = serde_json::Value::from(order.to_vec());
        assert_eq!(chain.keyless(&root), Err(keyless::Error::Certificate(Error::AnchorWindow)));
    }
    assert_eq!(
        chain.keyless(&other.trusted_root(None)),
        Err(keyless::Error::Certificate(Error::Signature)),
        "another instance with the same names"
    );
}

#[test]
fn t33_nothing_is_from_the_future() {
    let mut chain = Chain::new();
    chain.leaf.validity[1] = time(UnixTime(NOW + 100_000));
    let root = chain.trusted_root(None);
    chain.times = vec![NOW + 3600];
    assert_eq!(chain.keyless(&root).map(|_| ()), Ok(()));
    chain.times = vec![NOW, NOW + 3601];
    assert_eq!(chain.keyless(&root), Err(keyless::Error::Future));
    chain.times = vec![];
    assert_eq!(chain.keyless(&root), Err(keyless::Error::Certificate(Error::NoTime)));
    chain.times = vec![NOW; 33];
    assert_eq!(chain.keyless(&root), Err(keyless::Error::TooManyTimes));
}

#[test]
fn what_cannot_be_read_is_refused_by_its_own_name() {
    let der = Chain::new().leaf_der();
    assert_eq!(Certificate::read(&der[..der.len() - 1]).map(|_| ()), Err(Error::Der(der::Error::Unexpected)));
    let longer = [der.as_slice(), &[0]].concat();
    assert_eq!(Certificate::read(&longer).map(|_| ()), Err(Error::Der(der::Error::TrailingBytes)));
    assert_eq!(Certificate::read(&[]).map(|_| ()), Err(Error::Der(der::Error::Unexpected)));
    assert_eq!(
        Certificate::read(&vec![0x30; limits::CERTIFICATE_BYTES + 1]).map(|_| ()),
        Err(Error::TooLarge)
    );
}
