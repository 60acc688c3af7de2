//! Tests of whole entries, against a log that the tests run themselves.

extern crate std;
use std::string::{String, ToString as _};
use std::vec::Vec;
use std::{format, vec};

use super::checkpoint;
use super::entry::{self, Entry, Inclusion};
use super::leaf;
use super::merkle;
use super::test_log::{KINDS, SIZE, Signed, TIME, TestLog, Trusted, base64, root_of, sha256};
use super::{Error, LogKey, Logs, ShownBy, count_logs, count_operators, verify_entries, verify_entry};
use crate::json;
use crate::operations::Operations;
use crate::time::UnixTime;

type Answer = Result<(ShownBy, Option<u64>), Error>;

fn log() -> TestLog {
    TestLog::new(200, "rekor.example", "example")
}

fn ask_for(kind: &str, inclusion: Inclusion, text: &str, signed: &Signed, trusted: &Trusted) -> Answer {
    signed.with(kind, |signed| {
        let entry = Entry::read(json::parse(text.as_bytes()).unwrap(), inclusion)?;
        let verified = verify_entry(&entry, signed, trusted, &mut Operations::new())?;
        Ok((verified.shown_by(), verified.integrated_time().map(|time| time.0)))
    })
}

/// Asks as a bundle v0.3 does.
fn ask(kind: &str, text: &str, signed: &Signed, log: &TestLog) -> Answer {
    ask_for(kind, Inclusion::Proof, text, signed, &Trusted::only(log))
}

/// What the whole entry of a kind is worth.
fn whole(kind: &str) -> Answer {
    Ok(if kind.starts_with("hashedrekord 0.0.2") {
        (ShownBy::Proof, None)
    } else {
        (ShownBy::PromiseAndProof, Some(TIME))
    })
}

const V1: &str = "dsse 0.0.1";
const V2: &str = "hashedrekord 0.0.2";

#[test]
fn an_entry_of_each_kind_is_rebuilt_and_verified() {
    let (log, signed) = (log(), Signed::new(1));
    for kind in KINDS {
        assert_eq!(ask(kind, &log.whole(kind, &signed), &signed, &log), whole(kind), "{kind}");
    }
}

/// T-01, T-02, T-05.
#[test]
fn an_entry_of_another_signature_artifact_key_or_payload_is_refused() {
    let (log, signed) = (log(), Signed::new(1));
    type Change = fn(&mut Signed, &Signed);
    let changes: [(&str, Change); 6] = [
        ("signature", |signed, other| signed.signature.clone_from(&other.signature)),
        ("digest", |signed, other| signed.digest = other.digest),
        ("payload", |signed, other| signed.payload.clone_from(&other.payload)),
        ("certificate", |signed, other| signed.certificate.clone_from(&other.certificate)),
        ("pae", |signed, other| signed.pae.clone_from(&other.pae)),
        ("document", |signed, other| signed.document.clone_from(&other.document)),
    ];
    for kind in KINDS {
        let text = log.whole(kind, &signed);
        let mut refused = Vec::new();
        for (what, change) in changes {
            let mut changed = Signed::new(1);
            change(&mut changed, &Signed::new(2));
            match ask(kind, &text, &changed, &log) {
                Err(Error::Body(leaf::Error::Differs)) => refused.push(what),
                answer => assert_eq!(answer, whole(kind), "{kind} {what}"),
            }
        }
        // What a kind does not hold is in none of its bodies; all that it holds is compared.
        let held: &[&str] = match kind {
            "hashedrekord 0.0.1" | "hashedrekord 0.0.2" => &["signature", "digest", "certificate"],
            "hashedrekord 0.0.2 envelope" => &["signature", "certificate", "pae"],
            // The signature is in the document.
            "intoto 0.0.1" => &["payload", "certificate", "document"],
            _ => &["signature", "payload", "certificate"],
        };
        assert_eq!(refused, held, "{kind}");
    }
}

