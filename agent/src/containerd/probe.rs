//! The running containerd, asked over its own socket.

use std::path::Path;
use std::time::Duration;

use containerd_client::services::v1::PluginsRequest;
use containerd_client::services::v1::introspection_client::IntrospectionClient;
use containerd_client::services::v1::version_client::VersionClient;

use crate::containerd::drop_in::PLUGIN;

/// All questions together, at most. containerd answers in milliseconds or is in trouble.
const PATIENCE: Duration = Duration::from_secs(3);

/// The first version with the image verifier plugin.
const FIRST: (u32, u32) = (2, 0);
/// The first version whose CRI asks it: before, only the transfer service does.
const FIRST_CRI: (u32, u32) = (2, 1);

/// What a running containerd says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its version, as it writes it.
    pub version: String,
    /// The image verifier plugin.
    pub plugin: Plugin,
}

/// State of the image verifier plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plugin {
    /// Loaded.
    Loaded,
    /// There, but it did not start.
    Failed(String),
    /// Disabled, or unknown to this containerd.
    Absent,
}

/// Why a containerd was not asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// It does not answer.
    #[error("containerd does not answer: {0}")]
    Unreachable(String),
    /// Not within the time.
    #[error("containerd does not answer within {} s", PATIENCE.as_secs())]
    Slow,
}

impl Running {
    /// Whether this containerd has the image verifier plugin at all: 2.0 and later.
    #[must_use]
    pub fn has_verifiers(&self) -> bool {
        version(&self.version).is_some_and(|version| version >= FIRST)
    }

    /// Whether its CRI asks verifiers, unless a setting keeps it from that: 2.1 and later.
    #[must_use]
    pub fn cri_asks(&self) -> bool {
        version(&self.version).is_some_and(|version| version >= FIRST_CRI)
    }
}

/// Asks the containerd at `address`.
///
/// # Errors
/// [`ProbeError`]: then nothing is known.
pub fn ask(address: &Path) -> Result<Running, ProbeError> {
    let unreachable = |text: String| ProbeError::Unreachable(crate::verdict::printable(&text, 200));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| unreachable(error.to_string()))?;
    let asked = runtime.block_on(async {
        tokio::time::timeout(PATIENCE, async {
            let channel = containerd_client::connect(address).await.map_err(|error| causes(&error))?;
            let version = VersionClient::new(channel.clone()).version(()).await;
            let version = version.map_err(|status| status.message().to_owned())?.into_inner().version;
            let plugins =
                IntrospectionClient::new(channel).plugins(PluginsRequest { filters: Vec::new() }).await;
            let plugins = plugins.map_err(|status| status.message().to_owned())?.into_inner().plugins;
            let ours =
                plugins.into_iter().find(|plugin| format!("{}.{}", plugin.r#type, plugin.id) == PLUGIN);
            let plugin = match ours.map(|plugin| plugin.init_err) {
                None => Plugin::Absent,
                Some(None) => Plugin::Loaded,
                Some(Some(status)) => Plugin::Failed(crate::verdict::printable(&status.message, 200)),
            };
            Ok(Running { version: crate::verdict::printable(&version, 100), plugin })
        })
        .await
    });
    runtime.shutdown_background();
    asked.map_err(|_| ProbeError::Slow)?.map_err(unreachable)
}

/// An error with all that caused it: tonic's own text is only "transport error".
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        next = error.source();
    }
    text
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim_start_matches('v').split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Plugin, ProbeError, Running, ask};

    fn running(version: &str) -> Running {
        Running { version: version.into(), plugin: Plugin::Absent }
    }

    #[test]
    fn verifiers_came_with_two_point_zero() {
        for version in ["2.0.0", "2.1.9+unknown", "v2.0.0-rc.1", "3.0.0"] {
            assert!(running(version).has_verifiers(), "{version}");
        }
        for version in ["1.7.24~ds1", "v1.6.20", "", "unknown"] {
            assert!(!running(version).has_verifiers(), "{version}");
        }
    }

    #[test]
    fn cri_asks_them_from_two_point_one_on() {
        for version in ["2.1.0", "v2.1.9", "2.4.0-beta.0", "3.0.0"] {
            assert!(running(version).cri_asks(), "{version}");
        }
        for version in ["2.0.5", "1.7.24~ds1", "2", ""] {
            assert!(!running(version).cri_asks(), "{version}");
        }
    }

    #[test]
    fn no_containerd_is_an_error_that_says_why() {
        let Err(ProbeError::Unreachable(text)) = ask(Path::new("/nonexistent/containerd.sock")) else {
            panic!("something answered");
        };
        assert!(text.contains("No such file"), "{text}");
    }
}
