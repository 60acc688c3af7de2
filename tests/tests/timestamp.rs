//! RFC 3161 timestamps: others' responses row by row, and every byte of one of them changed.

#![expect(
    clippy::unwrap_used,
    reason = "a row that does not read fails its test, and how many there were is said"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullward_core::limits;
use pullward_core::operations::Operations;
use pullward_core::timestamp::{self, Error, VerifiedTimestamp};
use pullward_core::trusted_root::TrustedRoot;
use pullward_core::x509;
use pullward_tests::Corpora;
use serde_json::{Value, json};

/// The base64 bodies of the certificates in a PEM file, in order.
fn certificates(pem: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(pem).unwrap();
    let bodies = text.split("-----BEGIN CERTIFICATE-----").skip(1);
    let body = |block: &str| block.split("-----END").next().unwrap_or_default().split_whitespace().collect();
    bodies.map(body).collect()
}

/// A trusted root with one timestamp authority per chain.
fn root(chains: &[(Vec<String>, Value)]) -> Vec<u8> {
    let authority = |(chain, valid_for): &(Vec<String>, Value)| {
        let certificates: Vec<Value> = chain.iter().map(|raw| json!({"rawBytes": raw})).collect();
        json!({"uri": "https://tsa.example", "validFor": valid_for, "certChain": {"certificates": certificates}})
    };
    let authorities: Vec<Value> = chains.iter().map(authority).collect();
    json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "timestampAuthorities": authorities,
    })
    .to_string()
    .into_bytes()
}

fn always() -> Value {
    json!({"start": "1970-01-01T00:00:00Z"})
}

fn verify(response: &[u8], message: &[u8], root: &[u8]) -> Result<VerifiedTimestamp, Error> {
    let mut scratch = vec![0; limits::CHAIN_BYTES];
    TrustedRoot::check(root, &mut scratch).unwrap();
    let root = TrustedRoot::read(root).unwrap();
    timestamp::verify(response, message, &root, &mut Operations::new(), &mut scratch)
}

fn decoded(bytes: Vec<u8>) -> Vec<u8> {
    // One corpus keeps its token in base64.
    match bytes.first() {
        Some(0x30) => bytes,
        _ => STANDARD.decode(bytes.trim_ascii()).unwrap(),
    }
}

#[test]
fn every_response_of_the_corpus_is_judged_as_it_says() {
    let Some(corpora) = Corpora::at_hand("timestamp") else { return };
    let rows = corpora.manifest("tsa");
    let mut right = 0;
    for row in &rows {
        let input = |name: &str| row["inputs"][name].as_str().map(|path| corpora.bytes(path));
        let chain = input("chain").map(|pem| certificates(&pem)).unwrap_or_default();
        let chains: Vec<_> = if chain.is_empty() { Vec::new() } else { vec![(chain, always())] };
        let verified =
            verify(&decoded(input("response").unwrap()), &input("message").unwrap(), &root(&chains));
        let expected = match row["expect"].as_str().unwrap() {
            "pass" => verified.is_ok(),
            "fail" => verified.is_err(),
            // Read to its end and over the right bytes; there is nobody to believe.
            _ => verified == Err(Error::NoAuthority),
        };
        assert!(expected, "{}: {verified:?}", row["id"]);
        right += 1;
    }
    println!("ran timestamp corpus: {right} of {} rows right", rows.len());
    assert_eq!(right, rows.len());
    assert!(right >= 9, "the corpus has lost rows");
}

struct Material {
    response: Vec<u8>,
    message: Vec<u8>,
    chain: Vec<String>,
}

fn material(corpora: &Corpora) -> Material {
    Material {
        response: corpora.bytes("tsa/sigstage/response-sha256.tsr"),
        message: corpora.bytes("tsa/hello"),
        chain: certificates(&corpora.bytes("tsa/sigstage/ts_chain.pem")),
    }
}

