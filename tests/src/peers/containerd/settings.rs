//! What a private containerd is configured with, in the words of its generation.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::Error;

/// Which containerd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerdVersion {
    /// 1.6: CRI pulls by itself; there is neither a transfer service nor an image verifier.
    V1_6,
    /// 1.7: the transfer service calls verifiers, CRI pulls by itself and does not.
    V1_7,
    /// 2.x: CRI pulls through the transfer service, which calls verifiers.
    V2,
}

impl ContainerdVersion {
    /// The program in the peers' `bin/`, which is also the name of its part.
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::V1_6 => "containerd-1.6",
            Self::V1_7 => "containerd-1.7",
            Self::V2 => "containerd-2",
        }
    }

    /// The name of its command line in the peers' `bin/`.
    pub(super) fn command_line(self) -> &'static str {
        match self {
            Self::V1_6 => "ctr-1.6",
            Self::V1_7 => "ctr-1.7",
            Self::V2 => "ctr-2",
        }
    }

    fn config_version(self) -> i64 {
        match self {
            Self::V1_6 | Self::V1_7 => 2,
            Self::V2 => 3,
        }
    }
}

/// How layers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snapshotter {
    /// Mounts of the kernel's overlayfs.
    Overlayfs,
    /// Plain copies, which work everywhere.
    Native,
}

impl Snapshotter {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Overlayfs => "overlayfs",
            Self::Native => "native",
        }
    }
}

/// What differs between one private containerd and another.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) version: ContainerdVersion,
    pub(super) snapshotter: Option<Snapshotter>,
    pub(super) cri_expected: bool,
    pub(super) environment: Vec<(String, String)>,
    verifiers: Option<PathBuf>,
    hosts: Vec<(String, String)>,
    imports: Vec<PathBuf>,
    extra: Vec<String>,
}

impl Settings {
    /// A containerd without a verifier, which reaches registries as it would anywhere.
    #[must_use]
    pub fn new(version: ContainerdVersion) -> Self {
        Self {
            version,
            snapshotter: None,
            cri_expected: true,
            environment: Vec::new(),
            verifiers: None,
            hosts: Vec::new(),
            imports: Vec::new(),
            extra: Vec::new(),
        }
    }

    /// The folder whose programs are asked about each pull (`bin_dir`). On 1.6 there is no such thing
    /// and the setting has no effect.
    #[must_use]
    pub fn verifiers(mut self, folder: &Path) -> Self {
        self.verifiers = Some(folder.to_path_buf());
        self
    }

    /// Where the registry `host` is to be looked for: `serve("docker.io", "http://127.0.0.1:5000")`.
    #[must_use]
    pub fn serve(mut self, host: &str, address: &str) -> Self {
        self.hosts.push((host.to_owned(), address.to_owned()));
        self
    }

    /// The snapshotter; without this, overlayfs if it works and native if not.
    #[must_use]
    pub fn snapshotter(mut self, snapshotter: Snapshotter) -> Self {
        self.snapshotter = Some(snapshotter);
        self
    }

    /// A file that the configuration imports, as drop-ins are on a node. containerd then merges, not we.
    #[must_use]
    pub fn import(mut self, file: &Path) -> Self {
        self.imports.push(file.to_path_buf());
        self
    }

    /// TOML that is laid over the configuration, table by table, in the order given.
    #[must_use]
    pub fn extra(mut self, toml: &str) -> Self {
        self.extra.push(toml.to_owned());
        self
    }

    /// A variable of containerd's environment, which verifiers inherit.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// For settings with which CRI does not load: the start does not wait for it.
    #[must_use]
    pub fn without_cri(mut self) -> Self {
        self.cri_expected = false;
        self
    }

