//! `pullward trust keygen`

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::super::{FINE, line};
use super::{Stop, passphrases};
use crate::trust::file::{Existing, write_whole};
use crate::trust::passphrase::Purpose;
use crate::trust::root_key::{RootKey, RootKeyError, RootKeyType};

/// Make a root key: NAME.key and NAME.pub.
///
/// The private key is encrypted in cosign's format and never leaves this machine; nodes pin the public one. Needs a
/// passphrase: --passphrase-file, the environment variable PULLWARD_PASSPHRASE, or a terminal.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  pullward trust keygen --out root\n  \
    pullward trust keygen --out alice --type ed25519 --passphrase-file alice.pass")]
pub(super) struct Keygen {
    /// Name of the two files, without .key and .pub.
    #[arg(long, value_name = "NAME")]
    out: PathBuf,
    /// Kind of key.
    #[arg(long = "type", value_name = "TYPE", default_value = "p256")]
    key_type: TypeName,
    /// Do not encrypt the private key: whoever reads the file can sign.
    #[arg(long, conflicts_with = "passphrase_file")]
    no_passphrase: bool,
    /// Replace files that exist. A key that is replaced is lost.
    #[arg(long)]
    force: bool,
    /// File with the passphrase in its first line; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TypeName {
    /// ECDSA on P-256.
    P256,
    /// Ed25519.
    Ed25519,
}

impl Keygen {
    pub(super) fn run(&self, out: &mut dyn Write, err: &mut dyn Write) -> Result<u8, Stop> {
        let (private, public) = (with_ending(&self.out, ".key"), with_ending(&self.out, ".pub"));
        let existing = if self.force { Existing::Replace } else { Existing::Keep };
        if existing == Existing::Keep {
            for file in [&private, &public] {
                if file.symlink_metadata().is_ok() {
                    let name = file.display();
                    return Err(Stop::cannot(format!(
                        "{name}: exists and is not overwritten; choose another name, or --force if the key may be lost"
                    )));
                }
            }
        }
        let passphrase = if self.no_passphrase {
            None
        } else {
            let name = private.display().to_string();
            let asked = passphrases(self.passphrase_file.as_ref()).passphrase(&name, Purpose::New);
            Some(asked.map_err(RootKeyError::Passphrase)?)
        };
        let key = RootKey::generate(match self.key_type {
            TypeName::P256 => RootKeyType::P256,
            TypeName::Ed25519 => RootKeyType::Ed25519,
        })?;
        let private_pem = key.to_pem(passphrase.as_ref().map(|passphrase| passphrase.as_str()))?;
        write(&private, private_pem.as_bytes(), 0o600, existing)?;
        if let Err(stop) = write(&public, key.public_pem()?.as_bytes(), 0o644, existing) {
            if existing == Existing::Keep {
                // Half a pair is no pair. The first error is the one that tells what to repair.
                drop(std::fs::remove_file(&private));
            }
            return Err(stop);
        }
        if self.no_passphrase {
            line(err, &format!("{}: not encrypted: whoever reads it can sign", private.display()))?;
        }
        line(out, &format!("private key  {}", private.display()))?;
        line(out, &format!("public key   {}", public.display()))?;
        line(out, &format!("type         {}", key.key_type().name()))?;
        line(out, &format!("key id       {}", key.id().hex()))?;
        Ok(FINE)
    }
}

/// `NAME.key`, also where NAME has a dot in it.
fn with_ending(name: &Path, ending: &str) -> PathBuf {
    let mut text = OsString::from(name);
    text.push(ending);
    text.into()
}

fn write(file: &Path, bytes: &[u8], mode: u32, existing: Existing) -> Result<(), Stop> {
    write_whole(file, bytes, mode, existing)
        .map_err(|error| Stop::cannot(format!("{}: {error}", file.display())))
}
