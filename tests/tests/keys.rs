//! Which bytes become a public key (T-48, T-54): one DER form for each of four kinds, and only points that can sign.

#![expect(clippy::unwrap_used, reason = "a key that does not read fails its test")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullward_core::encoding;
use pullward_core::signature::{KeyError, KeyType, Message, PublicKey};
use pullward_tests::mint::{World, pem, rsa_spki, world};

const P256_HEAD: usize = 26;
const P384_HEAD: usize = 23;
const ED25519_HEAD: usize = 12;

fn spki(kind: KeyType) -> Vec<u8> {
    world().key(kind, 0).spki().to_vec()
}

/// The SPKI of a kind with another point in it.
fn with_point(kind: KeyType, point: &[u8]) -> Vec<u8> {
    let head = match kind {
        KeyType::P256 => P256_HEAD,
        KeyType::P384 => P384_HEAD,
        KeyType::Ed25519 | KeyType::Rsa => ED25519_HEAD,
    };
    [&spki(kind)[..head], point].concat()
}

fn error(spki: &[u8]) -> Option<KeyError> {
    PublicKey::from_spki(spki).err()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// One DER value with a short or one-byte length.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
    [head.as_slice(), content].concat()
}

#[test]
fn every_kind_is_read_from_der_and_pem() {
    for kind in World::kinds() {
        let signer = world().key(kind, 0);
        let key = PublicKey::from_spki(signer.spki()).unwrap();
        assert_eq!(key.key_type(), kind);
        assert_eq!(PublicKey::from_pem(&signer.pem()).unwrap().id(), key.id());
        assert_eq!(PublicKey::from_pem(&signer.pem().replace('\n', "\r\n")).unwrap().id(), key.id());
        assert_eq!(PublicKey::from_pem(signer.pem().trim_end()).unwrap().id(), key.id());
        assert_ne!(world().key(kind, 1).public().id(), key.id());
    }
}

#[test]
fn points_off_the_curve_are_refused() {
    for (kind, head) in [(KeyType::P256, P256_HEAD), (KeyType::P384, P384_HEAD)] {
        let right = spki(kind);
        for position in head + 1..right.len() {
            let mut changed = right.clone();
            changed[position] ^= 1;
            assert_eq!(error(&changed), Some(KeyError::Point), "{kind:?} byte {position}");
        }
    }
}

#[test]
fn the_identity_and_points_of_special_coordinates_are_refused() {
    for (kind, size) in [(KeyType::P256, 32), (KeyType::P384, 48)] {
        let zeros = vec![0; 2 * size];
        let ones = vec![0xff; 2 * size];
        for (point, expected) in [
            // The identity in its one-byte form, and padded to the length of a point.
            (vec![0], KeyError::Unsupported),
            ([&[0][..], &zeros].concat(), KeyError::Unsupported),
            ([&[4][..], &zeros].concat(), KeyError::Point),
            ([&[4][..], &ones].concat(), KeyError::Point),
            (vec![4], KeyError::Unsupported),
            (Vec::new(), KeyError::Unsupported),
        ] {
            assert_eq!(error(&with_point(kind, &point)), Some(expected), "{kind:?} {point:02x?}");
        }
    }
    // A coordinate that is reduced modulo p: x + p for an x so small that it still fits.
    let p = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
    let y_of_zero = "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4";
    let x_is_zero = [&[4][..], &[0; 32], &unhex(y_of_zero)].concat();
    assert_eq!(error(&with_point(KeyType::P256, &x_is_zero)), None, "x = 0 is on the curve");
    let x_is_p = [&[4][..], &unhex(p), &unhex(y_of_zero)].concat();
    assert_eq!(error(&with_point(KeyType::P256, &x_is_p)), Some(KeyError::Point));
}

#[test]
fn compressed_and_hybrid_points_are_refused() {
    for (kind, head, size) in [(KeyType::P256, P256_HEAD, 32), (KeyType::P384, P384_HEAD, 48)] {
        let right = spki(kind);
        let (x, y) = right[head + 1..].split_at(size);
        let sign = y.last().unwrap() & 1;
        let algorithm = &right[2..head - 3];
        let compressed = [&[0, 2 + sign][..], x].concat();
        let whole = der(0x30, &[algorithm, &der(0x03, &compressed)].concat());
        assert_eq!(error(&whole), Some(KeyError::Unsupported), "{kind:?} compressed");
        assert_eq!(error(&with_point(kind, &compressed[1..])), Some(KeyError::Unsupported), "{kind:?}");
        let hybrid = with_point(kind, &[&[6 + sign][..], x, y].concat());
        assert_eq!(error(&hybrid), Some(KeyError::Unsupported), "{kind:?} hybrid");
    }
}

