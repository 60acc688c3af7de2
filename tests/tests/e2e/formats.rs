//! Every kind of key that cosign can hold, in both of its formats.

use std::process::Command;

use pullward_tests::{CosignVersion, Error, KeyPair, ran, run};

use crate::stage::{Ground, Outcome};

/// How openssl makes them, and which cosigns can import and sign with them.
const KINDS: [(&str, &[&str]); 5] = [
    ("p256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ("p384", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    ("ed25519", &["-algorithm", "ED25519"]),
    ("rsa2048", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    ("rsa4096", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"]),
];

#[test]
fn every_kind_of_key_in_both_formats() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::formats")? else { return Ok(()) };
    let registry = ground.registry()?;
    let mut accepted = Vec::new();
    for (kind, options) in KINDS {
        for version in [CosignVersion::Three, CosignVersion::Two] {
            let cosign = ground.cosign(version)?;
            let name = format!("{kind}-{version:?}").to_lowercase();
            let pem = ground.workspace.join(format!("{name}.pem"));
            let mut command: Command = ground.peers.command("openssl", &ground.workspace)?;
            command.arg("genpkey").args(options).arg("-out").arg(&pem);
            run(command)?;
            let key: KeyPair = cosign.import_key_pair(&name, &pem)?;
            let image = ground.push(&registry, &name)?;
            match cosign.sign(&key, &image) {
                Ok(()) => {}
                Err(Error::Failed { output, .. }) => panic!("{name}: {output}"),
                Err(other) => return Err(other),
            }
            cosign.verify(&key.public, &image)?;
            assert_eq!(ground.verify_key(&key.public, &image)?, (0, "signed".to_owned()), "{name}");
            let other = cosign.generate_key_pair(&format!("other-{name}"))?;
            assert_eq!(ground.verify_key(&other.public, &image)?, (1, "untrusted-key".to_owned()), "{name}");
            accepted.push(name);
        }
    }
    assert_eq!(accepted.len(), 10);
    ran("e2e::formats")
}
