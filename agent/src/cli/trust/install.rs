//! `pullward trust install`

use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use pullward_core::limits;

use super::super::{FINE, line};
use super::Stop;
use crate::config;
use crate::policy::read_capped;
use crate::trust::node::{Change, TrustSettings};
use crate::trust::refused::{Refused, RefusedClass};
use crate::trust::time::{Lifetime, Time};

/// Seconds before its expiry from which on an installed bundle is worth a warning: a week.
const SOON: u64 = 7 * 86_400;

/// Install a trust bundle on this node, whole or not at all.
///
/// Checks the signatures against the root keys that the configuration pins, the audience, the expiry and the version:
/// an older one than this node has had is refused, for ever. What was installed before stays where this fails.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  pullward trust install trust.json\n  \
    cat trust.json | pullward trust install - --config /etc/pullward/config.toml")]
pub(super) struct Install {
    /// The bundle; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The node's configuration.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    config: PathBuf,
}

impl Install {
    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    pub(super) fn run(
        &self,
        settings: &dyn Fn(&Path) -> Result<TrustSettings, String>,
        out: &mut dyn Write,
        err: &mut dyn Write,
    ) -> Result<u8, Stop> {
        let bytes = self.read()?;
        let settings = settings(&self.config).map_err(Stop::cannot)?;
        let now = Time::now();
        let installed = settings
            .install(&self.file.display().to_string(), &bytes, now)
            .map_err(|refused| stop(&refused))?;
        let trust = &installed.trust;
        let expires = Time::from_seconds(trust.expires).unwrap_or(now);
        let what = match (installed.change, installed.before) {
            (Change::Nothing, _) => "was installed already".to_owned(),
            (Change::Replaced, Some(before)) if before != trust.version => {
                format!("installed, version {before} before")
            }
            (Change::Replaced, _) => "installed".to_owned(),
        };
        line(
            out,
            &format!(
                "trust bundle version {} for {}, {}: {what}; expires {expires}",
                trust.version, trust.audience, trust.digest
            ),
        )?;
        if trust.issued > now.unix().0 {
            line(err, "warning: it is issued later than this node's clock says it is; check the clock")?;
        }
        let soon = Lifetime::from_seconds(SOON).and_then(|soon| now.after(soon));
        if soon.is_some_and(|soon| expires < soon) {
            line(
                err,
                &format!("warning: it expires soon, at {expires}; build and install the next version"),
            )?;
        }
        Ok(FINE)
    }

    fn read(&self) -> Result<Vec<u8>, Stop> {
        let text = self.file.to_string_lossy();
        if text == "-" {
            let mut bytes = Vec::new();
            let cap = limits::TRUST_FILE_BYTES.saturating_add(1);
            std::io::stdin()
                .lock()
                .take(cap)
                .read_to_end(&mut bytes)
                .map_err(|error| Stop::cannot(format!("standard input: {error}")))?;
            return Ok(bytes);
        }
        if text.starts_with("oci://") {
            return Err(Stop::usage(format!(
                "{text}: this version installs bundles from files; fetch it first, for example with `oras pull`"
            )));
        }
        // A file that is missing stays a file that is missing: nothing is looked for on the network.
        read_capped(&self.file, limits::TRUST_FILE_BYTES).map_err(|reason| {
            let hint = if looks_like_a_reference(&text) {
                "; this version installs bundles from files, a registry's would be written oci://HOST/REPOSITORY:TAG"
            } else {
                ""
            };
            Stop::cannot(format!("{text}: {reason}{hint}"))
        })
    }
}

/// Whether there is a `:` or `@` behind the first part, as in HOST/REPOSITORY:TAG.
fn looks_like_a_reference(text: &str) -> bool {
    text.split_once('/').is_some_and(|(_, rest)| rest.contains([':', '@']))
}

fn stop(refused: &Refused) -> Stop {
    let message = format!("{refused} [{}]", refused.fault.code());
    match refused.fault.class() {
        RefusedClass::Bundle => Stop::not_fine(message),
        RefusedClass::Node => Stop::cannot(message),
    }
}
