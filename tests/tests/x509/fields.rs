//! Fields of a certificate in every spelling that is not theirs (T-44, T-57, T-58).

use pullward_core::der;
use pullward_core::x509::{Error, ExtensionKind};
use pullward_tests::mint::certificate::{
    ALTERNATIVE_NAME, BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE, Extension, KEY_USAGE, NAME_CONSTRAINTS,
};
use pullward_tests::mint::der as value;

use crate::chain::Chain;

/// What the core says of a chain whose leaf was changed.
fn with(change: impl FnOnce(&mut Chain)) -> Result<(), Error> {
    let mut chain = Chain::new();
    change(&mut chain);
    chain.verify()
}

#[test]
fn t44_the_version_is_three() {
    for (version, expected) in [
        (value(0xa0, &value(0x02, &[2])), Ok(())),
        (value(0xa0, &value(0x02, &[1])), Err(Error::Version)),
        (value(0xa0, &value(0x02, &[0])), Err(Error::Version)),
        (value(0xa0, &value(0x02, &[3])), Err(Error::Version)),
        (Vec::new(), Err(Error::Version)),
        (value(0xa0, &value(0x02, &[0, 2])), Err(Error::Der(der::Error::Integer))),
        (value(0xa0, &[value(0x02, &[2]), vec![5, 0]].concat()), Err(Error::Der(der::Error::TrailingBytes))),
    ] {
        assert_eq!(with(|chain| chain.leaf.version = version.clone()), expected, "{version:?}");
    }
}

#[test]
fn t44_serial_numbers_are_positive_and_of_twenty_octets_at_most() {
    for (serial, expected) in [
        (vec![1], Ok(())),
        (vec![0x7f; 20], Ok(())),
        (vec![0], Err(Error::Serial)),
        (vec![0x7f; 21], Err(Error::Serial)),
        (vec![0x80], Err(Error::Serial)),
        (vec![0xff], Err(Error::Serial)),
        (vec![], Err(Error::Der(der::Error::Integer))),
        (vec![0, 1], Err(Error::Der(der::Error::Integer))),
    ] {
        assert_eq!(with(|chain| chain.leaf.serial = serial.clone()), expected, "{serial:?}");
    }
    assert_eq!(with(|chain| chain.intermediate.serial = vec![0]), Err(Error::Serial));
}

#[test]
fn t44_nothing_stands_between_the_key_and_the_extensions() {
    // issuerUniqueID and subjectUniqueID.
    for between in [value(0x81, &[0, 1]), value(0x82, &[0, 1]), vec![5, 0]] {
        assert_eq!(with(|chain| chain.leaf.between = between), Err(Error::Der(der::Error::TrailingBytes)));
    }
    assert_eq!(with(|chain| chain.leaf.issuer = vec![0x30, 0]), Err(Error::Name));
}

#[test]
fn t44_extensions_are_there_once_and_in_bounds() {
    let repeated = |chain: &mut Chain| {
        let first = chain.leaf.extensions[0].clone();
        chain.leaf.extensions.push(first);
    };
    assert_eq!(with(repeated), Err(Error::DuplicateExtension));
    let unknown = |chain: &mut Chain, count: u8| {
        for arc in 0..count {
            chain.leaf.extensions.push(Extension::new(&[0x2a, 0x03, arc], false, vec![0x05, 0]));
        }
    };
    assert_eq!(with(|chain| unknown(chain, 43)), Ok(()));
    assert_eq!(with(|chain| unknown(chain, 44)), Err(Error::TooManyExtensions));
    assert_eq!(with(|chain| chain.leaf.extensions.clear()), Err(Error::LeafKeyUsage));
}

#[test]
fn t58_critical_is_true_or_absent() {
    for critical in [vec![1, 1, 0], vec![1, 1, 1], vec![1, 1, 0x7f], vec![1, 0]] {
        let made = with(|chain| chain.leaf.extensions[0].critical = critical.clone());
        assert_eq!(made, Err(Error::Der(der::Error::Boolean)), "{critical:?}");
    }
}

#[test]
fn t58_known_extensions_have_one_spelling() {
    use ExtensionKind::{BasicConstraints, ExtendedKeyUsage, KeyUsage, NameConstraints, SubjectAltName};
    let code_signing = value(0x06, &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03]);
    let many: Vec<u8> = core::iter::repeat_n(code_signing.clone(), 17).flatten().collect();
    for (kind, oid, wrong) in [
        (BasicConstraints, BASIC_CONSTRAINTS, vec![]),
        (BasicConstraints, BASIC_CONSTRAINTS, vec![0x30, 3, 1, 1, 0]),
        (BasicConstraints, BASIC_CONSTRAINTS, vec![0x30, 3, 2, 1, 0]),
        (BasicConstraints, BASIC_CONSTRAINTS, vec![0x30, 6, 1, 1, 0xff, 2, 1, 0x80]),
        (BasicConstraints, BASIC_CONSTRAINTS, vec![0x30, 6, 2, 1, 0, 1, 1, 0xff]),
        (BasicConstraints, BASIC_CONSTRAINTS, vec![0x30, 0, 0]),
        (KeyUsage, KEY_USAGE, vec![3, 2, 0, 0x80]),
        (KeyUsage, KEY_USAGE, vec![3, 2, 8, 0x80]),
        (KeyUsage, KEY_USAGE, vec![3, 3, 0, 0x80, 0]),
        (KeyUsage, KEY_USAGE, vec![4, 1, 0x80]),
        (ExtendedKeyUsage, EXTENDED_KEY_USAGE, vec![0x30, 0]),
        (ExtendedKeyUsage, EXTENDED_KEY_USAGE, value(0x30, &[0x06, 0])),
        (ExtendedKeyUsage, EXTENDED_KEY_USAGE, value(0x30, &many)),
        (ExtendedKeyUsage, EXTENDED_KEY_USAGE, [value(0x30, &code_signing), vec![0]].concat()),
        (SubjectAltName, ALTERNATIVE_NAME, vec![0x31, 0]),
        (SubjectAltName, ALTERNATIVE_NAME, vec![0x30, 0x80, 0, 0]),
        (NameConstraints, NAME_CONSTRAINTS, vec![0x04, 0]),
    ] {
        let made = with(|chain| chain.leaf.set(Extension::new(oid, true, wrong.clone())));
        assert_eq!(made, Err(Error::Extension(kind)), "{wrong:?}");
        let made = with(|chain| chain.intermediate.set(Extension::new(oid, true, wrong.clone())));
        assert_eq!(made, Err(Error::Extension(kind)), "{wrong:?}");
    }
}

#[test]
fn t61_deep_nesting_is_refused_at_once() {
    let mut nested = vec![0x30, 0];
    while nested.len() < 7000 {
        nested = value(0x30, &nested);
    }
    // Where nobody looks inside, depth costs nothing; where somebody does, it is not what belongs there.
    assert_eq!(with(|chain| chain.leaf.set(Extension::new(&[0x2a, 3], false, nested.clone()))), Ok(()));
    let made = with(|chain| chain.leaf.set(Extension::new(BASIC_CONSTRAINTS, true, nested.clone())));
    assert_eq!(made, Err(Error::Extension(ExtensionKind::BasicConstraints)));
}
