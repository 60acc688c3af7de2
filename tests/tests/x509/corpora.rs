//! The corpus `x509` row by row, and every certificate that a bundle of the corpora is signed with.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullward_core::keyless::{Error, SelfIssued, SentCertificates, VerifiedCertificate, verify_certificate};
use pullward_core::operations::Operations;
use pullward_core::sct;
use pullward_core::signature::{KeyError, KeyType, PublicKey};
use pullward_core::time::UnixTime;
use pullward_core::trusted_root::TrustedRoot;
use pullward_core::x509::{self, Certificate, Purpose, check_authority, check_leaf};
use pullward_core::{encoding, limits};
use pullward_tests::Corpora;
use serde_json::{Value, json};

/// The certificates in a PEM file, whatever stands around them.
fn certificates(pem: &str) -> Vec<Vec<u8>> {
    let blocks = pem.split("-----BEGIN CERTIFICATE-----").skip(1);
    let bodies = blocks.map(|block| block.split_once("-----END CERTIFICATE-----").unwrap().0);
    bodies.map(|body| STANDARD.decode(body.split_whitespace().collect::<String>()).unwrap()).collect()
}

/// The certificate in a PEM file.
fn certificate(pem: &[u8]) -> Vec<u8> {
    certificates(std::str::from_utf8(pem).unwrap()).remove(0)
}

/// What is expected of each row of kind `x509-certificate`: as an authority, and as a leaf.
fn expected(name: &str) -> (Result<(), x509::Error>, Result<(), x509::Error>) {
    use x509::Error::{LeafIsAuthority, LeafKeyUsage, NotAuthority};
    match name {
        "bogus-intermediate-with-eku.pem" | "bogus-intermediate.pem" | "bogus-root.pem" => {
            (Ok(()), Err(LeafIsAuthority))
        }
        "bogus-root-invalid-ku.pem" | "bogus-root-missing-ku.pem" | "bogus-root-noncritical-bc.pem" => {
            (Err(NotAuthority), Err(LeafIsAuthority))
        }
        "bogus-leaf-invalid-ku.pem" => (Err(NotAuthority), Err(LeafKeyUsage)),
        "bogus-leaf-missing-eku.pem" => (Err(NotAuthority), Err(x509::Error::Purpose)),
        other => panic!("{other} is not known here"),
    }
}

