//! Distributions of containerd and kubelet: where each keeps its files, and what of it can be moved.
//!
//! A [`Layout`] is data. Nothing here looks at a node but [`Flavour::detect`]. Whether a flavour enforces is not decided
//! here either: `doctor` looks at the node as it is, and docs/flavours.md says what was seen with each.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Which distribution's paths containerd uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// containerd's own defaults; `setup` and `doctor` look which one it is.
    #[default]
    Auto,
    /// containerd from a package, without kubelet or with one that somebody else manages.
    Debian,
    /// kubeadm's kubelet beside a packaged containerd.
    Kubeadm,
    /// k3s with the containerd that it brings along.
    K3s,
    /// RKE2 with the containerd that it brings along.
    Rke2,
    /// k0s with the containerd that it brings along.
    K0s,
    /// `MicroK8s`, a snap.
    Microk8s,
    /// Amazon Linux 2023 for EKS, set up by nodeadm.
    EksAl2023,
    /// Bottlerocket.
    Bottlerocket,
    /// Talos Linux.
    Talos,
}

/// How a piece of containerd's configuration gets into the one that is in effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// A file in this folder: the main configuration imports all of them already.
    Imported(&'static str),
    /// A file in this folder, once the main configuration imports them.
    ToBeImported(&'static str),
    /// No file: this setting of the distribution's own.
    Setting(&'static str),
}

/// Where a flavour keeps its things. Paths are those of its current releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// containerd's socket.
    pub socket: &'static str,
    /// The configuration that containerd reads at its start.
    pub config: &'static str,
    /// What writes that file anew at its own start; `None` where it is the operator's.
    pub generated_by: Option<&'static str>,
    /// How our piece of configuration gets in.
    pub route: Route,
    /// `hosts.toml` files.
    pub certs_d: &'static str,
    /// How kubelet is led to the CRI proxy; an `Err` says why it is not.
    pub kubelet: Result<&'static str, &'static str>,
    /// Configuration of kubelet's image credential providers, where the flavour has a usual place.
    pub credential_providers: Option<&'static str>,
    /// Archives in these folders are imported at start, unjudged.
    pub preload: &'static [&'static str],
    /// What is open with this flavour's own defaults, in a sentence; empty where nothing is.
    pub hole: &'static str,
}

const DEBIAN: Layout = Layout {
    socket: "/run/containerd/containerd.sock",
    config: "/etc/containerd/config.toml",
    generated_by: None,
    route: Route::ToBeImported("/etc/containerd/conf.d"),
    certs_d: "/etc/containerd/certs.d",
    kubelet: Ok(
        "containerRuntimeEndpoint: unix:///run/pullward/cri.sock in /var/lib/kubelet/config.yaml, and no --container-runtime-endpoint beside it",
    ),
    credential_providers: None,
    preload: &[],
    hole: "",
};

const KUBEADM: Layout = Layout {
    kubelet: Ok(
        "nodeRegistration.criSocket: unix:///run/pullward/cri.sock for kubeadm; on a node that has joined, --container-runtime-endpoint in /var/lib/kubelet/kubeadm-flags.env, or containerRuntimeEndpoint in /var/lib/kubelet/instance-config.yaml",
    ),
    ..DEBIAN
};

const K3S: Layout = Layout {
    socket: "/run/k3s/containerd/containerd.sock",
    config: "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
    generated_by: Some("k3s"),
    route: Route::Imported("/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.d"),
    certs_d: "/var/lib/rancher/k3s/agent/etc/containerd/certs.d",
    kubelet: Err(
        "container-runtime-endpoint turns k3s's own containerd off: run containerd as a unit of its own and give k3s the proxy's socket",
    ),
    credential_providers: Some("/var/lib/rancher/credentialprovider/config.yaml"),
    preload: &["/var/lib/rancher/k3s/agent/images"],
    hole: "registry credentials in registries.yaml become registry.configs, with which CRI pulls round the hook; archives in agent/images are imported unjudged",
};

const RKE2: Layout = Layout {
    config: "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
    generated_by: Some("rke2"),
    route: Route::Imported("/var/lib/rancher/rke2/agent/etc/containerd/config-v3.toml.d"),
    certs_d: "/var/lib/rancher/rke2/agent/etc/containerd/certs.d",
    kubelet: Err(
        "container-runtime-endpoint turns RKE2's own containerd off: run containerd as a unit of its own and give RKE2 the proxy's socket",
    ),
    preload: &["/var/lib/rancher/rke2/agent/images"],
    ..K3S
};

