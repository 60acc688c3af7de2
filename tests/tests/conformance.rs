//! Sigstore's own conformance cases, put to `pullward-conformance` as their test suite puts them to a client: each by the
//! artifact's path and by its digest. Passes and failures are counted apart, and all of them must be right.

use std::process::Command;

use pullward_tests::{Corpora, Pullward};
use serde_json::Value;

fn text<'v>(row: &'v Value, name: &str) -> Option<&'v str> {
    row["inputs"].get(name).and_then(Value::as_str)
}

#[test]
fn every_shared_case_is_answered_right_by_path_and_by_digest() {
    let Some(corpora) = Corpora::at_hand("conformance") else { return };
    let program = Pullward::built().unwrap().program().with_file_name("pullward-conformance");
    let mut wrong = Vec::new();
    for mode in ["path", "digest"] {
        let (mut passed, mut failed) = (0, 0);
        for row in corpora.manifest("conformance") {
            let mut command = Command::new(&program);
            command.arg("verify-bundle");
            command.arg("--bundle").arg(corpora.path(text(&row, "bundle").unwrap()));
            command.arg("--trusted-root").arg(corpora.path(text(&row, "trusted_root").unwrap()));
            match text(&row, "key") {
                Some(key) => command.arg("--key").arg(corpora.path(key)),
                None => command
                    .args(["--certificate-identity", text(&row, "identity").unwrap()])
                    .args(["--certificate-oidc-issuer", text(&row, "issuer").unwrap()]),
            };
            match mode {
                "path" => command.arg(corpora.path(text(&row, "artifact").unwrap())),
                _ => command.arg(text(&row, "artifact_digest").unwrap()),
            };
            let output = command.output().unwrap();
            // Usage and crashes are no refusals.
            let answer = match output.status.code() {
                Some(0) => "pass",
                Some(1) => "fail",
                _ => "neither",
            };
            match (row["expect"].as_str().unwrap(), answer) {
                ("pass", "pass") => passed += 1,
                ("fail", "fail") => failed += 1,
                (expected, _) => {
                    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                    wrong.push(format!("{} by {mode}: expected {expected}, was {answer}: {said}", row["id"]));
                }
            }
        }
        println!("conformance by {mode}: {passed} accepted and {failed} refused as expected");
        assert_eq!((passed, failed), (15, 33), "by {mode}: {}", wrong.join("\n"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
