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

/// cosign 3.1 signs a bundle with P-384 over SHA-384, as the format says, and then checks it over SHA-256: it refuses
/// what it has just made. We follow the format.
const OWN_REFUSED: &str = "p384-three";

/// cosign 3.1 makes no bundle with an Ed25519 key: it cannot verify its own signature and stops.
const CANNOT_SIGN: &str = "ed25519-three";

#[test]
fn every_kind_of_key_in_both_formats() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::formats")? else { return Ok(()) };
    let registry = ground.registry()?;
    let mut accepted = Vec::new();
    for (kind, options) in KINDS {
        let pem = ground.workspace.join(format!("{kind}.pem"));
        let mut command: Command = ground.peers.command("openssl", &ground.workspace)?;
        command.arg("genpkey").args(options).arg("-out").arg(&pem);
        run(command)?;
        // cosign 2 signs with what cosign 3 has imported; it takes fewer kinds of PEM itself.
        let key: KeyPair = ground.cosign(CosignVersion::Three)?.import_key_pair(kind, &pem)?;
        for version in [CosignVersion::Three, CosignVersion::Two] {
            let cosign = ground.cosign(version)?;
            let name = format!("{kind}-{version:?}").to_lowercase();
            let image = ground.push(&registry, &name)?;
            match cosign.sign(&key, &image) {
                Err(Error::Failed { output, .. }) if name == CANNOT_SIGN => {
                    assert!(output.contains("error signing bundle"), "{output}");
                    continue;
                }
                signed => signed?,
            }
            assert_ne!(name, CANNOT_SIGN, "cosign signs with it now");
            let theirs = cosign.verify(&key.public, &image);
            if name == OWN_REFUSED {
                let reason = theirs.expect_err("cosign verifies its own P-384 bundle now").to_string();
                assert!(reason.contains("could not verify envelope"), "{reason}");
            } else {
                theirs?;
            }
            assert_eq!(ground.verify_key(&key.public, &image)?, (0, "signed".to_owned()), "{name}");
            let other = cosign.generate_key_pair(&format!("other-{name}"))?;
            assert_eq!(ground.verify_key(&other.public, &image)?, (1, "untrusted-key".to_owned()), "{name}");
            accepted.push(name);
        }
    }
    assert_eq!(accepted.len(), 2 * KINDS.len() - 1);
    ran("e2e::formats")
}
