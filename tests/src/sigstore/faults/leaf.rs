//! The certificate, its chain and its SCTs.

use pullward_core::signature::KeyType;
use pullward_core::time::UnixTime;

use super::super::fulcio::Sct;
use super::super::{Form, Validity};
use super::{Fault, always, logged};
use crate::mint::certificate::{
    ALTERNATIVE_NAME, ANY_PURPOSE, CODE_SIGNING, CertificateForge, EMAIL, EXTENDED_KEY_USAGE, Extension,
    FULCIO, KEY_USAGE, SERVER_AUTH, TIME_STAMPING, URI, time,
};
use crate::mint::instant;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "leaf without a purpose",
        applies: always,
        step: |forge| forge.leaf.certificate.remove(EXTENDED_KEY_USAGE),
    },
    Fault {
        name: "leaf for servers",
        applies: always,
        step: |forge| forge.leaf.certificate.set(Extension::purposes(&[SERVER_AUTH])),
    },
    Fault {
        name: "leaf for timestamps",
        applies: always,
        step: |forge| forge.leaf.certificate.set(Extension::purposes(&[TIME_STAMPING])),
    },
    Fault {
        name: "leaf for any purpose",
        applies: always,
        step: |forge| forge.leaf.certificate.set(Extension::purposes(&[ANY_PURPOSE])),
    },
    Fault {
        name: "leaf is an authority",
        applies: always,
        step: |forge| forge.leaf.certificate.set(Extension::basic_constraints(true, None)),
    },
    Fault {
        name: "leaf may only sign certificates",
        applies: always,
        step: |forge| forge.leaf.certificate.set(Extension::key_usage(5)),
    },
    Fault {
        name: "leaf with an unknown critical extension",
        applies: always,
        step: |forge| {
            let unknown = Extension::new(&[0x2a, 0x03, 0x04], true, vec![0x05, 0x00]);
            forge.leaf.certificate.set(unknown);
        },
    },
    Fault {
        name: "leaf signed by a stranger of the same name (T-49)",
        applies: always,
        step: |forge| forge.leaf.issuer = &forge.stranger.fulcio.issuer,
    },
    Fault {
        name: "leaf below a stranger's certificate of the same name, which is sent",
        applies: |shape| {
            shape.form.version().is_none_or(|version| version != super::super::BundleVersion::Three)
        },
        step: |forge| {
            let root = CertificateForge::authority(
                &forge.sigstore.fulcio.name,
                "fulcio.virtual root",
                &forge.stranger.fulcio.issuer,
                Validity::long().ends(),
            );
            forge.leaf.issuer = &forge.stranger.fulcio.issuer;
            forge.others = vec![root.sign(&forge.stranger.fulcio.root)];
        },
    },
    Fault {
        name: "leaf of a stranger, whose root is sent (T-42)",
        applies: |shape| {
            shape.form.version().is_none_or(|version| version != super::super::BundleVersion::Three)
        },
        step: |forge| {
            let stranger = &forge.stranger.fulcio;
            forge.leaf = stranger.leaf(
                &forge.identity,
                &forge.key,
                &forge.sigstore.ct,
                UnixTime(forge.signed_at[0].0 - 5),
                &mut forge.stranger.random.borrow_mut(),
            );
            forge.others = stranger.certificates().map(<[u8]>::to_vec).to_vec();
        },
    },
    Fault {
        name: "root sent in a bundle of v0.2 (T-42)",
        applies: |shape| shape.form.version() == Some(super::super::BundleVersion::Two),
        step: |forge| forge.others.push(forge.sigstore.fulcio.certificates()[1].to_vec()),
    },
    Fault {
        name: "leaf not yet valid when it signed",
        applies: always,
        step: |forge| set_validity(forge, 1, 600),
    },
    Fault {
        name: "leaf no longer valid when it signed",
        applies: always,
        step: |forge| set_validity(forge, -600, -1),
    },
    Fault {
        name: "leaf of two issuers that disagree",
        applies: always,
        step: |forge| forge.leaf.certificate.set(Extension::fulcio(1, "https://evil.virtual")),
    },
    Fault {
        name: "leaf of no issuer",
        applies: always,
        step: |forge| {
            for arc in [1, 8] {
                forge.leaf.certificate.remove(&[FULCIO, &[arc]].concat());
            }
        },
    },
    Fault {
        name: "leaf of another issuer",
        applies: always,
        step: |forge| {
            for arc in [1, 8] {
                forge.leaf.certificate.set(Extension::fulcio(arc, "https://issuer.virtual.evil"));
            }
        },
    },
    Fault {
        name: "leaf for nobody",
        applies: always,
        step: |forge| forge.leaf.certificate.remove(ALTERNATIVE_NAME),
    },
    Fault {
        name: "leaf for somebody else",
        applies: always,
        step: |forge| {
            forge
                .leaf
                .certificate
                .set(Extension::names(&[(URI, b"https://source.virtual/team/app2/release.yml")]));
        },
    },
    Fault {
        name: "leaf for two, one of them right (T-70)",
        applies: always,
        step: |forge| {
            let right = forge.identity.subject.clone();
            let names = [(URI, &b"https://evil.virtual"[..]), (URI, right.as_bytes())];
            forge.leaf.certificate.set(Extension::names(&names));
        },
    },
    Fault {
        name: "another honest certificate for the same person, of another key",
        applies: always,
        step: |forge| {
            let key = forge.sigstore.new_key();
            forge.leaf.certificate.spki = key.spki().to_vec();
        },
    },
    Fault { name: "no SCT", applies: logged, step: |forge| forge.leaf.scts.clear() },
    Fault {
        name: "SCT of an unknown log",
        applies: logged,
        step: |forge| forge.leaf.scts[0].log = &forge.stranger.ct,
    },
    Fault {
        name: "SCT of a log that was retired",
        applies: logged,
        step: |forge| forge.leaf.scts[0].log = &forge.sigstore.retired_ct,
    },
    Fault {
        name: "SCT from before its log",
        applies: logged,
        step: |forge| forge.leaf.scts[0].time = instant("2023-12-31T23:59:59Z"),
    },
    Fault {
        name: "SCT of another certificate",
        applies: logged,
        step: |forge| {
            let mut other = forge.leaf.certificate.clone();
            other.serial = vec![1];
            forge.leaf.scts[0].over = Some(other);
        },
    },
    Fault {
        name: "SCT of another issuer of the same name (T-49)",
        applies: logged,
        step: |forge| forge.leaf.scts[0].issuer = &forge.stranger.fulcio.issuer,
    },
    Fault {
        name: "SCT whose extensions were added afterwards",
        applies: logged,
        step: |forge| {
            forge.leaf.edits.push(|sct| {
                // Version, id and time come before the length of the extensions.
                sct.splice(41..43, [0, 1, 7]);
            });
        },
    },
    Fault {
        name: "SCT whose time was changed afterwards",
        applies: logged,
        step: |forge| forge.leaf.edits.push(|sct| sct[40] ^= 1),
    },
];

