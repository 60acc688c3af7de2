//! `stack-mark BYTES BUNDLE ROOT ISSUER SUBJECT DIGEST`: verifies a keyless bundle on a thread with a stack of so many bytes.
//!
//! Exit code 0 where the core accepts it, 1 where it refuses, 64 for another command line; a stack that is too small
//! ends it by a signal. Whoever asks again with other sizes finds how much is needed.

use std::process::ExitCode;
use std::thread;

use pullward::conformance::{Asked, check};
use pullward_core::oci::Digest;
use pullward_core::time::UnixTime;
use pullward_core::verify::Artifact;

/// 2030: after everything that is in the corpora.
const NOW: UnixTime = UnixTime(1_893_456_000);
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bytes, bundle, root, issuer, subject, digest] = arguments.as_slice() else {
        return ExitCode::from(USAGE);
    };
    let files = std::fs::read(bundle).ok().zip(std::fs::read(root).ok());
    let numbers = bytes.parse::<usize>().ok().zip(Digest::parse(digest).ok());
    let (Some((bundle, root)), Some((bytes, digest))) = (files, numbers) else {
        return ExitCode::from(USAGE);
    };
    let (issuer, subject) = (issuer.clone(), subject.clone());
    let verify = move || {
        let asked = Asked::Identity { issuer: &issuer, subject: &subject };
        check(&bundle, &root, asked, &Artifact::Sha256(digest.as_bytes()), NOW).is_ok()
    };
    let thread = thread::Builder::new().stack_size(bytes).spawn(verify);
    match thread.map(thread::JoinHandle::join) {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        Ok(Ok(false)) => ExitCode::FAILURE,
        _ => ExitCode::from(USAGE),
    }
}
