//! What a record says of conditions, and what a replay makes of it.

use base64ct::{Base64, Encoding as _};
use pullward_core::intoto::SIGNATURE_PREDICATE;
use serde_json::{Value, json};

use super::{Comparison, Record, RecordError, RecordedTrust, Recorder, Replayed};
use crate::condition::ENGINE;
use crate::condition::verdict_tests::{Scene, TYPE, subject};
use crate::decide::EventLog as _;
use crate::decide::clerk::AnswerWord;
use crate::decide::session::Session;
use crate::trust::envelope::Envelope;
use crate::trust::root_key::{RootKey, RootKeyType};
use crate::verdict::Decision;

/// A verdict on a statement, as a record.
fn recorded(predicate: &str) -> Value {
    let scene = Scene::asking("predicate.by == \"alice\"");
    let root = RootKey::generate(RootKeyType::P256).unwrap();
    let mut envelope = Envelope::unsigned(scene.payload.clone());
    envelope.sign(&root).unwrap();
    let trust = RecordedTrust::Bundle {
        file: Base64::encode_string(&envelope.to_bytes().unwrap()),
        roots: vec![root.public_pem().unwrap()],
        threshold: 1,
    };
    let subject = subject();
    let opened = trust.open().unwrap();
    let mut session = Session::open(opened.believed(), &subject);
    let mut recorder = Recorder::default();
    for event in [scene.bundle(SIGNATURE_PREDICATE, "{}"), scene.bundle(TYPE, predicate)] {
        recorder.note(&event);
        session.take(event);
    }
    recorder.answered(session.conditions());
    let verdict = session.close();
    serde_json::to_value(Record::new(&subject, trust, recorder, verdict)).unwrap()
}

fn read(record: &Value) -> Result<Record, RecordError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.json");
    std::fs::write(&path, record.to_string()).unwrap();
    Record::read(&path)
}

fn replayed(record: &Value) -> Replayed {
    read(record).unwrap().replay().unwrap()
}

#[test]
fn a_record_holds_every_answer_with_what_it_is_about() {
    for (predicate, answer, decision) in [
        (r#"{"by":"alice"}"#, "true", Decision::Allow),
        (r#"{"by":"bob"}"#, "false", Decision::Deny),
        ("{}", "error", Decision::Deny),
    ] {
        let record = recorded(predicate);
        let rows = record["conditions"].as_array().unwrap();
        assert_eq!(rows.len(), 1);
        let evidence = record["verdict"]["evidence"][1]["digest"].clone();
        let expression = pullward_core::oci::Digest::of(b"predicate.by == \"alice\"").to_string();
        let expected = json!({
            "rule": "r", "requirement": 0, "evidence": evidence, "expression": expression, "answer": answer,
            "engine": ENGINE,
        });
        assert_eq!(rows[0], expected);
        let again = replayed(&record);
        assert_eq!((again.comparison, again.conditions), (Comparison::Same, Vec::new()));
        assert_eq!(again.verdict.decision, decision);
        assert_eq!(again.verdict.requirements[0].rule, "r");
    }
}

/// Correction 2: another engine may answer otherwise, and the replay says which decision changed.
#[test]
fn an_answer_of_another_engine_is_told_and_so_is_the_decision() {
    let mut record = recorded(r#"{"by":"bob"}"#);
    record["conditions"][0]["engine"] = json!("pullward-cel/0");
    record["conditions"][0]["answer"] = json!("true");
    record["verdict"]["decision"] = json!("allow");
    record["verdict"]["reason"] = json!("signed");
    let again = replayed(&record);
    let expected = Comparison::OtherEngine { recorded: "pullward-cel/0".to_owned(), decision_kept: false };
    assert_eq!(again.comparison, expected);
    assert_eq!((again.verdict.decision, again.verdict.reason.as_str()), (Decision::Deny, "condition-false"));
    let [change] = again.conditions.as_slice() else { panic!("{:?}", again.conditions) };
    assert_eq!(change.now.as_ref().map(|row| row.answer), Some(AnswerWord::False));
    let words = change.to_string();
    assert!(words.starts_with("rule \"r\", requirement 1, condition sha256:"), "{words}");
    assert!(words.ends_with("recorded true by pullward-cel/0, now false by pullward-cel/1"), "{words}");
}

#[test]
fn another_engine_with_the_same_answer_is_told_too() {
    let mut record = recorded(r#"{"by":"alice"}"#);
    record["conditions"][0]["engine"] = json!("pullward-cel/0");
    let again = replayed(&record);
    let expected = Comparison::OtherEngine { recorded: "pullward-cel/0".to_owned(), decision_kept: true };
    assert_eq!((again.comparison, again.conditions.len()), (expected, 1));
}

#[test]
fn an_answer_that_this_engine_does_not_give_means_that_the_record_was_changed() {
    let record = recorded(r#"{"by":"alice"}"#);
    for change in [
        |record: &mut Value| record["conditions"][0]["answer"] = json!("false"),
        |record: &mut Value| record["conditions"][0]["rule"] = json!("another"),
        |record: &mut Value| record["conditions"] = json!([]),
        |record: &mut Value| {
            let row = record["conditions"][0].clone();
            record["conditions"].as_array_mut().unwrap().push(row);
        },
    ] {
        let mut changed = record.clone();
        change(&mut changed);
        let again = replayed(&changed);
        assert_eq!(again.comparison, Comparison::Differs);
        assert!(!again.conditions.is_empty());
    }
}

/// The compatibility rule: what an earlier version did not write is not held against it.
#[test]
fn a_record_from_before_answers_were_kept_is_read_and_its_verdict_compared() {
    let mut record = recorded(r#"{"by":"alice"}"#);
    record.as_object_mut().unwrap().remove("conditions");
    record["verdict"]["requirements"][0].as_object_mut().unwrap().remove("rule");
    let again = replayed(&record);
    assert_eq!((again.comparison, again.conditions), (Comparison::Same, Vec::new()));
    record["verdict"]["reason"] = json!("unsigned");
    assert_eq!(replayed(&record).comparison, Comparison::Differs);
}

#[test]
fn what_a_record_says_beyond_what_is_known_is_refused() {
    let record = recorded(r#"{"by":"alice"}"#);
    for (change, named) in [
        (
            (|record: &mut Value| record["conditions"][0]["odd"] = json!(1)) as fn(&mut Value),
            "unknown field `odd`",
        ),
        (|record| record["conditions"][0]["answer"] = json!("perhaps"), "unknown variant `perhaps`"),
        (|record| record["odd"] = json!(1), "unknown field `odd`"),
        (
            |record| drop(record["conditions"][0].as_object_mut().unwrap().remove("engine")),
            "missing field `engine`",
        ),
    ] {
        let mut changed = record.clone();
        change(&mut changed);
        let refused = read(&changed).unwrap_err();
        assert!(matches!(refused, RecordError::Malformed { .. }));
        assert!(refused.to_string().contains(named), "{refused}");
    }
}