/// T-04, T-59.
#[test]
fn a_body_in_another_spelling_is_refused_though_the_log_has_it() {
    let (log, signed) = (log(), Signed::new(1));
    for kind in KINDS {
        let good = signed.body(kind);
        let (head, tail) = good.split_at(good.len() - 1);
        for body in [
            format!("{head},\"extra\":1{tail}"),
            format!(" {good}"),
            format!("{good} "),
            format!("{good}{good}"),
            good.replace("\"spec\":{", "\"spec\":{\"extra\":1,"),
            good.replace("\"spec\":", "\"spec\": "),
            good.replace("\"kind\":", "\"kind\":\"x\",\"kind\":"),
            good.replace("sha256", "sha512").replace("SHA2_256", "SHA2_512"),
            good.replace("\"value\":\"", "\"value\":\"0").replace("\"digest\":\"", "\"digest\":\"0"),
            good.replace("==\"", "\"").replace("=\"", "\""),
            good.replace("}]", "},{}]").replace("publicKey", "PublicKey").replace("x509", "X509"),
            good.replace("spec", "\\u0073pec"),
            good[..good.len() / 2].to_string(),
            String::new(),
        ] {
            if body == good {
                continue;
            }
            let text = log.entry(kind, &body, &[log.promise_member(kind, &body), log.proof_member(&body)]);
            let answer = ask(kind, &text, &signed, &log);
            assert!(matches!(answer, Err(Error::Body(_))), "{kind} {body} {answer:?}");
        }
    }
}

/// T-62.
#[test]
fn an_entry_of_an_unknown_kind_or_of_another_than_it_says_is_refused() {
    let (log, signed) = (log(), Signed::new(1));
    for kind in KINDS {
        let body = signed.body(kind);
        for unknown in [
            body.replacen("0.0.1", "0.0.3", 1).replacen("\":\"0.0.2", "\":\"0.0.3", 1),
            body.replacen("hashedrekord", "rekord", 1)
                .replacen("dsse", "DSSE", 1)
                .replacen("intoto", "tuf", 1),
        ] {
            let text = log.entry(kind, &unknown, &[log.proof_member(&unknown)]);
            assert_eq!(ask(kind, &text, &signed, &log), Err(Error::Body(leaf::Error::Kind)), "{kind}");
        }
        let said = log.whole(kind, &signed).replacen(
            "\"kindVersion\":{\"kind\":\"",
            "\"kindVersion\":{\"kind\":\"x",
            1,
        );
        assert_eq!(ask(kind, &said, &signed, &log), Err(Error::KindMismatch), "{kind}");
    }
    let body = signed.body("dsse 0.0.1").replacen("0.0.1", "0.0.2", 1);
    let text = log.entry("dsse 0.0.2", &body, &[log.proof_member(&body)]);
    assert_eq!(ask("dsse 0.0.2", &text, &signed, &log), Err(Error::Body(leaf::Error::Kind)));
}