#[test]
fn every_row_of_the_corpus_x509_gets_the_expected_answer() {
    let Some(corpora) = Corpora::at_hand("x509") else { return };
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for row in corpora.manifest("x509") {
        let (id, kind) = (row["id"].as_str().unwrap(), row["kind"].as_str().unwrap());
        let file = |name: &str| corpora.bytes(row["inputs"][name].as_str().unwrap());
        match kind {
            "x509-certificate" => {
                let der = certificate(&file("cert"));
                let read = Certificate::read(&der).unwrap_or_else(|error| panic!("{id}: {error:?}"));
                let (authority, leaf) = expected(id.rsplit('/').next().unwrap());
                assert_eq!(check_authority(&read, 0, &[], Purpose::CodeSigning), authority, "{id}");
                assert_eq!(check_leaf(&read, &[], Purpose::CodeSigning), leaf, "{id}");
            }
            "ct-sct-samples" => check_ct_samples(&corpora, row["inputs"]["dir"].as_str().unwrap()),
            "ct-key-or-cert" => check_key(id, &file("file")),
            other => panic!("{id}: {other} is not known here"),
        }
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    println!("corpus x509: {} rows: {kinds:?}", kinds.values().sum::<usize>());
    assert_eq!(kinds.values().sum::<usize>(), 13);
}

fn check_key(id: &str, bytes: &[u8]) {
    let name = id.rsplit('/').next().unwrap();
    let from_pem = || PublicKey::from_pem(std::str::from_utf8(bytes).unwrap()).map(|key| key.key_type());
    match name {
        "google" => assert_eq!(from_pem(), Ok(KeyType::Rsa)),
        // A bare RSAPublicKey. Its bytes are no SPKI, so that its SHA-256 is no log id; the one root of the corpora that
        // has such a key calls its kind by a deprecated name, and is read without it.
        "rsa" => assert_eq!(from_pem(), Err(KeyError::Pem(encoding::Error::Pem))),
        "letsencrypt-testflume-2021" => {
            assert_eq!(PublicKey::from_spki(bytes).map(|key| key.key_type()), Ok(KeyType::P256));
        }
        "garbage-there-are-limits" => {
            assert_eq!(from_pem(), Err(KeyError::Pem(encoding::Error::Pem)));
            assert_eq!(PublicKey::from_spki(bytes).map(|key| key.id()), Err(KeyError::Unsupported));
            assert!(Certificate::read(bytes).is_err());
        }
        other => panic!("{other} is not known here"),
    }
}

/// The samples of RFC 6962's own implementation: their keys are too short for us to make a path of, their SCT is right.
fn check_ct_samples(corpora: &Corpora, dir: &str) {
    let der = |name: &str| certificate(&corpora.bytes(&format!("{dir}/{name}")));
    let (authority, embedded, poisoned) =
        (der("ca-cert.pem"), der("cert-ct-embedded.pem"), der("cert-ct-poisoned.pem"));
    let plain = der("cert.pem");
    let [authority, embedded, poisoned, plain] =
        [&authority, &embedded, &poisoned, &plain].map(|der| Certificate::read(der).unwrap());
    let key = corpora.bytes(&format!("{dir}/ct-server-key-public.pem"));
    let key = std::str::from_utf8(&key).unwrap().to_owned();
    let id = PublicKey::from_pem(&key).unwrap().id().0;
    let spki: String = key.lines().filter(|line| !line.starts_with('-')).collect();
    let root = |start: &str| {
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "ctlogs": [{
                "hashAlgorithm": "SHA2_256",
                "logId": { "keyId": STANDARD.encode(id) },
                "publicKey": {
                    "rawBytes": spki, "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": { "start": start }
                }
            }]
        })
        .to_string()
    };
    let mut scratch = vec![0; limits::VERIFY_CERTIFICATE_BYTES];
    let mut verify = |leaf: &Certificate<'_>, issuer: &Certificate<'_>, start: &str| {
        let root = root(start);
        let root = TrustedRoot::check(root.as_bytes(), &mut scratch).unwrap();
        let logs = sct::verify(leaf, issuer, &root, &mut Operations::new(), &mut scratch);
        logs.map(|logs| logs.ids().to_vec())
    };
    assert_eq!(verify(&embedded, &authority, "2013-01-01T00:00:00Z"), Ok(vec![id]));
    assert_eq!(verify(&embedded, &embedded, "2013-01-01T00:00:00Z"), Err(sct::Error::Signature));
    assert_eq!(verify(&embedded, &authority, "2014-01-01T00:00:00Z"), Err(sct::Error::LogWindow));
    assert_eq!(verify(&plain, &authority, "2013-01-01T00:00:00Z"), Err(sct::Error::Missing));
    assert_eq!(verify(&poisoned, &authority, "2013-01-01T00:00:00Z"), Err(sct::Error::Missing));
    assert_eq!(check_leaf(&poisoned, &[], Purpose::CodeSigning), Err(x509::Error::CriticalExtension));
    assert_eq!(embedded.signature_algorithm(), Err(x509::Error::SignatureAlgorithm));
    assert_eq!(authority.public_key().map(|key| key.id()), Err(x509::Error::Key(KeyError::RsaParameters)));
}

/// Certificates of a bundle, the leaf first.
fn sent(bundle: &Value) -> Vec<Vec<u8>> {
    let material = &bundle["verificationMaterial"];
    let chain = material["x509CertificateChain"]["certificates"].as_array();
    let certificates = chain.map_or_else(|| vec![&material["certificate"]], |chain| chain.iter().collect());
    let raw = certificates.into_iter().filter_map(|certificate| certificate["rawBytes"].as_str());
    raw.map(|text| STANDARD.decode(text).unwrap()).collect()
}