pub(super) const VARIATIONS: &[Fault] = &[
    Fault {
        name: "SCT with extensions",
        applies: logged,
        step: |forge| forge.leaf.scts[0].extensions = vec![1, 2, 3],
    },
    Fault {
        name: "SCT of an unknown log beside the right one",
        applies: logged,
        step: |forge| {
            let sct = Sct { log: &forge.stranger.ct, ..forge.leaf.scts[0].clone() };
            forge.leaf.scts.insert(0, sct);
        },
    },
    Fault {
        name: "leaf for an e-mail address",
        applies: always,
        step: |forge| {
            forge.identity.subject = "release@team.virtual".into();
            forge.leaf.certificate.set(Extension::names(&[(EMAIL, b"release@team.virtual")]));
        },
    },
    Fault {
        name: "leaf of the newer issuer only",
        applies: always,
        step: |forge| forge.leaf.certificate.remove(&[FULCIO, &[1]].concat()),
    },
    Fault {
        name: "leaf of the older issuer only",
        applies: always,
        step: |forge| forge.leaf.certificate.remove(&[FULCIO, &[8]].concat()),
    },
    Fault {
        name: "an authority of the same name beside the right one (T-49)",
        applies: always,
        step: |forge| {
            let namesake = forge.sigstore.fulcio.namesake(&forge.stranger.fulcio.issuer, Validity::long());
            let other = crate::mint::trusted_authority(
                &[&namesake, forge.sigstore.fulcio.certificates()[1]],
                "2024-01-01T00:00:00Z",
            );
            forge.root["certificateAuthorities"].as_array_mut().unwrap().insert(0, other);
        },
    },
    Fault {
        name: "leaf with another key usage beside, and code signing beside another purpose",
        applies: |shape| matches!(shape.form, Form::Envelope(_)),
        step: |forge| {
            forge.leaf.certificate.set(Extension::new(KEY_USAGE, true, vec![0x03, 0x02, 0x05, 0xa0]));
            forge.leaf.certificate.set(Extension::purposes(&[CODE_SIGNING]));
        },
    },
    Fault {
        name: "leaf whose last second is that of the signature",
        applies: always,
        step: |forge| set_validity(forge, -600, 0),
    },
    Fault {
        name: "leaf whose first second is that of the signature",
        applies: always,
        step: |forge| set_validity(forge, 0, 600),
    },
    Fault {
        name: "key of P-384 in the leaf of an envelope without a log",
        applies: |shape| matches!(shape.form, Form::Envelope(_)) && shape.kind.is_none(),
        step: |forge| {
            forge.key = crate::mint::world().key(KeyType::P384, 0).clone();
            forge.leaf.certificate.spki = forge.key.spki().to_vec();
        },
    },
];

fn set_validity(forge: &mut super::KeylessForge<'_>, from: i64, until: i64) {
    let at = |offset| UnixTime(forge.signed_at[0].0.saturating_add_signed(offset));
    forge.leaf.certificate.validity = [at(from), at(until)].map(time);
}
