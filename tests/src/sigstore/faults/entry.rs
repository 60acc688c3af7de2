//! What is logged, where, and what shows it.

use pullward_core::time::UnixTime;

use super::super::bundle::BUNDLE;
use super::super::rekor::{Rekor, note_line};
use super::super::{
    BundleVersion, Entry, EntryForge, EntryKind, Generation, KeylessForge, Shape, Shown, TimeSource, sha256,
    sign,
};
use super::{Fault, logged};

pub(super) const FAULTS: &[Fault] = &[
    Fault { name: "no entry", applies: logged, step: |forge| forge.entry = None },
    Fault {
        name: "entry of another signature over the same bytes (T-05)",
        applies: logged,
        step: |forge| {
            forge.uploads.push(|upload, forge| upload.signature = sign(&forge.key, &upload.message));
        },
    },
    Fault {
        name: "entry of another artifact (T-01)",
        applies: logged,
        step: |forge| {
            forge.uploads.push(|upload, _| {
                upload.content = b"other".to_vec();
                upload.message = b"other".to_vec();
            });
        },
    },
    Fault {
        name: "entry of another certificate of the same key (T-02)",
        applies: logged,
        step: |forge| {
            forge.uploads.push(|upload, forge| {
                let mut other = forge.leaf.clone();
                other.certificate.serial = vec![9];
                upload.certificate = other.issue();
            });
        },
    },
    Fault {
        name: "entry of another payload, signed by the same key",
        applies: logged,
        step: |forge| {
            forge.uploads.push(|upload, forge| {
                upload.content = b"other".to_vec();
                upload.message = crate::mint::pae(&upload.payload_type, b"other");
                upload.signature = sign(&forge.key, &upload.message);
            });
        },
    },
    Fault {
        name: "body with a space in it (T-04)",
        applies: logged,
        step: |forge| forge.bodies.push(|body| body.replacen(':', ": ", 1)),
    },
    Fault {
        name: "body with a member more (T-04)",
        applies: logged,
        step: |forge| forge.bodies.push(|body| body.replacen("\"spec\":", "\"more\":1,\"spec\":", 1)),
    },
    Fault {
        name: "body of another version (T-62)",
        applies: logged,
        step: |forge| forge.bodies.push(|body| body.replacen("\"0.0.", "\"0.1.", 1)),
    },
    Fault {
        name: "entry that says it is of another kind",
        applies: |shape| logged(shape) && is_bundle(shape),
        step: |forge| forge.entries.push(|entry, _| entry.kind = "rekord".into()),
    },
    Fault {
        name: "body changed after it was logged",
        applies: logged,
        step: |forge| {
            forge
                .entries
                .push(|entry, _| entry.body = entry.body.replacen("\"apiVersion\"", "\"apiversion\"", 1));
        },
    },
    Fault {
        name: "entry of a log that nobody believes (T-20)",
        applies: logged,
        step: |forge| set_log(forge, |forge, generation| forge.stranger.rekor(generation)),
    },
    Fault {
        name: "entry that names another log that is believed (T-20)",
        applies: logged,
        step: |forge| {
            forge.entries.push(|entry, forge| entry.log_id = other_log(forge).id());
        },
    },
    Fault {
        name: "unrelated entry beside the right one (T-03)",
        applies: |shape| logged(shape) && is_bundle(shape),
        step: |forge| forge.unrelated_entry = true,
    },
    Fault {
        name: "log not believed at that time",
        applies: logged,
        step: |forge| {
            for log in forge.root["tlogs"].as_array_mut().unwrap() {
                log["publicKey"]["validFor"]["end"] = "2025-03-01T12:00:04Z".into();
            }
        },
    },
    // Promises.
    Fault {
        name: "no promise",
        applies: |shape| needs_promise(shape) && is_bundle(shape),
        step: |forge| forge.entries.push(|entry, _| entry.promise = None),
    },
    Fault {
        name: "no promise in the annotations",
        applies: |shape| logged(shape) && !is_bundle(shape),
        step: |forge| forge.annotations.push(|all| drop(all.remove(BUNDLE))),
    },
    Fault {
        name: "promise by another log (T-20)",
        applies: Shape::has_promise,
        step: |forge| forge.entries.push(|entry, forge| promise_by(entry, other_log(forge))),
    },
    Fault {
        name: "promise of another time",
        applies: Shape::has_promise,
        step: |forge| {
            forge.entries.push(|entry, _| entry.time = entry.time.map(|time| UnixTime(time.0 + 1)));
        },
    },
    Fault {
        name: "promise of another index",
        applies: Shape::has_promise,
        step: |forge| forge.entries.push(|entry, _| entry.log_index += 1),
    },
    Fault {
        name: "one bit of the promise changed (T-17)",
        applies: Shape::has_promise,
        step: |forge| {
            forge.entries.push(|entry, _| *entry.promise.as_mut().unwrap().last_mut().unwrap() ^= 1);
        },
    },
    Fault {
        name: "promise of a log that makes none",
        applies: |shape| shape.kind == Some(EntryKind::HashedRekord2),
        step: |forge| {
            forge.entries.push(|entry, forge| {
                entry.time = Some(forge.signed_at[0]);
                promise_by(entry, forge.entry.unwrap().log);
            });
        },
    },
    // Proofs.
    Fault {
        name: "no proof",
        applies: |shape| shape.has_proof() && shape.form.version() != Some(BundleVersion::One),
        step: |forge| forge.entries.push(|entry, _| entry.proof = None),
    },
    Fault {
        name: "proof of the leaf before",
        applies: Shape::has_proof,
        step: |forge| forge.entries.push(|entry, _| entry.proof.as_mut().unwrap().index -= 1),
    },
    Fault {
        name: "proof of a leaf outside of the tree",
        applies: Shape::has_proof,
        step: |forge| forge.entries.push(|entry, _| entry.proof.as_mut().unwrap().index = 11),
    },
    Fault {
        name: "proof in a larger tree",
        applies: Shape::has_proof,
        step: |forge| forge.entries.push(|entry, _| entry.proof.as_mut().unwrap().size += 1),
    },
    Fault {
        name: "proof of another root",
        applies: Shape::has_proof,
        step: |forge| forge.entries.push(|entry, _| entry.proof.as_mut().unwrap().root[0] ^= 1),
    },
    Fault {
        name: "one hash of the proof changed",
        applies: Shape::has_proof,
        step: |forge| forge.entries.push(|entry, _| entry.proof.as_mut().unwrap().hashes[1][7] ^= 1),
    },
    Fault {
        name: "one hash of the proof left out",
        applies: Shape::has_proof,
        step: |forge| forge.entries.push(|entry, _| drop(entry.proof.as_mut().unwrap().hashes.pop())),
    },
    Fault {
        name: "one hash too many in the proof",
        applies: Shape::has_proof,
        step: |forge| forge.entries.push(|entry, _| entry.proof.as_mut().unwrap().hashes.push(vec![0; 32])),
    },
    Fault {
        name: "proof in a tree of one, whose root nobody signed (T-39)",
        applies: Shape::has_proof,
        step: |forge| {
            forge.entries.push(|entry, _| {
                let root = sha256(&[&[0][..], entry.body.as_bytes()].concat());
                let proof = entry.proof.as_mut().unwrap();
                (proof.index, proof.size, proof.root, proof.hashes, proof.note) =
                    (0, 1, root, Vec::new(), None);
            });
        },
    },
    // Checkpoints.
    Fault {
        name: "no checkpoint (T-39)",
        applies: Shape::has_proof,
        step: |forge| forge.entries.push(|entry, _| entry.proof.as_mut().unwrap().note = None),
    },
    Fault {
        name: "checkpoint by another log that is believed (T-20)",
        applies: Shape::has_proof,
        step: |forge| {
            forge.entries.push(|entry, forge| {
                let proof = entry.proof.as_mut().unwrap();
                proof.note = Some(other_log(forge).note(proof.size, &proof.root));
            });
        },
    },
    Fault {
        name: "checkpoint of another root",
        applies: Shape::has_proof,
        step: |forge| {
            forge.entries.push(|entry, forge| {
                let proof = entry.proof.as_mut().unwrap();
                proof.note = Some(log(forge).note(proof.size, &sha256(b"another tree")));
            });
        },
    },
    Fault {
        name: "checkpoint of another size",
        applies: Shape::has_proof,
        step: |forge| {
            forge.entries.push(|entry, forge| {
                let proof = entry.proof.as_mut().unwrap();
                proof.note = Some(log(forge).note(proof.size + 1, &proof.root));
            });
        },
    },
    Fault {
        name: "checkpoint signed over another text",
        applies: Shape::has_proof,
        step: |forge| {
            forge.entries.push(|entry, forge| {
                let proof = entry.proof.as_mut().unwrap();
                let text = log(forge).checkpoint(proof.size, &proof.root);
                proof.note = Some(format!("{text}\n{}", log(forge).line("other\n")));
            });
        },
    },
    Fault {
        name: "checkpoint with a wrong key hint (T-20)",
        applies: Shape::has_proof,
        step: |forge| {
            forge.entries.push(|entry, forge| {
                let proof = entry.proof.as_mut().unwrap();
                let (log, other) = (log(forge), other_log(forge));
                let text = log.checkpoint(proof.size, &proof.root);
                let value = [&other.id()[..4], &sign(&log.key, text.as_bytes())].concat();
                proof.note = Some(format!("{text}\n{}", note_line(&log.host, &value)));
            });
        },
    },
    Fault {
        name: "checkpoint that nobody signed",
        applies: Shape::has_proof,
        step: |forge| {
            forge.entries.push(|entry, forge| {
                let proof = entry.proof.as_mut().unwrap();
                proof.note = Some(format!("{}\n", log(forge).checkpoint(proof.size, &proof.root)));
            });
        },
    },
    Fault {
        name: "checkpoint that only a witness signed",
        applies: Shape::has_proof,
        step: |forge| {
            forge.entries.push(|entry, forge| {
                let proof = entry.proof.as_mut().unwrap();
                let text = log(forge).checkpoint(proof.size, &proof.root);
                proof.note = Some(format!("{text}\n{}", forge.stranger.rekor_v2[0].line(&text)));
            });
        },
    },
];

