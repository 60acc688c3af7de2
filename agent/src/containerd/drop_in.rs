//! The piece of containerd's configuration that makes it execute the verifier.

use std::path::Path;

/// The plugin that executes verifiers.
pub const PLUGIN: &str = "io.containerd.image-verifier.v1.bindir";

/// First line of every drop-in that we write.
pub const HEADER: &str = "# pullward: written by `pullward setup containerd`";

/// How many verifiers containerd shall run; its own default.
const MAX_VERIFIERS: u32 = 10;

/// The values with which CRI pulls over the transfer service, which asks verifiers.
const CRI: &str = "
# With any other value of these, CRI pulls by itself and asks nobody.
[plugins.\"io.containerd.cri.v1.images\"]
use_local_image_pull = false
discard_unpacked_layers = false
disable_snapshot_annotations = true
image_pull_with_sync_fs = false
max_concurrent_downloads = 3
";

/// Version of containerd's configuration format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// `version = 2`, as configurations from before containerd 2.0 have it; 2.x still reads it.
    Two,
    /// `version = 3`, containerd 2.x.
    #[default]
    Three,
}

/// The drop-in for verifiers in `folder`.
///
/// In version 3, which containerd 2 merges key by key, it also says the values with which CRI asks verifiers at all, so that
/// a main configuration that says otherwise is overruled; seen with 2.1.9. What a *later* import says counts, and tables of
/// credentials and mirrors cannot be taken away by an import: `doctor` looks for both. Before 2.0 an import replaces all
/// of a plugin's settings, so version 2 says nothing of CRI.
///
/// `required_plugins` keeps containerd from starting with the verifier disabled; seen with containerd 2.1.9, which
/// adds the entry of an imported file to those of the main one.
#[must_use]
pub fn text(format: Format, folder: &Path) -> String {
    let version = match format {
        Format::Two => 2,
        Format::Three => 3,
    };
    let cri = match format {
        Format::Two => "",
        Format::Three => CRI,
    };
    // As TOML quotes it.
    let folder = toml::Value::from(folder.to_string_lossy().into_owned());
    format!(
        "{HEADER}\n\
         # containerd 2.0 or later. The main configuration must import this file, for instance by\n\
         #   imports = [\"/etc/containerd/conf.d/*.toml\"]\n\
         version = {version}\n\
         required_plugins = [\"{PLUGIN}\"]\n\
         \n\
         [plugins.\"{PLUGIN}\"]\n\
         bin_dir = {folder}\n\
         max_verifiers = {MAX_VERIFIERS}\n\
         per_verifier_timeout = \"10s\"\n\
         {cri}"
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Format, PLUGIN, text};

    #[test]
    fn it_is_toml_that_says_what_it_should() {
        for (format, version) in [(Format::Two, 2), (Format::Three, 3)] {
            let table: toml::Table = text(format, Path::new("/opt/a \"b\"/bin")).parse().unwrap();
            assert_eq!(table["version"].as_integer(), Some(version));
            assert_eq!(table["plugins"][PLUGIN]["bin_dir"].as_str(), Some("/opt/a \"b\"/bin"));
            assert_eq!(table["required_plugins"][0].as_str(), Some(PLUGIN));
            let cri = table["plugins"].get("io.containerd.cri.v1.images");
            assert_eq!(cri.is_some(), format == Format::Three);
            assert_eq!(table["plugins"].get("io.containerd.grpc.v1.cri"), None);
        }
    }
}