/// T-24.
#[test]
fn only_a_promise_makes_the_time_a_time() {
    let (log, signed) = (log(), Signed::new(1));
    let body = signed.body(V1);
    let text = log.entry(V1, &body, &[log.proof_member(&body)]);
    assert!(text.contains(&format!("\"integratedTime\":\"{TIME}\"")));
    assert_eq!(ask(V1, &text, &signed, &log), Ok((ShownBy::Proof, None)));
    // A promise about no time.
    let set = log.promise(&body, 0, TestLog::index(V1));
    let promise = format!(r#""inclusionPromise":{{"signedEntryTimestamp":"{set}"}},"#);
    let text = log.entry(V1, &body, &[promise, log.proof_member(&body)]).replace(&TIME.to_string(), "0");
    assert_eq!(ask(V1, &text, &signed, &log), Ok((ShownBy::PromiseAndProof, None)));
}

#[test]
fn a_promise_suffices_only_where_the_form_allows_it() {
    let (log, signed) = (log(), Signed::new(1));
    let trusted = Trusted::only(&log);
    let body = signed.body(V1);
    let text = log.entry(V1, &body, &[log.promise_member(V1, &body)]);
    let either = Inclusion::ProofOrPromise;
    assert_eq!(ask_for(V1, either, &text, &signed, &trusted), Ok((ShownBy::Promise, Some(TIME))));
    assert_eq!(ask_for(V1, Inclusion::Proof, &text, &signed, &trusted), Err(Error::NoInclusion));
    let bare = log.entry(V1, &body, &[]);
    for inclusion in [either, Inclusion::Proof] {
        assert_eq!(ask_for(V1, inclusion, &bare, &signed, &trusted), Err(Error::NoInclusion));
    }
}

/// T-06, T-24.
#[test]
fn a_promise_is_about_one_body_time_index_and_log() {
    let (log, other) = (log(), TestLog::new(201, "rekor.example", "example"));
    let signed = Signed::new(1);
    let (body, index) = (signed.body(V1), TestLog::index(V1));
    let sets = [
        log.promise(&Signed::new(2).body(V1), TIME, index),
        log.promise(&body, TIME + 1, index),
        log.promise(&body, TIME, index + 1),
        other.promise(&body, TIME, index),
        base64("no signature"),
        String::new(),
        "%".to_string(),
    ];
    for set in sets {
        let promise = format!(r#""inclusionPromise":{{"signedEntryTimestamp":"{set}"}},"#);
        // A good proof beside it does not make up for it.
        for members in [vec![promise.clone()], vec![promise.clone(), log.proof_member(&body)]] {
            let text = log.entry(V1, &body, &members);
            let trusted = Trusted(vec![log.key(), other.key()]);
            let answer = ask_for(V1, Inclusion::ProofOrPromise, &text, &signed, &trusted);
            assert_eq!(answer, Err(Error::Promise), "{set}");
        }
    }
}

/// T-34.
#[test]
fn rekor_v2_makes_no_promises_and_has_one_index() {
    let (log, signed) = (log(), Signed::new(1));
    let text = log.whole(V2, &signed);
    let set = log.promise(&signed.body(V2), TIME, TestLog::index(V2));
    let promise = format!(r#""inclusionPromise":{{"signedEntryTimestamp":"{set}"}},"#);
    let promised = text.replace("\"inclusionProof\"", &format!("{promise}\"inclusionProof\""));
    assert_eq!(ask(V2, &promised, &signed, &log), Err(Error::Promise));
    let moved = text.replacen("\"logIndex\":\"5\"", "\"logIndex\":\"6\"", 1);
    assert_eq!(ask(V2, &moved, &signed, &log), Err(Error::Index));
}

/// T-06, T-36.
#[test]
fn a_proof_about_another_place_tree_or_root_is_refused() {
    let (log, signed) = (log(), Signed::new(1));
    let body = signed.body(V1);
    let leaves = TestLog::leaves(&body);
    let root = base64(root_of(&leaves));
    let good = log.whole(V1, &signed);
    let proof = |error| Err(Error::Proof(error));
    let (first, second) = {
        let hashes = super::test_log::proof_of(5, &leaves);
        (base64(hashes[0]), base64(hashes[1]))
    };
    let swapped = good.replace(&first, "*").replace(&second, &first).replace('*', &second);
    let foreign = base64(sha256("foreign"));
    for (what, text, expected) in [
        ("index", good.replace("\"logIndex\":\"5\"", "\"logIndex\":\"4\""), proof(merkle::Error::Root)),
        ("index", good.replace("\"logIndex\":\"5\"", "\"logIndex\":\"11\""), proof(merkle::Error::Range)),
        ("size", good.replace("\"treeSize\":\"11\"", "\"treeSize\":\"12\""), Err(Error::CheckpointMismatch)),
        ("size", good.replace("\"treeSize\":\"11\"", "\"treeSize\":\"40\""), proof(merkle::Error::Length)),
        ("size", good.replace("\"treeSize\":\"11\"", "\"treeSize\":\"0\""), proof(merkle::Error::Range)),
        ("swapped", swapped, proof(merkle::Error::Root)),
        ("hash", good.replace(&first, &foreign), proof(merkle::Error::Root)),
        ("missing", good.replace(&format!("\"{first}\","), ""), proof(merkle::Error::Length)),
        (
            "extra",
            good.replace(&format!("\"{first}\","), &format!("\"{first}\",\"{first}\",")),
            proof(merkle::Error::Length),
        ),
        ("root", good.replacen(&root, &foreign, 1), proof(merkle::Error::Root)),
        ("both roots", good.replace(&root, &foreign), proof(merkle::Error::Root)),
        ("no hashes", good.replace("\"hashes\"", "\"others\""), proof(merkle::Error::Length)),
    ] {
        assert_ne!(text, good, "{what}");
        // Its good promise does not make up for it.
        assert_eq!(ask(V1, &text, &signed, &log), expected, "{what}");
    }
}

/// T-20, T-39.
#[test]
fn a_root_counts_only_if_the_log_of_the_entry_has_signed_it() {
    let (log, other) = (log(), TestLog::new(201, "rekor.example", "example"));
    let signed = Signed::new(1);
    let body = signed.body(V1);
    let leaves = TestLog::leaves(&body);
    let root = root_of(&leaves);
    let trusted = Trusted(vec![log.key(), other.key()]);
    let with = |note: &str| {
        let good = log.note(SIZE, &root).replace('\n', "\\n");
        let text = log.whole(V1, &signed).replace(&good, &note.replace('\n', "\\n"));
        ask_for(V1, Inclusion::Proof, &text, &signed, &trusted)
    };
    assert_eq!(with(&log.note(SIZE, &root)), whole(V1));
    let refused = |error| Err(Error::Checkpoint(error));
    // The checkpoint of another trusted log, and one whose hint alone was exchanged.
    assert_eq!(with(&other.note(SIZE, &root)), refused(checkpoint::Error::NotSigned));
    let text = format!("rekor.example - 42\n{SIZE}\n{}\n", base64(root));
    let value = [&log.id()[..4], &other.sign(&text)].concat();
    let forged = format!("{text}\n\u{2014} rekor.example {}\n", base64(value));
    assert_eq!(with(&forged), refused(checkpoint::Error::Signature));
    // One of another size or root of the same log, and one that nobody has signed.
    assert_eq!(with(&log.note(SIZE + 1, &root)), Err(Error::CheckpointMismatch));
    assert_eq!(with(&log.note(SIZE, &sha256("other"))), Err(Error::CheckpointMismatch));
    assert_eq!(with(&format!("{text}\n")), refused(checkpoint::Error::NotSigned));
    let note = log.note(SIZE, &root);
    let longer = format!("{text}{}", "x".repeat(crate::limits::NOTE_BYTES));
    assert_eq!(with(&longer), Err(Error::Entry(entry::Error::CheckpointTooLarge)));
    let none = log.whole(V1, &signed).replace("\"checkpoint\"", "\"others\"");
    assert_eq!(ask(V1, &none, &signed, &log), Err(Error::NoCheckpoint));
    assert!(note.len() < 300);
}

/// T-31, T-32.
#[test]
fn the_logs_key_has_to_be_in_use_at_the_entrys_time() {
    let (log, signed) = (log(), Signed::new(1));
    let body = signed.body(V1);
    for (time, fits) in
        [(TIME - 11, false), (TIME - 10, true), (TIME, true), (TIME + 10, true), (TIME + 11, false)]
    {
        let set = log.promise(&body, time, TestLog::index(V1));
        let promise = format!(r#""inclusionPromise":{{"signedEntryTimestamp":"{set}"}},"#);
        let text = log.entry(V1, &body, &[promise, log.proof_member(&body)]);
        let text = text.replace(&TIME.to_string(), &time.to_string());
        let expected =
            if fits { Ok((ShownBy::PromiseAndProof, Some(time))) } else { Err(Error::LogKeyWindow) };
        assert_eq!(ask(V1, &text, &signed, &log), expected, "{time}");
    }
    // An entry without a time is asked by whoever has one.
    let trusted = Trusted::only(&log);
    let text = log.whole(V2, &signed);
    signed.with(V2, |signed| {
        let entry = Entry::read(json::parse(text.as_bytes()).unwrap(), Inclusion::Proof).unwrap();
        let verified = verify_entry(&entry, signed, &trusted, &mut Operations::new()).unwrap();
        for (time, fits) in [(TIME - 11, false), (TIME - 10, true), (TIME + 10, true), (TIME + 11, false)] {
            assert_eq!(verified.log_key_covers(UnixTime(time)), fits, "{time}");
        }
    });
}

/// T-21, T-29.
#[test]
fn an_entry_of_a_log_that_is_not_trusted_is_refused() {
    /// Answers with its log whatever it is asked for.
    struct Careless(LogKey<'static>);
    impl Logs for Careless {
        fn log(&self, _: &[u8; 32]) -> Option<LogKey<'_>> {
            Some(self.0.clone())
        }
    }
    let (log, other) = (log(), TestLog::new(201, "rekor.example", "example"));
    let signed = Signed::new(1);
    let text = log.whole(V1, &signed);
    assert_eq!(ask(V1, &text, &signed, &other), Err(Error::UnknownLog));
    assert_eq!(ask_for(V1, Inclusion::Proof, &text, &signed, &Trusted(vec![])), Err(Error::UnknownLog));
    signed.with(V1, |signed| {
        let entry = Entry::read(json::parse(text.as_bytes()).unwrap(), Inclusion::Proof).unwrap();
        let careless = Careless(other.key());
        let answer = verify_entry(&entry, signed, &careless, &mut Operations::new());
        assert_eq!(answer.err(), Some(Error::UnknownLog));
    });
}

#[test]
fn every_check_of_a_signature_is_paid_for() {
    let (log, signed) = (log(), Signed::new(1));
    let trusted = Trusted::only(&log);
    let text = log.whole(V1, &signed);
    for (left, expected) in [(0, Some(Error::Budget)), (1, Some(Error::Budget)), (2, None)] {
        let mut operations = Operations::new();
        operations.spend(crate::limits::SIGNATURE_OPERATIONS - left).unwrap();
        signed.with(V1, |signed| {
            let entry = Entry::read(json::parse(text.as_bytes()).unwrap(), Inclusion::Proof).unwrap();
            assert_eq!(verify_entry(&entry, signed, &trusted, &mut operations).err(), expected, "{left}");
        });
    }
}

/// T-03, T-83.
#[test]
fn an_unrelated_entry_among_good_ones_is_not_passed_over() {
    let log = log();
    let (signed, other) = (Signed::new(1), Signed::new(2));
    let trusted = Trusted::only(&log);
    let (good, bad) = (log.whole(V1, &signed), log.whole(V1, &other));
    let ask = |entries: &[&str]| {
        let text = format!("[{}]", entries.join(","));
        signed.with(V1, |signed| {
            let value = json::parse(text.as_bytes()).unwrap();
            verify_entries(value, Inclusion::Proof, signed, &trusted, &mut Operations::new())
                .map(|verified| (verified.len(), count_logs(&verified)))
        })
    };
    assert_eq!(ask(&[]), Ok((0, 0)));
    assert_eq!(ask(&[&good]), Ok((1, 1)));
    assert_eq!(ask(&[&good, &bad]), Err(Error::Body(leaf::Error::Differs)));
    assert_eq!(ask(&[&bad, &good]), Err(Error::Body(leaf::Error::Differs)));
    assert_eq!(ask(&[good.as_str(); 32]), Ok((32, 1)));
    assert_eq!(ask(&[good.as_str(); 33]), Err(Error::Entry(entry::Error::TooManyEntries)));
}

/// T-19.
#[test]
fn entries_count_by_log_and_by_operator() {
    let signed = Signed::new(1);
    let logs = [
        TestLog::new(210, "a.example", "first"),
        TestLog::new(211, "b.example", "first"),
        TestLog::new(212, "c.example", "second"),
        TestLog::new(213, "d.example", ""),
        TestLog::new(214, "e.example", ""),
    ];
    let trusted = Trusted(logs.iter().map(TestLog::key).collect());
    let count = |places: &[usize]| {
        let entries: Vec<String> = places.iter().map(|place| logs[*place].whole(V1, &signed)).collect();
        let text = format!("[{}]", entries.join(","));
        signed.with(V1, |signed| {
            let value = json::parse(text.as_bytes()).unwrap();
            let verified =
                verify_entries(value, Inclusion::Proof, signed, &trusted, &mut Operations::new()).unwrap();
            (count_logs(&verified), count_operators(&verified))
        })
    };
    assert_eq!(count(&[0, 0, 0]), (1, 1));
    assert_eq!(count(&[0, 1]), (2, 1));
    assert_eq!(count(&[0, 2, 0]), (2, 2));
    assert_eq!(count(&[3, 4]), (2, 1));
    assert_eq!(count(&[0, 1, 2, 3, 4]), (5, 3));
}

#[test]
fn a_legacy_annotation_is_an_entry_with_a_promise() {
    let (log, signed) = (log(), Signed::new(1));
    let trusted = Trusted::only(&log);
    for kind in ["hashedrekord 0.0.1", "dsse 0.0.1", "intoto 0.0.1"] {
        let body = signed.body(kind);
        let annotation = |set: &str, time: u64| {
            format!(
                r#"{{"SignedEntryTimestamp":"{set}","Payload":{{"body":"{}","integratedTime":{time},"logIndex":7,"logID":"{}"}}}}"#,
                base64(&body),
                super::test_log::hex(&log.id())
            )
        };
        let ask = |text: &str, signed: &Signed| {
            signed.with(kind, |signed| {
                let entry = Entry::read_annotation(text.as_bytes())?;
                let verified = verify_entry(&entry, signed, &trusted, &mut Operations::new())?;
                Ok((verified.shown_by(), verified.integrated_time()))
            })
        };
        let good = annotation(&log.promise(&body, TIME, 7), TIME);
        assert_eq!(ask(&good, &signed), Ok((ShownBy::Promise, Some(UnixTime(TIME)))), "{kind}");
        assert_eq!(ask(&good, &Signed::new(2)), Err(Error::Body(leaf::Error::Differs)), "{kind}");
        let forged = annotation(&log.promise(&body, TIME, 7), TIME + 1);
        assert_eq!(ask(&forged, &signed), Err(Error::Promise), "{kind}");
        let none = good.replace("\"SignedEntryTimestamp\"", "\"Other\"");
        let missing = entry::Error::Json(json::Error::MissingKey("SignedEntryTimestamp"));
        assert_eq!(ask(&none, &signed), Err(Error::Entry(missing)), "{kind}");
    }
}