/// A byte that is not signed over may change: in the outer status and in the certificates beside the signer's.
#[test]
fn no_byte_of_a_response_can_be_changed_without_leaving_its_time_alone() {
    let Some(corpora) = Corpora::at_hand("timestamp") else { return };
    let Material { response, message, chain } = material(&corpora);
    let root = root(&[(chain, always())]);
    let whole = verify(&response, &message, &root).unwrap();
    let mut indifferent = 0;
    for at in 0..response.len() {
        for bit in [0x01, 0x80] {
            let mut changed = response.clone();
            changed[at] ^= bit;
            if let Ok(verified) = verify(&changed, &message, &root) {
                assert_eq!(verified, whole, "byte {at}");
                indifferent += 1;
            }
        }
    }
    println!("ran timestamp flips: {indifferent} of {} changes mean nothing", response.len() * 2);
    for end in 0..response.len() {
        assert!(verify(&response[..end], &message, &root).is_err(), "cut at {end}");
    }
    let longer = [response.as_slice(), &[0]].concat();
    assert!(verify(&longer, &message, &root).is_err());
}

#[test]
fn an_authority_is_believed_only_in_its_window_and_never_pooled_with_another() {
    let Some(corpora) = Corpora::at_hand("timestamp") else { return };
    let Material { response, message, chain } = material(&corpora);
    let time = verify(&response, &message, &root(&[(chain.clone(), always())])).unwrap().time();
    let until = |end: u64| {
        let end = pullward_core::time::UnixTime(end).to_string();
        json!({"start": "1970-01-01T00:00:00Z", "end": end})
    };
    assert!(verify(&response, &message, &root(&[(chain.clone(), until(time.0))])).is_ok());
    let retired = (chain.clone(), until(time.0 - 1));
    let error = Error::Certificate(x509::Error::AnchorWindow);
    assert_eq!(verify(&response, &message, &root(std::slice::from_ref(&retired))), Err(error));
    // T-26: another authority that is open then does not lend its window.
    let other = certificates(&corpora.bytes("tsa/test_tsa/ts_chain.pem"));
    for order in [[retired.clone(), (other.clone(), always())], [(other, always()), retired]] {
        assert_eq!(verify(&response, &message, &root(&order)), Err(error));
    }
}

#[test]
fn without_an_authority_nothing_is_believed() {
    let Some(corpora) = Corpora::at_hand("timestamp") else { return };
    let Material { response, message, .. } = material(&corpora);
    assert_eq!(verify(&response, &message, &root(&[])), Err(Error::NoAuthority));
}

/// T-27: where the root names the authority's leaf, another certificate of the same issuer is not it.
#[test]
fn a_signer_other_than_the_named_leaf_is_refused() {
    let Some(corpora) = Corpora::at_hand("timestamp") else { return };
    let Material { response, message, chain } = material(&corpora);
    let other = certificates(&corpora.bytes("tsa/test_tsa/ts_chain.pem"));
    let swapped: Vec<String> = [other[0].clone()].into_iter().chain(chain[1..].iter().cloned()).collect();
    assert_eq!(verify(&response, &message, &root(&[(swapped, always())])), Err(Error::OtherSigner));
}

#[test]
fn what_is_no_token_is_refused_by_what_is_wrong() {
    let Some(corpora) = Corpora::at_hand("timestamp") else { return };
    let Material { response, message, chain } = material(&corpora);
    let root = root(&[(chain, always())]);
    assert_eq!(verify(&response, b"another message", &root), Err(Error::Imprint));
    assert_eq!(verify(&vec![0x30; limits::TIMESTAMP_BYTES + 1], &message, &root), Err(Error::TooLarge));
    assert!(matches!(verify(&[], &message, &root), Err(Error::Der(_))));
    // PKIStatus rejection (2), nothing granted.
    assert_eq!(verify(&[0x30, 5, 0x30, 3, 2, 1, 2], &message, &root), Err(Error::NotGranted));
}

#[test]
fn operations_are_bounded() {
    let Some(corpora) = Corpora::at_hand("timestamp") else { return };
    let Material { response, message, chain } = material(&corpora);
    let bytes = root(&[(chain, always())]);
    let root = TrustedRoot::read(&bytes).unwrap();
    let mut scratch = vec![0; limits::CHAIN_BYTES];
    for left in 0..2 {
        let mut operations = Operations::at_most(left);
        let verified = timestamp::verify(&response, &message, &root, &mut operations, &mut scratch);
        assert_eq!(verified, Err(Error::Operations), "{left}");
    }
}
