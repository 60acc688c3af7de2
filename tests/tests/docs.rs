//! The pages are true: codes, commands, flags, links, settings and test names that they speak of exist.

#![expect(
    clippy::unwrap_used,
    reason = "what the tests share fails as they do; clippy excepts only functions marked as tests"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use pullward_core::verdict::{Reason, ReasonClass};
use pullward_tests::{Error, Pullward, Workspace};

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Path, from the top, and text of each page.
fn pages() -> Vec<(PathBuf, String)> {
    let in_docs = std::fs::read_dir(top().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = ["README.md", "SECURITY.md", "CONTRIBUTING.md"]
        .into_iter()
        .map(|name| top().join(name))
        .chain(in_docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")))
        .collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// The fenced blocks of a page, with the language that they name.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    // Even pieces are outside, odd ones inside.
    text.split("```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap_or((block, ""))).collect()
}

fn page_of_codes() -> String {
    let mut page = String::from(
        "# Reason codes\n\n\
         Every verdict has one, and so has every piece of evidence that was refused. Codes are stable: they are never renamed and\n\
         never used for something else. This page is written from `core/src/verdict.rs`; a test keeps the two equal.\n",
    );
    let classes = [
        (ReasonClass::Allow, "Allowed", "Exit code 0."),
        (ReasonClass::Deny, "Judged and refused", "Exit code 1."),
        (ReasonClass::Error, "Could not be judged, and so is refused", "Exit code 2."),
    ];
    for (class, title, exit) in classes {
        write!(page, "\n## {title}\n\n{exit}\n\n| code | meaning | what to do |\n|---|---|---|\n").unwrap();
        for reason in Reason::ALL.iter().filter(|reason| reason.class() == class) {
            writeln!(page, "| `{}` | {} | {} |", reason.code(), reason.meaning(), reason.next_step())
                .unwrap();
        }
    }
    page
}

#[test]
fn the_page_of_reason_codes_is_the_enum() {
    let path = top().join("docs/reason-codes.md");
    let wanted = page_of_codes();
    if std::env::var_os("PULLWARD_UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/reason-codes.md is not what the enum says: \
         PULLWARD_UPDATE_DOCS=1 cargo test -p pullward-tests --test docs writes it"
    );
    for reason in Reason::ALL {
        assert_eq!(found.matches(&format!("\n| `{}` |", reason.code())).count(), 1, "{reason:?}");
    }
}

#[test]
fn the_page_of_doctor_has_a_row_for_each_finding() {
    use pullward::doctor::code::{Code, Severity};
    let page = std::fs::read_to_string(top().join("docs/doctor.md")).unwrap();
    for code in Code::ALL {
        let severity = match code.severity() {
            Severity::Open => "open",
            Severity::Undecided => "not known",
            Severity::Warning => "warning",
            Severity::Fine => "fine",
        };
        let row = format!("\n| `{}` | {severity} | {} |\n", code.name(), code.why());
        assert_eq!(page.matches(&row).count(), 1, "docs/doctor.md lacks {row}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, Code::ALL.len());
}

#[test]
fn links_lead_somewhere() {
    let mut seen = 0;
    for (path, text) in pages() {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let target = target.0.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(path.parent().unwrap().join(target).exists(), "{}: {target}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} links");
}

/// Every `pullward …` in a block is a command of the program, with flags that it has.
#[test]
fn commands_and_flags_exist() -> Result<(), Error> {
    let pullward = Pullward::built()?;
    let workspace = Workspace::new()?;
    let mut seen = BTreeSet::new();
    for (path, text) in pages() {
        let joined: Vec<String> =
            blocks(&text).into_iter().map(|(_, block)| block.replace("\\\n", " ")).collect();
        for line in joined.iter().flat_map(|block| block.lines()) {
            let Some(rest) = line.trim_start_matches("$ ").strip_prefix("pullward ") else { continue };
            // What follows two blanks, a pipe or a hash explains.
            let rest =
                rest.split("  ").next().unwrap().split(" #").next().unwrap().split(" | ").next().unwrap();
            let words: Vec<&str> = rest.split_whitespace().collect();
            let verbs: Vec<&str> = words
                .iter()
                .copied()
                .take(if ["trust", "policy", "setup", "attestation", "store"].contains(&words[0]) {
                    2
                } else {
                    1
                })
                .collect();
            let mut arguments = verbs.clone();
            arguments.push("--help");
            let help = pullward.run(&workspace, &arguments)?;
            assert_eq!(help.code, 0, "{}: {line}: {}", path.display(), help.all());
            for flag in words.iter().filter(|word| word.starts_with('-') && word.len() > 1) {
                let flag = flag.split('=').next().unwrap();
                let known = help.out.lines().any(|line| {
                    line.trim_start().starts_with('-')
                        && line.split([' ', ',', '<']).any(|word| word.trim() == flag)
                });
                assert!(
                    known,
                    "{}: {line}: {flag} is no flag of pullward {}",
                    path.display(),
                    verbs.join(" ")
                );
            }
            seen.insert(verbs.join(" "));
        }
    }
    let commands = [
        "agent",
        "attestation show",
        "audit",
        "policy check",
        "policy import",
        "policy test",
        "replay",
        "setup containerd",
        "status",
        "tree",
        "trust build",
        "trust inspect",
        "trust install",
        "trust keygen",
        "verify",
    ];
    for wanted in commands {
        assert!(seen.contains(wanted), "no page shows pullward {wanted}");
    }
    Ok(())
}

#[test]
fn make_targets_exist() {
    let makefile = std::fs::read_to_string(top().join("Makefile")).unwrap();
    for (path, text) in pages() {
        for (_, block) in blocks(&text) {
            for target in block.lines().filter_map(|line| line.strip_prefix("make ")) {
                let target = target.split_whitespace().next().unwrap();
                assert!(makefile.contains(&format!("\n{target}:")), "{}: make {target}", path.display());
            }
        }
    }
}

/// Each row of the known holes names at least one test, or stands under what is open.
#[test]
fn the_tests_that_the_pages_name_exist() {
    let mut functions = BTreeSet::new();
    for folder in ["core", "agent", "proto", "tests"] {
        sources(&top().join(folder), &mut functions);
    }
    let holes = std::fs::read_to_string(top().join("docs/known-holes.md")).unwrap();
    let (closed, open) = holes.split_once("## Open in this version").unwrap();
    assert!(open.contains("T-110"));
    let peers = std::fs::read_to_string(top().join("docs/peers.md")).unwrap();
    let mut rows = 0;
    for row in closed.lines().filter(|line| line.starts_with("| T-") || line.starts_with("| F-")) {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            assert!(functions.contains(name), "{name} does not exist: {row}");
        }
        rows += 1;
    }
    assert!(rows > 50, "{rows} rows");
    for row in peers.lines().filter(|line| line.starts_with("| ") && line.ends_with("` |")) {
        let name = row.trim_end_matches("` |").rsplit('`').next().unwrap();
        assert!(functions.contains(name), "{name} does not exist: {row}");
    }
}

/// The names of all functions below a folder.
fn sources(folder: &Path, functions: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                sources(&path, functions);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split_once('('));
            functions.extend(names.map(|(name, _)| name.to_owned()));
        }
    }
}

/// The configuration of the pages is accepted, and the one that shows "all keys with their defaults" does.
#[test]
fn the_configurations_are_accepted_and_the_defaults_are_the_defaults() -> Result<(), Error> {
    let pullward = Pullward::built()?;
    let workspace = Workspace::new()?;
    let print = |name: &str, text: &str| -> Result<toml::Table, Error> {
        let path = workspace.write(name, text)?.display().to_string();
        let printed = pullward.succeed(&workspace, &["agent", "--config", &path, "--print-config"])?;
        Ok(printed.parse().unwrap())
    };
    let mut seen = 0;
    for (path, text) in pages() {
        for (language, block) in blocks(&text) {
            let ours = ["[agent]", "[registry]", "[trust]"].iter().any(|section| block.contains(section));
            if language == "toml" && ours && !block.contains("schema = 1") {
                let printed = print("shown.toml", block)?;
                seen += 1;
                if path.ends_with("docs/install.md") {
                    assert_eq!(printed, print("default.toml", "")?);
                    let shown: toml::Table = block.parse().unwrap();
                    for (section, keys) in &printed {
                        for (key, value) in keys.as_table().unwrap() {
                            assert_eq!(shown[section].get(key), Some(value), "[{section}] {key}");
                        }
                    }
                }
            }
        }
    }
    assert!(seen >= 3, "{seen} configurations");
    Ok(())
}

/// The policies of README and install.md become bundles.
#[test]
fn the_policies_are_fine() -> Result<(), Error> {
    let pullward = Pullward::built()?;
    let workspace = Workspace::new()?;
    pullward.succeed(&workspace, &["trust", "keygen", "--out", "cosign", "--no-passphrase"])?;
    let mut seen = 0;
    for (path, text) in pages() {
        if !(path.ends_with("README.md") || path.ends_with("install.md")) {
            continue;
        }
        for (_, block) in blocks(&text).into_iter().filter(|(_, block)| block.contains("schema = 1")) {
            let file = workspace.write("policy.toml", block)?.display().to_string();
            pullward.succeed(&workspace, &["policy", "check", &file])?;
            seen += 1;
        }
    }
    assert_eq!(seen, 2);
    Ok(())
}

/// Every example becomes a bundle, with keys of this test in place of the ones that it names.
#[test]
fn the_examples_are_fine() -> Result<(), Error> {
    let pullward = Pullward::built()?;
    let workspace = Workspace::new()?;
    let mut seen = 0;
    for entry in std::fs::read_dir(top().join("docs/examples")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(
            path.extension().and_then(|extension| extension.to_str()),
            Some("toml"),
            "{}",
            path.display()
        );
        let text = std::fs::read_to_string(&path).unwrap();
        for key in text.split('"').filter_map(|word| word.strip_suffix(".pub")) {
            if !workspace.join(format!("{key}.pub")).exists() {
                pullward.succeed(&workspace, &["trust", "keygen", "--out", key, "--no-passphrase"])?;
            }
        }
        let file = workspace.write("policy.toml", &text)?.display().to_string();
        pullward.succeed(&workspace, &["policy", "check", &file])?;
        seen += 1;
    }
    assert!(seen >= 4, "{seen} examples");
    Ok(())
}

/// What scripts people are told to run are scripts that the shell can read.
#[test]
fn scripts_can_be_read_by_the_shell() {
    for script in [".ci/run", "tests/demo/run", "tests/demo/real.bash", "tests/demo/embedded.bash"] {
        let status = Command::new("bash").arg("-n").arg(top().join(script)).status();
        match status {
            Ok(status) => assert!(status.success(), "{script}"),
            Err(error) => panic!("bash: {error}"),
        }
    }
}
