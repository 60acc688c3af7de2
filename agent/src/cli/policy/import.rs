//! `pullward policy import`

use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use pullward_core::limits;
use serde::Serialize;

use super::super::judging::Output;
use super::super::{CANNOT, FINE, NOT_FINE, line};
use crate::policy::import::{Finding, Import as Read, Imported, RootFile, Weight};
use crate::policy::{PublicKeyFile, read_capped};
use crate::trust::file::{Existing, folder_of, write_whole};

/// Turn a policy of Kyverno (ImageValidatingPolicy) or sigstore's policy-controller (ClusterImagePolicy) into a policy file.
///
/// The policy goes to standard output, or to --out FILE. Its key files go beside it: into FILE's folder, or into the
/// working folder. Remarks and refusals go to standard error, each with line, column and field. Where anything in the
/// document cannot be enforced, and the policy would so ask for less, nothing is written.
///
/// Exits with 0 where there is a policy, with 1 where the document is refused, with 2 where a file cannot be read or written.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    pullward policy import image-validating-policy.yaml > policy.toml && pullward policy check policy.toml\n  \
    pullward policy import --out /etc/pullward/policy.toml image-validating-policy.yaml\n  \
    pullward policy import --trusted-root trusted_root.json keyless.yaml > policy.toml\n  \
    kubectl get imagevalidatingpolicy -o yaml | pullward policy import -o json -")]
pub(super) struct Import {
    /// The document, YAML or JSON; - reads it from standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// File to write the policy to; its key files are written beside it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Trusted root (Sigstore TrustedRoot, JSON) that vouches for the document's keyless signers; the policy names this file
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
    /// Replace FILE of --out, and key files that hold other keys
    #[arg(long)]
    force: bool,
    /// How to print what came of it; json is one document with the policy in it, and writes files only with --out
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

/// The answer for programs.
#[derive(Debug, Serialize)]
struct Answer<'r> {
    schema: &'static str,
    result: &'static str,
    policy: Option<&'r str>,
    keys: Vec<KeyRow<'r>>,
    refused: Vec<&'r Finding>,
    remarks: Vec<&'r Finding>,
    not_needed: Vec<&'r Finding>,
}

#[derive(Debug, Serialize)]
struct KeyRow<'r> {
    file: &'r str,
    pem: &'r str,
}

impl Import {
    pub(super) fn run(&self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
        let (name, text) = match self.read() {
            Ok(read) => read,
            Err((code, message)) => {
                line(err, &format!("pullward policy import: {message}"))?;
                return Ok(code);
            }
        };
        let root = match self.trusted_root.as_deref().map(|path| self.read_root(path)).transpose() {
            Ok(root) => root,
            Err(message) => {
                line(err, &format!("pullward policy import: {message}"))?;
                return Ok(CANNOT);
            }
        };
        let read = Read::read_with(&name, &text, root.as_ref());
        for finding in read.of_weight(Weight::Refusal).chain(read.of_weight(Weight::Remark)) {
            let gap = if finding.place.is_empty() { " " } else { "" };
            line(err, &format!("{name}:{gap}{finding}"))?;
        }
        let written = match (&read.policy, &self.out, self.output) {
            (None, ..) => Ok(Vec::new()),
            (Some(policy), Some(path), _) => self.write(policy, Some(path)),
            (Some(policy), None, Output::Text) => self.write(policy, None),
            (Some(_), None, Output::Json) => Ok(Vec::new()),
        };
        let written = match written {
            Ok(written) => written,
            Err(message) => {
                line(err, &format!("pullward policy import: {message}"))?;
                return Ok(CANNOT);
            }
        };
        match (self.output, &read.policy) {
            (Output::Json, policy) => {
                serde_json::to_writer(&mut *out, &answer(&read, policy.as_ref()))?;
                writeln!(out)?;
            }
            (Output::Text, None) => {
                let count = read.of_weight(Weight::Refusal).count();
                let things = if count == 1 { "thing" } else { "things" };
                line(err, &format!("{name}: refused for {count} {things}; nothing was written"))?;
            }
            (Output::Text, Some(policy)) => {
                if self.out.is_none() {
                    out.write_all(policy.text.as_bytes())?;
                }
                for file in written {
                    line(if self.out.is_some() { &mut *out } else { &mut *err }, &file)?;
                }
            }
        }
        Ok(if read.policy.is_some() { FINE } else { NOT_FINE })
    }

