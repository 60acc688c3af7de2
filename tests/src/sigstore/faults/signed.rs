//! What is signed, and with what.

use pullward_core::oci::Digest;
use serde_json::{Value, json};

use super::super::bundle::{CERTIFICATE, SIGNATURE};
use super::super::forge::{about, artifact};
use super::super::{Form, Shape, sha256, sign};
use super::{Fault, always};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "signature over something else (T-01)",
        applies: always,
        step: |forge| forge.message = Some(b"something else".to_vec()),
    },
    Fault {
        name: "signature over the hash of what it is to be over",
        applies: always,
        step: |forge| forge.message = Some(sha256(&forge.message_bytes())),
    },
    Fault {
        name: "signature by another key",
        applies: always,
        step: |forge| {
            let signature = sign(&forge.sigstore.new_key(), &forge.message_bytes());
            forge.signature = Some(signature);
        },
    },
    Fault {
        name: "no bytes for a signature",
        applies: always,
        step: |forge| forge.signature = Some(Vec::new()),
    },
    Fault {
        name: "one bit of the signature changed (T-17)",
        applies: always,
        step: |forge| {
            forge.after.push(|sending| {
                let last = sending.signature.len() - 1;
                sending.signature[last] ^= 1;
            });
        },
    },
    Fault {
        name: "honest, about another image",
        applies: always,
        step: |forge| forge.content = about(forge.shape.form, "other"),
    },
    Fault {
        name: "payload replaced after signing",
        applies: |shape| !is_message(shape),
        step: |forge| {
            forge.content = about(forge.shape.form, "other");
            forge.after.push(|sending| {
                let text = String::from_utf8(sending.content.clone()).unwrap();
                let [from, to] = ["other", "app"].map(|name| Digest::of(&artifact(Form::Signature, name)));
                *sending.content = text.replace(from.hex().as_str(), to.hex().as_str()).into_bytes();
            });
        },
    },
    Fault {
        name: "artifact replaced after signing",
        applies: is_message,
        step: |forge| forge.artifact = b"other".to_vec(),
    },
    Fault {
        name: "payload type replaced after signing",
        applies: |shape| shape.form.is_envelope(),
        step: |forge| {
            forge.payload_type = "text/plain".into();
            forge.after.push(|sending| *sending.payload_type = "application/vnd.in-toto+json".into());
        },
    },
    Fault {
        name: "payload of another type, signed honestly",
        applies: |shape| shape.form.is_envelope(),
        step: |forge| forge.payload_type = "text/plain".into(),
    },
    Fault {
        name: "one bit of the certificate changed",
        applies: always,
        step: |forge| {
            forge.after.push(|sending| {
                let middle = sending.certificate.len() / 2;
                sending.certificate[middle] ^= 1;
            });
        },
    },
    Fault {
        name: "message digest of something else (T-16)",
        applies: is_message,
        step: |forge| {
            forge.json.push(|bundle| {
                let zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
                bundle["messageSignature"]["messageDigest"]["digest"] = zeros.into();
            });
        },
    },
    Fault {
        name: "two signatures in the envelope",
        applies: |shape| matches!(shape.form, Form::Envelope(_)),
        step: |forge| {
            forge.json.push(|bundle| {
                let signatures = bundle["dsseEnvelope"]["signatures"].as_array_mut().unwrap();
                signatures.push(signatures[0].clone());
            });
        },
    },
    Fault {
        name: "no signature in the envelope",
        applies: |shape| matches!(shape.form, Form::Envelope(_)),
        step: |forge| forge.json.push(|bundle| bundle["dsseEnvelope"]["signatures"] = json!([])),
    },
    Fault {
        name: "media type of no version",
        applies: is_bundle,
        step: |forge| {
            forge.json.push(|bundle| {
                bundle["mediaType"] = "application/vnd.dev.sigstore.bundle.v0.9+json".into();
            });
        },
    },
    Fault {
        name: "no certificate in the bundle",
        applies: is_bundle,
        step: |forge| forge.json.push(drop_certificate),
    },
    Fault {
        name: "hint of a key instead of the certificate",
        applies: is_bundle,
        step: |forge| {
            forge.json.push(|bundle| {
                drop_certificate(bundle);
                bundle["verificationMaterial"]["publicKey"] = json!({ "hint": "" });
            });
        },
    },
    Fault {
        name: "no certificate in the annotations",
        applies: |shape| !is_bundle(shape),
        step: |forge| forge.annotations.push(|all| drop(all.remove(CERTIFICATE))),
    },
    Fault {
        name: "no signature in the annotations",
        applies: |shape| shape.form == Form::Signature,
        step: |forge| forge.annotations.push(|all| drop(all.insert(SIGNATURE.into(), String::new()))),
    },
    Fault {
        name: "another identity is asked for",
        applies: always,
        step: |forge| forge.identity.subject.push('x'),
    },
    Fault {
        name: "another provider is asked for",
        applies: always,
        step: |forge| forge.identity.issuer.push('x'),
    },
    Fault {
        name: "another instance is believed (T-21)",
        applies: always,
        step: |forge| {
            forge.root = if forge.shape.kind.is_some() {
                forge.stranger.trusted_root()
            } else {
                forge.stranger.trusted_root_without_logs()
            };
        },
    },
    Fault {
        name: "no certificate authority is believed (T-29)",
        applies: always,
        step: |forge| forge.root["certificateAuthorities"] = json!([]),
    },
    Fault {
        name: "the certificate authority is not believed any more (T-26)",
        applies: always,
        step: |forge| {
            forge.root["certificateAuthorities"][0]["validFor"]["end"] = "2025-03-01T12:00:04Z".into();
        },
    },
];

fn is_bundle(shape: Shape) -> bool {
    shape.form.version().is_some()
}

fn is_message(shape: Shape) -> bool {
    matches!(shape.form, Form::Message(_))
}

fn drop_certificate(bundle: &mut Value) {
    let material = bundle["verificationMaterial"].as_object_mut().unwrap();
    material.remove("certificate");
    material.remove("x509CertificateChain");
}