const K0S: Layout = Layout {
    socket: "/run/k0s/containerd.sock",
    config: "/etc/k0s/containerd.toml",
    generated_by: Some("k0s"),
    route: Route::Imported("/etc/k0s/containerd.d"),
    certs_d: "/etc/containerd/certs.d",
    kubelet: Err(
        "--cri-socket turns k0s's own containerd off: run containerd as a unit of its own and give `k0s worker` --cri-socket=remote:unix:///run/pullward/cri.sock",
    ),
    credential_providers: None,
    preload: &["/var/lib/k0s/images"],
    hole: "archives in /var/lib/k0s/images are imported unjudged",
};

const MICROK8S: Layout = Layout {
    socket: "/var/snap/microk8s/common/run/containerd.sock",
    config: "/var/snap/microk8s/current/args/containerd.toml",
    generated_by: Some("MicroK8s, from containerd-template.toml beside it"),
    route: Route::Setting(
        "the drop-in's lines in /var/snap/microk8s/current/args/containerd-template.toml, without its `version`",
    ),
    certs_d: "/var/snap/microk8s/current/args/certs.d",
    kubelet: Ok(
        "--container-runtime-endpoint=unix:///run/pullward/cri.sock in /var/snap/microk8s/current/args/kubelet",
    ),
    credential_providers: None,
    preload: &["/var/snap/microk8s/common/sideload"],
    hole: "containerd 1.x, which its releases bring along, has no verifiers: only the proxy refuses; archives in common/sideload are imported unjudged",
};

const EKS_AL2023: Layout = Layout {
    socket: "/run/containerd/containerd.sock",
    config: "/etc/containerd/config.toml",
    generated_by: Some("nodeadm"),
    route: Route::Setting(
        "spec.containerd.config of NodeConfig, with discard_unpacked_layers = false under plugins.'io.containerd.cri.v1.images' beside the drop-in's lines",
    ),
    certs_d: "/etc/containerd/certs.d",
    kubelet: Ok(
        "containerRuntimeEndpoint: unix:///run/pullward/cri.sock under spec.kubelet.config of NodeConfig",
    ),
    credential_providers: Some("/etc/eks/image-credential-provider/config.json"),
    preload: &[],
    hole: "nodeadm writes discard_unpacked_layers = true, with which CRI pulls round the hook",
};

const BOTTLEROCKET: Layout = Layout {
    generated_by: Some("Bottlerocket's API"),
    route: Route::Setting(
        "none: the file system is read-only, and settings.image-verifier-plugins takes Bottlerocket's own plugins only",
    ),
    kubelet: Err("Bottlerocket writes kubelet's endpoint and has no setting for it"),
    credential_providers: None,
    hole: "pullward cannot be put on the node: use Bottlerocket's own verifier plugins",
    ..EKS_AL2023
};

const TALOS: Layout = Layout {
    socket: "/run/containerd/containerd.sock",
    config: "/etc/cri/containerd.toml",
    generated_by: Some("Talos, from the parts in /etc/cri/conf.d"),
    route: Route::Setting(
        "a CRICustomizationConfig document (up to 1.13: machine.files, /etc/cri/conf.d/20-customization.part); the programs come as a system extension",
    ),
    certs_d: "/etc/cri/conf.d/hosts",
    kubelet: Err("Talos starts kubelet in a container of its own, with its own endpoint"),
    credential_providers: None,
    preload: &[],
    hole: "Talos runs no foreign services but as system extensions, and kubelet's endpoint stays: images that are there already are not judged again",
};

impl Flavour {
    /// Every flavour that is one.
    pub const ALL: [Self; 9] = [
        Self::Debian,
        Self::Kubeadm,
        Self::K3s,
        Self::Rke2,
        Self::K0s,
        Self::Microk8s,
        Self::EksAl2023,
        Self::Bottlerocket,
        Self::Talos,
    ];