/// The times that the bundle's log entries say, not verified here; the start of the leaf's validity where there are none.
fn times(bundle: &Value, leaf: &[u8]) -> Vec<UnixTime> {
    let entries = bundle["verificationMaterial"]["tlogEntries"].as_array();
    let seconds =
        entries.into_iter().flatten().filter_map(|entry| entry["integratedTime"].as_str()?.parse().ok());
    let times: Vec<UnixTime> = seconds.filter(|seconds| *seconds > 0).map(UnixTime).collect();
    let start = || Certificate::read(leaf).map(|leaf| leaf.not_before()).into_iter().collect();
    if times.is_empty() { start() } else { times }
}

fn verify<'e>(
    bundle: &Value,
    certificates: &'e [Vec<u8>],
    root: &[u8],
    times: &[UnixTime],
    scratch: &mut [u8],
) -> Result<VerifiedCertificate<'e>, Error> {
    let others: Vec<&[u8]> = certificates[1..].iter().map(Vec::as_slice).collect();
    let first_version = bundle["mediaType"].as_str().is_some_and(|media_type| media_type.ends_with("=0.1"));
    let self_issued = if first_version { SelfIssued::LeaveOutLast } else { SelfIssued::Refuse };
    let sent = SentCertificates { leaf: &certificates[0], others: &others, self_issued };
    let root = TrustedRoot::check(root, scratch).map_err(Error::TrustedRoot)?;
    verify_certificate(&sent, &root, times, UnixTime(1_800_000_000), &mut Operations::new(), scratch)
}

/// Rows that fail because of their certificates, and why.
fn failing(id: &str) -> Option<Error> {
    let error = match id {
        // Expected to pass, and it would with P-521, which nothing but this one sample asks for.
        "sigstore-clients/java/PKIX_ECDSA_P521_SHA_512.sigstore.json" => {
            Error::Certificate(x509::Error::Key(KeyError::Unsupported))
        }
        "conformance/bundle-from-wrong-instance_fail" => Error::Certificate(x509::Error::Signature),
        "conformance/bundle-with-root-cert_fail" => Error::RootSent,
        "conformance/invalid-ct-key_fail" => Error::Sct(sct::Error::UnknownLog),
        "conformance/intoto-expired-certificate_fail" => Error::Certificate(x509::Error::Expired),
        _ => return None,
    };
    Some(error)
}

#[test]
fn the_certificate_of_every_bundle_that_passes_counts_and_names_who_signed() {
    let Some(corpora) = Corpora::at_hand("certificates of bundles") else { return };
    let mut scratch = vec![0; limits::VERIFY_CERTIFICATE_BYTES];
    let (mut passed, mut failed, mut without) = (0, 0, 0);
    for corpus in ["conformance", "sigstore-clients", "npm", "slsa-bundles", "cosign-v3-capture"] {
        for row in corpora.manifest(corpus) {
            let (id, inputs) = (row["id"].as_str().unwrap(), &row["inputs"]);
            let (Some(path), Some(root)) = (inputs["bundle"].as_str(), inputs["trusted_root"].as_str())
            else {
                without += 1;
                continue;
            };
            let bytes = corpora.bytes(path);
            let text = String::from_utf8(bytes).unwrap();
            let Ok(bundle) = serde_json::from_str::<Value>(&text) else {
                without += 1;
                continue;
            };
            let certificates = sent(&bundle);
            if certificates.is_empty() {
                without += 1;
                continue;
            }
            let times = times(&bundle, &certificates[0]);
            let document = corpora.bytes(root);
            // Several roots in one file are asked one by one; the first that believes the certificate answers.
            let roots: Vec<&[u8]> = if root.ends_with("jsonl") {
                document.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect()
            } else {
                vec![&document]
            };
            let mut made = Err(Error::NoAuthority);
            for root in roots {
                made = made.or_else(|_| verify(&bundle, &certificates, root, &times, &mut scratch));
            }
            if let Some(expected) = failing(id) {
                assert_eq!(made.map(|_| ()), Err(expected), "{id}");
                failed += 1;
            } else if row["expect"] == "pass" {
                let verified = made.unwrap_or_else(|error| panic!("{id}: {error:?}"));
                if let Some(identity) = inputs["identity"].as_str() {
                    assert_eq!(verified.identity().subject().text(), identity, "{id}");
                }
                if let Some(issuer) = inputs["issuer"].as_str() {
                    assert_eq!(verified.identity().issuer(), issuer, "{id}");
                }
                passed += 1;
            } else {
                // What is wrong with these, if anything, is not their certificates.
                without += 1;
            }
        }
    }
    println!(
        "bundles: {passed} certificates count, {failed} do not as expected, {without} rows without either"
    );
}

