//! Whom a certificate is for: one name, one provider, and nothing known that cannot be read (T-50).

use pullward_core::keyless::Error;
use pullward_core::x509::Certificate;
use pullward_core::x509::fulcio::{FulcioField, Identity, IdentityError, Subject};
use pullward_tests::mint::certificate::{ALTERNATIVE_NAME, DNS, EMAIL, Extension, FULCIO, URI};
use pullward_tests::mint::der as value;

use crate::chain::{Chain, PROVIDER, URI_OF_LEAF};

/// What the core says of a leaf that was changed.
fn with(change: impl FnOnce(&mut Chain)) -> Result<(String, String), IdentityError> {
    let mut chain = Chain::new();
    change(&mut chain);
    match chain.keyless(&chain.trusted_root(None)) {
        Ok((subject, issuer, _)) => Ok((subject, issuer)),
        Err(Error::Identity(error)) => Err(error),
        Err(other) => panic!("{other:?}"),
    }
}

fn arc(last: u8) -> Vec<u8> {
    [FULCIO, &[last]].concat()
}

#[test]
fn each_kind_of_name_is_read_as_it_stands() {
    let subject = |extension: Extension| {
        let mut chain = Chain::new();
        chain.leaf.set(extension);
        let der = chain.leaf_der();
        let certificate = Certificate::read(&der).unwrap();
        Identity::read(&certificate).map(|identity| match identity.subject() {
            Subject::Uri(text) => ("uri", text.to_owned()),
            Subject::Email(text) => ("email", text.to_owned()),
            Subject::UserName(text) => ("user name", text.to_owned()),
        })
    };
    let user_name = |oid: &[u8], text: &[u8]| {
        let content = [value(0x06, oid), value(0xa0, &value(0x0c, text))].concat();
        Extension::names(&[(0xa0, &content)])
    };
    let own = arc(7);
    assert_eq!(subject(Extension::names(&[(URI, b"spiffe://a/b")])), Ok(("uri", "spiffe://a/b".to_owned())));
    assert_eq!(subject(Extension::names(&[(EMAIL, b"a@b")])), Ok(("email", "a@b".to_owned())));
    assert_eq!(
        subject(user_name(&own, "m\u{fc}ller".as_bytes())),
        Ok(("user name", "m\u{fc}ller".to_owned()))
    );

    assert_eq!(subject(user_name(&[0x2b, 0x06], b"a")), Err(IdentityError::NameKind));
    assert_eq!(subject(user_name(&own, b"\xff")), Err(IdentityError::Text));
    let bare = [value(0x06, &own), value(0x0c, b"a")].concat();
    assert_eq!(subject(Extension::names(&[(0xa0, &bare)])), Err(IdentityError::Text));
    assert_eq!(subject(Extension::names(&[(DNS, b"example.com")])), Err(IdentityError::NameKind));
    assert_eq!(subject(Extension::names(&[(0x87, &[127, 0, 0, 1])])), Err(IdentityError::NameKind));
    assert_eq!(subject(Extension::names(&[])), Err(IdentityError::NameCount));
    assert_eq!(subject(Extension::names(&[(URI, b"a"), (URI, b"b")])), Err(IdentityError::NameCount));
    assert_eq!(subject(Extension::names(&[(URI, b"a"), (EMAIL, b"b")])), Err(IdentityError::NameCount));
    for text in [&b""[..], b"a\nb", b"a\0b", b"\xc3\xa9", b"\x7f"] {
        assert_eq!(subject(Extension::names(&[(URI, text)])), Err(IdentityError::Text), "{text:?}");
    }
    assert_eq!(subject(Extension::names(&[(EMAIL, "a@\u{e9}".as_bytes())])), Err(IdentityError::Text));
    assert_eq!(subject(Extension::names(&[(URI, &[b'a'; 1025])])), Err(IdentityError::Text));
    assert!(subject(Extension::names(&[(URI, &[b'a'; 1024])])).is_ok());
}

#[test]
fn t50_two_providers_agree_or_it_is_nobody() {
    let honest = (URI_OF_LEAF.to_owned(), PROVIDER.to_owned());
    assert_eq!(with(|_| ()), Ok(honest.clone()));
    assert_eq!(with(|chain| chain.leaf.remove(&arc(1))), Ok(honest.clone()));
    assert_eq!(with(|chain| chain.leaf.remove(&arc(8))), Ok(honest));
    let none = with(|chain| {
        chain.leaf.remove(&arc(1));
        chain.leaf.remove(&arc(8));
    });
    assert_eq!(none, Err(IdentityError::IssuerMissing));
    for last in [1, 8] {
        let other = with(|chain| chain.leaf.set(Extension::fulcio(last, "https://evil.example")));
        assert_eq!(other, Err(IdentityError::IssuerConflict));
        let slash = with(|chain| chain.leaf.set(Extension::fulcio(last, &format!("{PROVIDER}/"))));
        assert_eq!(slash, Err(IdentityError::IssuerConflict));
        let control = with(|chain| chain.leaf.set(Extension::fulcio(last, "a\n")));
        assert_eq!(control, Err(IdentityError::Text));
    }
    let empty = with(|chain| {
        chain.leaf.remove(&arc(1));
        chain.leaf.set(Extension::fulcio(8, ""));
    });
    assert_eq!(empty, Err(IdentityError::Text));
    for wrong in [vec![], vec![0x0c], vec![0x16, 1, b'a'], vec![0x0c, 1, b'a', 0], vec![0x0c, 0x81, 1, b'a']]
    {
        let broken = with(|chain| chain.leaf.set(Extension::new(&arc(8), false, wrong.clone())));
        assert_eq!(broken, Err(IdentityError::Text), "{wrong:?}");
    }
    assert_eq!(with(|chain| chain.leaf.remove(ALTERNATIVE_NAME)), Err(IdentityError::NameCount));
}

#[test]
fn t50_every_known_extension_is_read_and_a_broken_one_is_no_absent_one() {
    let numbers = [2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22];
    let mut chain = Chain::new();
    for number in numbers {
        chain.leaf.set(Extension::fulcio(number, &format!("field {number}")));
    }
    let der = chain.leaf_der();
    let identity = Identity::read(&Certificate::read(&der).unwrap()).unwrap();
    for (field, number) in FulcioField::ALL.into_iter().zip(numbers) {
        assert_eq!(identity.field(field), Some(format!("field {number}").as_str()), "{field:?}");
        let broken = if number < 8 { vec![0xff] } else { b"bare".to_vec() };
        let made = with(|chain| chain.leaf.set(Extension::new(&arc(number), false, broken.clone())));
        assert_eq!(made, Err(IdentityError::Field(field)));
        assert!(with(|chain| chain.leaf.remove(&arc(number))).is_ok());
    }
    let plain = Chain::new().leaf_der();
    let identity = Identity::read(&Certificate::read(&plain).unwrap()).unwrap();
    assert!(FulcioField::ALL.into_iter().all(|field| identity.field(field).is_none()));
    // What is not known yet is skipped.
    assert!(with(|chain| chain.leaf.set(Extension::new(&arc(99), false, vec![0xff]))).is_ok());
}
