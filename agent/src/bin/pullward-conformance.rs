//! The client of Sigstore's conformance tests (sigstore-conformance, `docs/cli_protocol.md`): verifies one bundle about one
//! artifact, offline, by the same core as everything else.
//!
//! `pullward-conformance verify-bundle --bundle FILE (--certificate-identity ID --certificate-oidc-issuer URL | --key FILE)
//! --trusted-root FILE FILE_OR_DIGEST`. Exit code 0: it verifies; 1: it does not; 64: usage. There is no trusted root in
//! this program, so `--staging` cannot be had, and nothing can be signed.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the answer of a command line program")]

use std::process::ExitCode;
use std::time::SystemTime;

use pullward::conformance::{Arguments, run};

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("pullward-conformance: {problem}");
            return ExitCode::from(64);
        }
    };
    match run(&arguments, SystemTime::now()) {
        Ok(signer) => {
            println!("verified: signed by {signer}");
            ExitCode::SUCCESS
        }
        Err(refusal) => {
            eprintln!("pullward-conformance: {refusal}");
            ExitCode::FAILURE
        }
    }
}