/// Certificates beside signatures, outside bundles: in DSSE's `cert`, and in cosign's annotations.
fn legacy(document: &Value) -> Vec<Vec<Vec<u8>>> {
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let signatures = document["signatures"].as_array().into_iter().flatten();
    let bare = signatures.map(|signature| text(signature, "cert"));
    let layers = document["layers"].as_array().into_iter().flatten().map(|layer| &layer["annotations"]);
    let annotated = layers.chain([document]).map(|annotations| {
        text(annotations, "dev.sigstore.cosign/certificate") + &text(annotations, "dev.sigstore.cosign/chain")
    });
    bare.chain(annotated).map(|pem| certificates(&pem)).filter(|chain| !chain.is_empty()).collect()
}

#[test]
fn certificates_outside_bundles_count_with_the_root_that_cosign_writes_behind_them() {
    let Some(corpora) = Corpora::at_hand("certificates outside bundles") else { return };
    let mut scratch = vec![0; limits::VERIFY_CERTIFICATE_BYTES];
    let first_version = json!({ "mediaType": "=0.1" });
    let (mut counted, mut with_root) = (0, 0);
    for corpus in ["slsa-oci-att", "cosign-sig", "dsse-legacy-cert"] {
        for row in corpora.manifest(corpus) {
            let (id, inputs) = (row["id"].as_str().unwrap(), &row["inputs"]);
            let chains_up =
                row["expect"] == "pass" || row["expect_detail"]["cert_chains_to_public_good"] == true;
            let Some(root) = inputs["trusted_root"].as_str().filter(|_| chains_up) else { continue };
            let documents = match (inputs["oci_layout"].as_str(), inputs["annotations"].as_str()) {
                (Some(layout), _) => corpora.files(&format!("{layout}/blobs/sha256")),
                (None, Some(annotations)) => vec![corpora.bytes(annotations)],
                (None, None) => {
                    inputs["envelope"].as_str().map(|path| corpora.bytes(path)).into_iter().collect()
                }
            };
            let documents = documents.iter().flat_map(|bytes| bytes.split(|byte| *byte == b'\n'));
            let documents = documents.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
            let root = corpora.bytes(root);
            for chain in documents.flat_map(|document| legacy(&document)) {
                let time = Certificate::read(&chain[0]).unwrap().not_before();
                let verified = verify(&first_version, &chain, &root, &[time], &mut scratch);
                let verified = verified.unwrap_or_else(|error| panic!("{id}: {error:?}"));
                if let Some(identity) = inputs["identity"].as_str() {
                    assert_eq!(verified.identity().subject().text(), identity, "{id}");
                }
                let last = Certificate::read(chain.last().unwrap()).unwrap();
                with_root += usize::from(last.is_self_issued());
                counted += 1;
            }
        }
    }
    println!("outside bundles: {counted} certificates count, {with_root} of them with a root sent along");
    assert!(counted >= 20 && with_root >= 5, "{counted} {with_root}");
}