pub(super) const VARIATIONS: &[Fault] = &[
    Fault {
        name: "checkpoint with a cosignature",
        applies: Shape::has_proof,
        step: |forge| {
            forge.entries.push(|entry, forge| {
                let proof = entry.proof.as_mut().unwrap();
                let text = log(forge).checkpoint(proof.size, &proof.root);
                let witness = forge.stranger.rekor_v2[0].line(&text);
                proof.note = Some(format!("{text}\n{witness}{}", log(forge).line(&text)));
            });
        },
    },
    Fault {
        name: "checkpoint with another line",
        applies: Shape::has_proof,
        step: |forge| {
            forge.entries.push(|entry, forge| {
                let proof = entry.proof.as_mut().unwrap();
                let text = format!("{}Timestamp: 1\n", log(forge).checkpoint(proof.size, &proof.root));
                proof.note = Some(format!("{text}\n{}", log(forge).line(&text)));
            });
        },
    },
    Fault {
        name: "the instance's other log",
        applies: logged,
        step: |forge| set_log(forge, |forge, generation| forge.sigstore.other_rekor(generation)),
    },
];

fn is_bundle(shape: Shape) -> bool {
    shape.form.version().is_some()
}

/// Where nothing else shows that it was logged, or when.
fn needs_promise(shape: Shape) -> bool {
    shape.has_promise() && !(shape.shown == Shown::Both && shape.time == TimeSource::Both)
}

fn log<'s>(forge: &KeylessForge<'s>) -> &'s Rekor {
    forge.entry.unwrap().log
}

fn other_log<'s>(forge: &KeylessForge<'s>) -> &'s Rekor {
    forge.sigstore.other_rekor(log(forge).generation)
}

fn promise_by(entry: &mut Entry, log: &Rekor) {
    let time = entry.time.unwrap();
    entry.promise = Some(log.promise(&entry.body, entry.log_index, time));
}

fn set_log<'s>(forge: &mut KeylessForge<'s>, choose: fn(&KeylessForge<'s>, Generation) -> &'s Rekor) {
    let EntryForge { log, kind } = forge.entry.unwrap();
    forge.entry = Some(EntryForge { log: choose(forge, log.generation), kind });
}
