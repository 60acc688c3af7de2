//! The client of Sigstore's conformance tests (sigstore-conformance, `docs/cli_protocol.md`): verifies one bundle about one
//! artifact, offline, by the same core as everything else.
//!
//! `pullward-conformance verify-bundle --bundle FILE (--certificate-identity ID --certificate-oidc-issuer URL | --key FILE)
//! --trusted-root FILE FILE_OR_DIGEST`. Exit code 0: it verifies; 1: it does not; 64: usage. There is no trusted root in
//! this program, so `--staging` cannot be had, and nothing can be signed.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::SystemTime;

use pullward::conformance::{Arguments, run};

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            let _told = writeln!(io::stderr(), "pullward-conformance: {problem}");
            return ExitCode::from(64);
        }
    };
    match run(&arguments, SystemTime::now()) {
        Ok(signer) => {
            // Who cannot be told has not been told.
            match writeln!(io::stdout(), "verified: signed by {signer}") {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            }
        }
        Err(refusal) => {
            let _told = writeln!(io::stderr(), "pullward-conformance: {refusal}");
            ExitCode::FAILURE
        }
    }
}