    /// Its name in configuration files and on command lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Debian => "debian",
            Self::Kubeadm => "kubeadm",
            Self::K3s => "k3s",
            Self::Rke2 => "rke2",
            Self::K0s => "k0s",
            Self::Microk8s => "microk8s",
            Self::EksAl2023 => "eks-al2023",
            Self::Bottlerocket => "bottlerocket",
            Self::Talos => "talos",
        }
    }

    /// Where it keeps its things; [`Flavour::Auto`] has containerd's own defaults.
    #[must_use]
    pub const fn layout(self) -> Layout {
        match self {
            Self::Auto | Self::Debian => DEBIAN,
            Self::Kubeadm => KUBEADM,
            Self::K3s => K3S,
            Self::Rke2 => RKE2,
            Self::K0s => K0S,
            Self::Microk8s => MICROK8S,
            Self::EksAl2023 => EKS_AL2023,
            Self::Bottlerocket => BOTTLEROCKET,
            Self::Talos => TALOS,
        }
    }

    /// Which one the system below `root` is, by what its installer leaves behind. Never [`Flavour::Auto`]: what is none of
    /// the others is taken for a packaged containerd.
    #[must_use]
    pub fn detect(root: &Path) -> Self {
        let there = |path: &str| root.join(path).exists();
        let release = fs::read_to_string(root.join("etc/os-release")).unwrap_or_default();
        let id = release.lines().find_map(|line| line.strip_prefix("ID=")).unwrap_or("").trim_matches('"');
        match id {
            "bottlerocket" => Self::Bottlerocket,
            "talos" => Self::Talos,
            _ if there("var/lib/rancher/rke2") || there("etc/rancher/rke2") => Self::Rke2,
            _ if there("var/lib/rancher/k3s") || there("etc/rancher/k3s") => Self::K3s,
            _ if there("var/lib/k0s") || there("etc/k0s") => Self::K0s,
            _ if there("var/snap/microk8s") => Self::Microk8s,
            "amzn" if there("etc/eks") => Self::EksAl2023,
            _ if there("var/lib/kubelet/kubeadm-flags.env") || there("etc/kubernetes/kubelet.conf") => {
                Self::Kubeadm
            }
            _ => Self::Debian,
        }
    }

    /// Itself, or what [`Flavour::detect`] finds where it is [`Flavour::Auto`].
    #[must_use]
    pub fn or_detect(self, root: &Path) -> Self {
        if self == Self::Auto { Self::detect(root) } else { self }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{Flavour, Route};

    #[test]
    fn each_flavour_is_told_by_what_its_installer_leaves() {
        let cases: [(&str, &str, Flavour); 10] = [
            ("", "etc/nothing", Flavour::Debian),
            ("", "var/lib/kubelet/kubeadm-flags.env", Flavour::Kubeadm),
            ("", "etc/kubernetes/kubelet.conf", Flavour::Kubeadm),
            ("", "var/lib/rancher/k3s/server/token", Flavour::K3s),
            ("", "var/lib/rancher/rke2/server/token", Flavour::Rke2),
            ("", "etc/k0s/k0s.yaml", Flavour::K0s),
            ("", "var/snap/microk8s/current/args/kubelet", Flavour::Microk8s),
            ("ID=\"amzn\"\n", "etc/eks/release", Flavour::EksAl2023),
            ("NAME=B\nID=bottlerocket\n", "etc/kubernetes/kubelet.conf", Flavour::Bottlerocket),
            ("ID=talos\n", "etc/x", Flavour::Talos),
        ];
        for (release, left, expected) in cases {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(left);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            fs::create_dir_all(dir.path().join("etc")).unwrap();
            fs::write(dir.path().join("etc/os-release"), release).unwrap();
            assert_eq!(Flavour::detect(dir.path()), expected, "{left}");
            assert_eq!(Flavour::Auto.or_detect(dir.path()), expected);
            assert_eq!(Flavour::K0s.or_detect(dir.path()), Flavour::K0s);
        }
    }

    #[test]
    fn names_are_what_configuration_files_say_and_paths_are_absolute() {
        for flavour in Flavour::ALL {
            assert_eq!(serde_json::to_value(flavour).unwrap(), flavour.name());
            let layout = flavour.layout();
            let mut paths = vec![layout.socket, layout.config, layout.certs_d];
            paths.extend(layout.preload);
            paths.extend(layout.credential_providers);
            if let Route::Imported(folder) | Route::ToBeImported(folder) = layout.route {
                paths.push(folder);
            }
            for path in paths {
                assert!(crate::guard::plain(Path::new(path)).is_ok(), "{path}");
            }
            // Nobody is told to edit what is written anew at the next start.
            assert!(layout.generated_by.is_none() || !matches!(layout.route, Route::ToBeImported(_)));
        }
    }
}