/// CVE-2020-0601: the curve in the key instead of its name, with P-256's own parameters and the key's own generator.
#[test]
fn explicit_curve_parameters_are_refused() {
    let right = spki(KeyType::P256);
    let prime = unhex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    let a = unhex("ffffffff00000001000000000000000000000000fffffffffffffffffffffffc");
    let b = unhex("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b");
    let order = unhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let integer = |magnitude: &[u8]| der(0x02, &[&[0], magnitude].concat());
    let prime_field = unhex("06072a8648ce3d0101");
    let ec = unhex("06072a8648ce3d0201");
    let point = &right[P256_HEAD..];
    let parameters = [
        der(0x02, &[1]),
        der(0x30, &[prime_field, integer(&prime)].concat()),
        der(0x30, &[der(0x04, &a), der(0x04, &b)].concat()),
        der(0x04, point),
        integer(&order),
        der(0x02, &[1]),
    ]
    .concat();
    let algorithm = der(0x30, &[ec, der(0x30, &parameters)].concat());
    let content = [algorithm, der(0x03, &[&[0], point].concat())].concat();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let explicit = [&[0x30, 0x82][..], &length, &content].concat();
    assert_eq!(error(&explicit), Some(KeyError::Unsupported));
}

#[test]
fn every_other_spelling_of_the_frame_is_refused() {
    for kind in World::kinds() {
        let right = spki(kind);
        let frame = match kind {
            KeyType::P256 => P256_HEAD,
            KeyType::P384 => P384_HEAD,
            KeyType::Ed25519 => ED25519_HEAD,
            // Up to the modulus: SEQUENCE, algorithm, BIT STRING, SEQUENCE, INTEGER.
            KeyType::Rsa => 32,
        };
        for position in 0..frame {
            for bit in 0..8 {
                let mut changed = right.clone();
                changed[position] ^= 1 << bit;
                assert!(error(&changed).is_some(), "{kind:?} bit {bit} of byte {position}");
            }
        }
        for end in 0..right.len() {
            assert!(error(&right[..end]).is_some(), "{kind:?} cut at {end}");
        }
        for tail in [&[0][..], &[0x05, 0x00], &right] {
            assert!(error(&[right.as_slice(), tail].concat()).is_some(), "{kind:?} and more");
        }
        assert!(error(&[&[0][..], &right].concat()).is_some());
    }
}

/// Every point of small order, in every spelling that decodes to one (as listed in "Taming the many EdDSAs", table 4).
#[test]
fn ed25519_points_of_small_order_are_refused() {
    for point in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ] {
        assert_eq!(error(&with_point(KeyType::Ed25519, &unhex(point))), Some(KeyError::Point), "{point}");
    }
}

/// y and y + p are one point; only y below p is its spelling. The 19 values that fit are all there are.
#[test]
fn ed25519_points_that_are_not_canonical_are_refused() {
    for y in 0..19_u8 {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (0xed + y, 0x7f);
        for sign in [0x00, 0x80] {
            bytes[31] = 0x7f | sign;
            assert_eq!(error(&with_point(KeyType::Ed25519, &bytes)), Some(KeyError::Point), "p + {y}");
        }
    }
    // y = 2 has no x: not on the curve.
    let mut bytes = [0; 32];
    bytes[0] = 2;
    assert_eq!(error(&with_point(KeyType::Ed25519, &bytes)), Some(KeyError::Point));
    for length in [0, 31, 33, 64] {
        assert_eq!(
            error(&with_point(KeyType::Ed25519, &vec![1; length])),
            Some(KeyError::Unsupported),
            "{length}"
        );
    }
}