    /// The whole configuration.
    pub(super) fn configuration(&self, folder: &Path, snapshotter: Snapshotter) -> Result<String, Error> {
        let socket = socket(folder);
        let run = |name: &str| Value::from(folder.join(name).display().to_string());
        let mut plugins = Table::new();
        let hosts = Value::from(hosts(folder).display().to_string());
        // Without a place of its own: /opt/containerd, /etc/cni/net.d, /var/run/nri.
        plugins.insert("io.containerd.internal.v1.opt".into(), table([("path", run("opt"))]));
        let registry = table([("config_path", hosts.clone())]);
        let cni = table([("conf_dir", run("cni")), ("bin_dir", run("cni-bin"))]);
        if self.version == ContainerdVersion::V2 {
            plugins.insert(
                "io.containerd.cri.v1.images".into(),
                table([("snapshotter", snapshotter.name().into()), ("registry", registry)]),
            );
            let cni = table([("conf_dir", run("cni")), ("bin_dirs", Value::from(vec![run("cni-bin")]))]);
            plugins.insert("io.containerd.cri.v1.runtime".into(), table([("cni", cni)]));
        } else {
            let store = table([("snapshotter", snapshotter.name().into())]);
            plugins.insert(
                "io.containerd.grpc.v1.cri".into(),
                table([("containerd", store), ("registry", registry), ("cni", cni)]),
            );
        }
        if self.version != ContainerdVersion::V1_6 {
            plugins.insert("io.containerd.nri.v1.nri".into(), table([("socket_path", run("nri.sock"))]));
            let mut transfer = Table::new();
            transfer.insert("config_path".into(), hosts);
            if snapshotter == Snapshotter::Native {
                // The default names overlayfs only, and a pull for another ends with "no unpack
                // platforms defined".
                let platform = format!("linux/{}", super::architecture());
                let unpack = table([("snapshotter", "native".into()), ("platform", platform.into())]);
                transfer.insert("unpack_config".into(), Value::from(vec![unpack]));
            }
            plugins.insert("io.containerd.transfer.v1.local".into(), Value::Table(transfer));
            if let Some(verifiers) = &self.verifiers {
                let verifiers = verifiers.display().to_string();
                plugins.insert(
                    "io.containerd.image-verifier.v1.bindir".into(),
                    table([("bin_dir", verifiers.into())]),
                );
            }
        }
        let imports: Vec<_> = self.imports.iter().map(|file| file.display().to_string()).collect();
        let ttrpc = format!("{}.ttrpc", socket.display());
        let mut whole = Table::from_iter([
            ("version".to_owned(), Value::from(self.version.config_version())),
            ("root".to_owned(), run("root")),
            ("state".to_owned(), run("state")),
            ("imports".to_owned(), Value::from(imports)),
            ("grpc".to_owned(), table([("address", socket.display().to_string().into())])),
            ("ttrpc".to_owned(), table([("address", ttrpc.into())])),
            ("debug".to_owned(), table([("level", "debug".into())])),
            ("plugins".to_owned(), Value::Table(plugins)),
        ]);
        for extra in &self.extra {
            let extra = extra.parse::<Table>().map_err(|error| Error::unexpected("extra settings", error))?;
            lay_over(&mut whole, extra);
        }
        toml::to_string(&whole).map_err(|error| Error::unexpected("settings", error))
    }

    /// One `hosts.toml` per served host.
    pub(super) fn write_hosts(&self, folder: &Path) -> Result<(), Error> {
        let hosts = hosts(folder);
        std::fs::create_dir_all(&hosts).map_err(Error::io(&hosts))?;
        for (host, address) in &self.hosts {
            let folder = hosts.join(host);
            std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
            let file = folder.join("hosts.toml");
            let text =
                format!("server = '{address}'\n[host.'{address}']\n  capabilities = ['pull', 'resolve']\n");
            std::fs::write(&file, text).map_err(Error::io(&file))?;
        }
        Ok(())
    }
}

pub(super) fn socket(folder: &Path) -> PathBuf {
    folder.join("containerd.sock")
}

pub(super) fn hosts(folder: &Path) -> PathBuf {
    folder.join("certs.d")
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Table(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Tables are merged, everything else is replaced.
fn lay_over(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_over(below, above),
            (_, value) => drop(below.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_settings_replace_values_and_keep_their_neighbours() {
        let text = Settings::new(ContainerdVersion::V2)
            .extra(
                "[plugins.'io.containerd.cri.v1.images']\nsnapshotter = 'other'\nuse_local_image_pull = true",
            )
            .configuration(Path::new("/x"), Snapshotter::Overlayfs)
            .unwrap();
        let whole: Table = text.parse().unwrap();
        let images = &whole["plugins"]["io.containerd.cri.v1.images"];
        assert_eq!(images["snapshotter"].as_str(), Some("other"));
        assert_eq!(images["use_local_image_pull"].as_bool(), Some(true));
        assert_eq!(images["registry"]["config_path"].as_str(), Some("/x/certs.d"));
    }

    #[test]
    fn extra_settings_that_are_not_toml_are_refused() {
        let settings = Settings::new(ContainerdVersion::V2).extra("[");
        assert!(matches!(
            settings.configuration(Path::new("/x"), Snapshotter::Native),
            Err(Error::Unexpected { .. })
        ));
    }
}
