//! When it was signed, and who says so.

use pullward_core::time::UnixTime;
use serde_json::json;

use super::super::timestamp::{SHA1, Token};
use super::super::{KeylessForge, Shape, TimeSource};
use super::Fault;
use crate::mint::certificate::time;
use crate::mint::instant;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "log's time before the certificate",
        applies: Shape::has_promise,
        step: |forge| forge.signed_at[0].0 -= 6,
    },
    Fault {
        name: "log's time after the certificate",
        applies: Shape::has_promise,
        step: |forge| forge.signed_at[0].0 += 600,
    },
    Fault {
        name: "log's time in the future (T-33)",
        applies: Shape::has_promise,
        step: |forge| {
            forge.signed_at[0] = UnixTime(forge.now.0 + 1);
            forge.leaf.certificate.validity[1] = time(UnixTime(forge.now.0 + 600));
        },
    },
    Fault {
        name: "no timestamp",
        applies: |shape| shape.time == TimeSource::Timestamp,
        step: |forge| forge.tokens.clear(),
    },
    Fault {
        name: "no timestamp authority is believed (T-29)",
        applies: |shape| shape.time == TimeSource::Timestamp,
        step: |forge| forge.root["timestampAuthorities"] = json!([]),
    },
    Fault {
        name: "timestamp over the payload instead of the signature",
        applies: Shape::has_timestamp,
        step: |forge| set(forge, |forge, _| forge.token(&forge.content).response()),
    },
    Fault {
        name: "timestamp over another signature",
        applies: Shape::has_timestamp,
        step: |forge| set(forge, |forge, _| forge.token(b"another signature").response()),
    },
    Fault {
        name: "timestamp by an authority that nobody believes",
        applies: Shape::has_timestamp,
        step: |forge| {
            set(forge, |forge, signature| forge.stranger.tsa.token(signature, forge.signed_at[1]).response());
        },
    },
    Fault {
        name: "timestamp by an authority that was retired (T-26)",
        applies: Shape::has_timestamp,
        step: |forge| {
            set(forge, |forge, signature| {
                forge.sigstore.retired_tsa.token(signature, forge.signed_at[1]).response()
            });
        },
    },
    Fault {
        name: "timestamp before the certificate",
        applies: Shape::has_timestamp,
        step: |forge| forge.signed_at[1].0 -= 6,
    },
    Fault {
        name: "timestamp after the certificate",
        applies: Shape::has_timestamp,
        step: |forge| forge.signed_at[1].0 += 600,
    },
    Fault {
        name: "timestamp in the future (T-33)",
        applies: Shape::has_timestamp,
        step: |forge| {
            forge.signed_at[1] = UnixTime(forge.now.0 + 1);
            forge.leaf.certificate.validity[1] = time(UnixTime(forge.now.0 + 600));
        },
    },
    Fault {
        name: "timestamp outside of the authority's own certificate",
        applies: Shape::has_timestamp,
        step: |forge| {
            let early = instant("2023-06-01T00:00:00Z");
            forge.signed_at[1] = early;
            forge.leaf.certificate.validity[0] = time(UnixTime(early.0 - 5));
        },
    },
    Fault {
        name: "two timestamps, the second outside of the certificate (T-25)",
        applies: |shape| shape.has_timestamp() && shape.form.version().is_some(),
        step: |forge| {
            forge.tokens.push(|forge, signature| late(forge, signature).response());
        },
    },
    Fault {
        name: "two timestamps, the first outside of the certificate (T-25)",
        applies: |shape| shape.has_timestamp() && shape.form.version().is_some(),
        step: |forge| {
            forge.tokens.insert(0, |forge, signature| late(forge, signature).response());
        },
    },
    Fault {
        name: "timestamp that was not granted",
        applies: Shape::has_timestamp,
        step: |forge| set(forge, |forge, signature| change(forge, signature, |token| token.status = 2)),
    },
    Fault {
        name: "timestamp with an imprint by SHA-1 (T-28)",
        applies: Shape::has_timestamp,
        step: |forge| {
            set(forge, |forge, signature| {
                change(forge, signature, |token| token.imprint = (SHA1, vec![0; 20]))
            });
        },
    },
    Fault {
        name: "timestamp of two signers (T-47)",
        applies: Shape::has_timestamp,
        step: |forge| set(forge, |forge, signature| change(forge, signature, |token| token.signers = 2)),
    },
    Fault {
        name: "timestamp of no signer (T-47)",
        applies: Shape::has_timestamp,
        step: |forge| set(forge, |forge, signature| change(forge, signature, |token| token.signers = 0)),
    },
    Fault {
        name: "timestamp that names another certificate as its signer's (T-27)",
        applies: Shape::has_timestamp,
        step: |forge| set(forge, |forge, signature| change(forge, signature, |token| token.signer[0] ^= 1)),
    },
    Fault {
        name: "timestamp whose attributes are about another content",
        applies: Shape::has_timestamp,
        step: |forge| {
            set(forge, |forge, signature| change(forge, signature, |token| token.digest = Some(vec![0; 32])));
        },
    },
    Fault {
        name: "timestamp with somebody's signature",
        applies: Shape::has_timestamp,
        step: |forge| {
            set(forge, |forge, signature| {
                let wrong = super::super::sign(&forge.stranger.tsa.key, b"anything");
                let mut token = forge.token(signature);
                token.signature = Some(wrong);
                token.response()
            });
        },
    },
    Fault {
        name: "timestamp that is none",
        applies: Shape::has_timestamp,
        step: |forge| set(forge, |_, _| vec![0x30, 0x00]),
    },
];

pub(super) const VARIATIONS: &[Fault] = &[
    Fault {
        name: "timestamp without certificates",
        applies: Shape::has_timestamp,
        step: |forge| {
            set(forge, |forge, signature| change(forge, signature, |token| token.certificates.clear()));
        },
    },
    Fault {
        name: "timestamp with certificates of others beside",
        applies: Shape::has_timestamp,
        step: |forge| {
            set(forge, |forge, signature| {
                let mut token = forge.token(signature);
                token.certificates.insert(0, forge.stranger.tsa.certificates()[0].to_vec());
                token.response()
            });
        },
    },
    Fault {
        name: "timestamp with an imprint by SHA-512",
        applies: Shape::has_timestamp,
        step: |forge| {
            set(forge, |forge, signature| {
                let mut token = forge.token(signature);
                token.imprint_sha512(signature);
                token.response()
            });
        },
    },
    Fault {
        name: "two timestamps, both right",
        applies: |shape| shape.has_timestamp() && shape.form.version().is_some(),
        step: |forge| {
            forge.tokens.push(|forge, signature| {
                let mut token = forge.token(signature);
                token.time.0 += 1;
                token.response()
            });
        },
    },
];

fn set<'s>(forge: &mut KeylessForge<'s>, token: fn(&KeylessForge<'s>, &[u8]) -> Vec<u8>) {
    forge.tokens = vec![token];
}

fn change(forge: &KeylessForge<'_>, signature: &[u8], change: fn(&mut Token<'_>)) -> Vec<u8> {
    let mut token = forge.token(signature);
    change(&mut token);
    token.response()
}

fn late<'s>(forge: &KeylessForge<'s>, signature: &[u8]) -> Token<'s> {
    let mut token = forge.token(signature);
    token.time.0 += 600;
    token
}