#[test]
fn rsa_parameters_are_bounded() {
    let modulus = |bits: usize, last: u8| {
        let mut bytes = vec![0xa5; bits.div_ceil(8)];
        bytes[0] = 1 << ((bits - 1) % 8);
        *bytes.last_mut().unwrap() = last;
        bytes
    };
    let e = [1, 0, 1];
    for bits in [2048, 2049, 2056, 3072, 4095, 4096] {
        assert_eq!(error(&rsa_spki(&modulus(bits, 0xa5), &e)), None, "{bits} bits");
    }
    for bits in [8, 1024, 2040, 2047, 4097, 4104, 8192] {
        assert_eq!(error(&rsa_spki(&modulus(bits, 0xa5), &e)), Some(KeyError::RsaParameters), "{bits} bits");
    }
    assert_eq!(error(&rsa_spki(&modulus(2048, 0xa4), &e)), Some(KeyError::RsaParameters), "even");
    for exponent in [&[][..], &[1], &[3], &[17], &[1, 0, 0], &[1, 0, 2], &[1, 0, 1, 0], &[0, 1, 0, 1]] {
        let spki = rsa_spki(&modulus(2048, 0xa5), exponent);
        assert_eq!(error(&spki), Some(KeyError::RsaParameters), "{exponent:?}");
    }
    // Leading zeros, and a negative modulus.
    let padded = [&[0, 0][..], &modulus(2048, 0xa5)].concat();
    assert_eq!(error(&rsa_spki(&padded, &e)), Some(KeyError::RsaParameters));
}

#[test]
fn pem_is_one_block_of_the_one_label() {
    let signer = world().p256(0);
    let right = signer.pem();
    let text = STANDARD.encode(signer.spki());
    let framed =
        |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
    for (pem, error) in [
        (String::new(), encoding::Error::Pem),
        (text.clone(), encoding::Error::Pem),
        (framed("CERTIFICATE", &text), encoding::Error::Pem),
        (framed("EC PUBLIC KEY", &text), encoding::Error::Pem),
        (framed("RSA PUBLIC KEY", &text), encoding::Error::Pem),
        (framed("PRIVATE KEY", &text), encoding::Error::Pem),
        (framed("public key", &text), encoding::Error::Pem),
        (format!("{right}{right}"), encoding::Error::Pem),
        (format!("junk\n{right}"), encoding::Error::Pem),
        (format!("{right}junk"), encoding::Error::Pem),
        (right.replace("-----END PUBLIC KEY-----", ""), encoding::Error::Pem),
        (right.replace("END PUBLIC", "END PRIVATE"), encoding::Error::Pem),
        (framed("PUBLIC KEY", &format!("Proc-Type: 4,ENCRYPTED\n\n{text}")), encoding::Error::Pem),
        (framed("PUBLIC KEY", &format!("Comment: x\n\n{text}")), encoding::Error::Character),
        (framed("PUBLIC KEY", &format!(" {text}")), encoding::Error::Character),
        (framed("PUBLIC KEY", &text.replacen('A', "_", 1)), encoding::Error::Character),
        (framed("PUBLIC KEY", text.trim_end_matches('=')), encoding::Error::Length),
        (framed("PUBLIC KEY", &"A".repeat(804)), encoding::Error::TooLong),
    ] {
        assert_eq!(PublicKey::from_pem(&pem).err(), Some(KeyError::Pem(error)), "{pem}");
    }
    assert_eq!(PublicKey::from_pem(&framed("PUBLIC KEY", "")).err(), Some(KeyError::Unsupported));
    // A key whose content is wrong is told as such.
    let mut broken = signer.spki().to_vec();
    *broken.last_mut().unwrap() ^= 1;
    assert_eq!(PublicKey::from_pem(&pem(&broken)).err(), Some(KeyError::Point));
}

#[test]
fn random_bytes_are_no_key() {
    let mut random = pullward_tests::mint::Random::for_test("random_bytes_are_no_key");
    for _ in 0..20_000 {
        let length = random.below(600);
        let noise = random.bytes(length);
        assert!(PublicKey::from_spki(&noise).is_err());
        assert!(PublicKey::from_pem(&pem(&noise)).is_err());
    }
}

#[test]
fn a_large_message_costs_more_only_where_each_key_hashes_it_anew() {
    let large = vec![0_u8; 16 << 20];
    let (large, small) = (Message::new(&large), Message::new(b"small"));
    for kind in [KeyType::P256, KeyType::P384, KeyType::Ed25519, KeyType::Rsa] {
        let key = PublicKey::from_spki(&spki(kind)).unwrap();
        assert_eq!(key.operations(&small), 1, "{kind:?}");
        assert_eq!(key.operations(&large), if kind == KeyType::Ed25519 { 17 } else { 1 }, "{kind:?}");
    }
}
