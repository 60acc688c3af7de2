//! The cases that are measured: one key, one image, one signature for ever, so that the instruction count changes only with the
//! code. cosign's keys and signatures are new in each run, and verification in variable time is 2 % faster with some of them.
//!
//! The key is no secret and none is stored: it is made of a name, and signs as RFC 6979 says, without chance.

use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use p256::ecdsa::{Signature, SigningKey};
use sha2::{Digest as _, Sha256};

use super::cases::{Draft, DraftTrust, Keys, NOW, SIGN};
use super::forge::{
    IN_TOTO, Piece, base64, bundle_of, envelope_of, hex_of, pae, payload_of, spki_pem, statement_of,
    subject_of,
};
use super::trust::{Payload, Rule, authority_of_spki};

/// SPKI of a P-256 key up to its point (RFC 5480).
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

pub(crate) fn measured() -> Vec<Draft> {
    let key = SigningKey::from_slice(&Sha256::digest(b"pullward golden verdicts")).unwrap();
    let sign = |message: &[u8]| {
        let signature: Signature = key.sign_prehash(&Sha256::digest(message)).unwrap();
        base64(signature.to_der().as_bytes())
    };
    let point = key.verifying_key().to_sec1_point(false);
    let spki = [&P256_PREFIX[..], point.as_bytes()].concat();
    let digest = format!("sha256:{}", hex_of(b"pullward golden image"));

    let payload = payload_of(&digest);
    let legacy = Piece::Simple { signature: sign(payload.as_bytes()), payload: payload.into_bytes() };
    let statement = statement_of("v1", &subject_of(&digest), SIGN);
    let signature = sign(&pae(IN_TOTO, &statement));
    let bundle = bundle_of(&envelope_of(IN_TOTO, &statement, &[("", &signature)]));
    let bundle_trust = Payload::new(
        &[authority_of_spki("release", &base64(&spki))],
        &[Rule::new("app", "docker.io/kcandidate/**").text()],
    );
    let case = |name, expected, trust, piece: &Piece| Draft {
        name,
        expected,
        keys: Keys::P256,
        reference: Some("docker.io/kcandidate/app:v1".to_owned()),
        digest: digest.clone(),
        time: NOW,
        pod_namespace: None,
        trust,
        trouble: None,
        evidence: vec![piece.clone()],
    };
    let pem = || DraftTrust::Key(spki_pem(&spki));
    vec![
        case("measured-legacy-signature", "allow signed -", pem(), &legacy),
        case("measured-bundle", "allow signed -", pem(), &bundle),
        case("measured-rule", "allow signed app", DraftTrust::Payload(bundle_trust.text()), &bundle),
    ]
}
