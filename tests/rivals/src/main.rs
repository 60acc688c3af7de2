//! Times `sigstore-verify` on one bundle: from the bundle's bytes to its answer, with the trusted root read beforehand.
//!
//! `pullward-rivals BUNDLE TRUSTED_ROOT sha256:DIGEST ISSUER SUBJECT ROUNDS` prints the microseconds of each round, one a
//! line. It exits with 1 where the bundle is refused: a refusal is quick, and no number.

use std::process::ExitCode;
use std::time::Instant;

use sigstore_verify::trust_root::TrustedRoot;
use sigstore_verify::types::{Bundle, Sha256Hash};
use sigstore_verify::{VerificationPolicy, Verifier};

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pullward-rivals: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bundle, root, digest, issuer, subject, rounds] = arguments.as_slice() else {
        return Err("needs BUNDLE TRUSTED_ROOT sha256:DIGEST ISSUER SUBJECT ROUNDS".into());
    };
    let bundle = std::fs::read_to_string(bundle)?;
    let root = TrustedRoot::from_json(&std::fs::read_to_string(root)?)?;
    let digest = Sha256Hash::from_hex(digest.trim_start_matches("sha256:"))?;
    let verifier = Verifier::new(&root)?;
    let policy = VerificationPolicy::new(subject.as_str(), issuer.as_str());
    for _ in 0..rounds.parse()? {
        let start = Instant::now();
        let read = Bundle::from_json(&bundle)?;
        verifier.verify(digest, &read, &policy)?;
        println!("{:.1}", start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(())
}