    /// The document's name and text.
    fn read(&self) -> Result<(String, String), (u8, String)> {
        let (name, bytes) = if self.file == Path::new("-") {
            let mut bytes = Vec::new();
            let read = io::stdin().lock().take(limits::IMPORT_FILE_BYTES + 1).read_to_end(&mut bytes);
            let large = u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limits::IMPORT_FILE_BYTES;
            let read = match read {
                Err(error) => Err(error.to_string()),
                Ok(_) if large => Err(format!("it is larger than {} bytes", limits::IMPORT_FILE_BYTES)),
                Ok(_) => Ok(bytes),
            };
            ("standard input".to_owned(), read)
        } else {
            let name = self.file.file_name().unwrap_or(self.file.as_os_str()).to_string_lossy().into_owned();
            (name, read_capped(&self.file, limits::IMPORT_FILE_BYTES))
        };
        let bytes =
            bytes.map_err(|reason| (CANNOT, format!("{}: cannot be read: {reason}", self.file.display())))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            (NOT_FINE, format!("{name}: is not UTF-8 at byte {at}; save it as UTF-8"))
        })?;
        Ok((name, text))
    }

    /// The trusted root, by the name that the policy finds it by: as it was given where the policy lies in the working
    /// folder, else absolute.
    fn read_root(&self, path: &Path) -> Result<RootFile, String> {
        let cap = u64::try_from(limits::TRUSTED_ROOT_BYTES).unwrap_or(u64::MAX);
        let cannot = |reason: String| format!("{}: cannot be read: {reason}", path.display());
        let content = read_capped(path, cap).map_err(cannot)?;
        let beside = self.out.as_deref().is_none_or(|out| folder_of(out) == Path::new("."));
        let named = if beside {
            path.to_owned()
        } else {
            path.canonicalize().map_err(|error| cannot(error.to_string()))?
        };
        let path =
            named.to_str().map(str::to_owned).ok_or_else(|| cannot("its path is not UTF-8".to_owned()))?;
        Ok(RootFile { path, content })
    }

    /// Writes the key files, and the policy where it has a path: all of them or none. Gives a line for each.
    fn write(&self, policy: &Imported, path: Option<&Path>) -> Result<Vec<String>, String> {
        let folder = path.map_or_else(|| PathBuf::from("."), folder_of);
        let place = |file: &str| if path.is_some() { folder.join(file) } else { PathBuf::from(file) };
        if let Some(path) = path
            && !self.force
            && path.symlink_metadata().is_ok()
        {
            return Err(format!(
                "{}: is there already; move it away, or replace it with --force",
                path.display()
            ));
        }
        let mut wanted = Vec::new();
        let mut lines = Vec::new();
        for (file, pem) in &policy.keys {
            let place = place(file);
            match same_key(&place, pem) {
                Some(true) => lines.push(format!("{}: holds the key already", place.display())),
                Some(false) if !self.force => {
                    return Err(format!(
                        "{}: is there already and holds something else than the key {file} of the document; move it away, \
                         write elsewhere with --out FILE, or replace it with --force",
                        place.display()
                    ));
                }
                _ => wanted.push((place, pem)),
            }
        }
        let existing = if self.force { Existing::Replace } else { Existing::Keep };
        let mut done: Vec<&Path> = Vec::new();
        let undo = |done: &[&Path]| {
            // The first error is the one that tells what to repair. What was replaced by --force stays replaced.
            if !self.force {
                done.iter().for_each(|path| drop(std::fs::remove_file(path)));
            }
        };
        let files = wanted.iter().map(|(place, pem)| (place.as_path(), pem.as_str()));
        for (place, content) in files.chain(path.map(|path| (path, policy.text.as_str()))) {
            if let Err(error) = write_whole(place, content.as_bytes(), 0o644, existing) {
                undo(&done);
                return Err(format!("{}: cannot be written: {error}", place.display()));
            }
            done.push(place);
            lines.push(format!("{}: written", place.display()));
        }
        Ok(lines)
    }
}

/// Whether a file holds this key; none where there is no file.
fn same_key(path: &Path, pem: &str) -> Option<bool> {
    path.symlink_metadata().ok()?;
    let id = |bytes: &[u8]| PublicKeyFile::parse(bytes).ok().map(|key| key.id());
    let there = read_capped(path, limits::KEY_FILE_BYTES).ok().and_then(|bytes| id(&bytes));
    Some(there.is_some() && there == id(pem.as_bytes()))
}

fn answer<'r>(read: &'r Read, policy: Option<&'r Imported>) -> Answer<'r> {
    Answer {
        schema: "pullward/policy-import/v1",
        result: if policy.is_some() { "imported" } else { "refused" },
        policy: policy.map(|policy| policy.text.as_str()),
        keys: policy.iter().flat_map(|policy| &policy.keys).map(|(file, pem)| KeyRow { file, pem }).collect(),
        refused: read.of_weight(Weight::Refusal).collect(),
        remarks: read.of_weight(Weight::Remark).collect(),
        not_needed: read.of_weight(Weight::Silent).collect(),
    }
}
