//! A containerd of its own for each test.

mod settings;

use std::path::{Path, PathBuf};
use std::time::Duration;

use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::introspection_client::IntrospectionClient;
use containerd_client::services::v1::transfer_client::TransferClient;
use containerd_client::services::v1::version_client::VersionClient;
use containerd_client::services::v1::{ListImagesRequest, PluginsRequest, TransferRequest};
use containerd_client::to_any;
use containerd_client::types::Platform;
use containerd_client::types::transfer::{ImageStore, OciRegistry, RegistryResolver, UnpackConfiguration};
use tonic::{Request, Status};

pub use settings::{ContainerdVersion, Settings, Snapshotter};

use super::crane::architecture;
use super::cri::Cri;
use super::grpc::Connection;
use super::{Peers, SYSTEM_PATH};
use crate::{Error, Process, Workspace};

/// containerd is up in less than a second; a loaded machine is given more.
const READY: Duration = Duration::from_secs(30);
/// The namespace that CRI keeps its images in.
const CRI_NAMESPACE: &str = "k8s.io";

/// A running containerd with root, state, sockets and configuration of its own.
///
/// It needs root, touches nothing outside its workspace, and pulls through CRI and through the
/// transfer service.
#[derive(Debug)]
pub struct Containerd {
    peers: Peers,
    folder: PathBuf,
    settings: Settings,
    snapshotter: Snapshotter,
    process: Option<Process>,
}

impl Containerd {
    /// Starts containerd and waits until it answers and its CRI plugin does.
    ///
    /// If the settings leave the snapshotter open it is overlayfs where containerd itself finds it
    /// working, else native.
    ///
    /// # Errors
    /// [`Error::Privilege`] without root; [`Error`] when it cannot be started or does not get ready.
    pub fn start(peers: &Peers, workspace: &Workspace, settings: Settings) -> Result<Self, Error> {
        if !rustix::process::geteuid().is_root() {
            return Err(Error::Privilege { what: "containerd" });
        }
        let mut number = 0_u32;
        let folder = loop {
            let folder = workspace.join(format!("c{number}"));
            match std::fs::create_dir(&folder) {
                Ok(()) => break folder,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    number = number.saturating_add(1);
                }
                Err(error) => return Err(Error::io(&folder)(error)),
            }
        };
        let snapshotter = settings.snapshotter.unwrap_or(Snapshotter::Overlayfs);
        let mut containerd = Self { peers: peers.clone(), folder, settings, snapshotter, process: None };
        containerd.restart()?;
        if containerd.settings.snapshotter.is_none() && !containerd.has_plugin("overlayfs")? {
            containerd.snapshotter = Snapshotter::Native;
            containerd.restart()?;
        }
        if containerd.settings.cri_expected {
            let cri = containerd.cri()?;
            containerd.wait(|| cri.images().is_ok())?;
        }
        Ok(containerd)
    }

    /// Stops it; what it holds stays.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub fn stop(&mut self) -> Result<(), Error> {
        if let Some(mut process) = self.process.take() {
            process.stop()?;
        }
        Ok(())
    }

    /// Starts it again, with all that it held, and waits until it answers.
    ///
    /// # Errors
    /// [`Error`] when it cannot be started, or does not get ready.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop()?;
        let config = self.folder.join("config.toml");
        let text = self.settings.configuration(&self.folder, self.snapshotter)?;
        std::fs::write(&config, text).map_err(Error::io(&config))?;
        self.settings.write_hosts(&self.folder)?;

        let version = self.settings.version;
        let mut command = std::process::Command::new(self.peers.program(version.program())?);
        // The shim is found by its own name, which is the same in every version, so it is not in bin/.
        let own = self.peers.part(version.program()).join("usr/bin");
        command
            .arg("--config")
            .arg(&config)
            .env_clear()
            .env("PATH", format!("{}:{}:{SYSTEM_PATH}", own.display(), self.peers.bin().display()))
            .env("HOME", &self.folder)
            .envs(self.settings.environment.iter().cloned())
            .current_dir(&self.folder);
        self.process = Some(Process::spawn(version.program(), command, &self.folder.join("log"))?);

        let socket = self.socket();
        self.wait(|| answers(&socket))
    }

    /// Changes the settings; they count from the next [`Containerd::restart`].
    pub fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Its socket: CRI and containerd's own services.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        settings::socket(&self.folder)
    }

    /// Its configuration file, as it was at the last start.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    /// Everything that it has printed, verifiers' standard error included.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(self.folder.join("log"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The process, to measure or to signal; `None` while it is stopped.
    pub fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }

    /// The snapshotter in use.
    #[must_use]
    pub fn snapshotter(&self) -> Snapshotter {
        self.snapshotter
    }

    /// A CRI client.
    ///
    /// # Errors
    /// [`Error::Rpc`] when it does not listen.
    pub fn cri(&self) -> Result<Cri, Error> {
        Cri::connect(&self.socket())
    }

    /// Pulls and unpacks an image through the transfer service, into a namespace.
    ///
    /// On 1.7 the service takes no `hosts.toml` and speaks HTTPS only, to loopback too; 1.6 has none.
    ///
    /// # Errors
    /// [`Error::Rpc`] with containerd's answer; a verifier's refusal is part of its message.
    pub fn transfer(&self, namespace: &str, reference: &str) -> Result<(), Error> {
        let source = OciRegistry {
            reference: reference.to_owned(),
            resolver: Some(RegistryResolver {
                host_dir: settings::hosts(&self.folder).display().to_string(),
                ..RegistryResolver::default()
            }),
        };
        let platform = Platform {
            os: "linux".to_owned(),
            architecture: architecture().to_owned(),
            ..Platform::default()
        };
        let destination = ImageStore {
            name: reference.to_owned(),
            platforms: vec![platform.clone()],
            unpacks: vec![UnpackConfiguration {
                platform: Some(platform),
                snapshotter: self.snapshotter.name().to_owned(),
            }],
            ..ImageStore::default()
        };
        let request = TransferRequest {
            source: Some(to_any(&source)),
            destination: Some(to_any(&destination)),
            options: None,
        };
        let connection = Connection::open(&self.socket())?;
        let mut client = TransferClient::new(connection.channel.clone());
        connection.call("containerd.services.transfer.v1.Transfer/Transfer", async {
            client.transfer(in_namespace(request, namespace)?).await
        })?;
        Ok(())
    }

    /// The names in the image store, of CRI's namespace, sorted.
    ///
    /// # Errors
    /// [`Error::Rpc`] with containerd's answer.
    pub fn image_names(&self) -> Result<Vec<String>, Error> {
        self.image_names_in(CRI_NAMESPACE)
    }

    /// The names in the image store, of any namespace, sorted.
    ///
    /// # Errors
    /// [`Error::Rpc`] with containerd's answer.
    pub fn image_names_in(&self, namespace: &str) -> Result<Vec<String>, Error> {
        let connection = Connection::open(&self.socket())?;
        let mut client = ImagesClient::new(connection.channel.clone());
        let answer = connection.call("containerd.services.images.v1.Images/List", async {
            client.list(in_namespace(ListImagesRequest::default(), namespace)?).await
        })?;
        let mut names: Vec<_> = answer.images.into_iter().map(|image| image.name).collect();
        names.sort();
        Ok(names)
    }

    /// Its own command line in a namespace; gives what it prints.
    ///
    /// # Errors
    /// [`Error::Failed`] with what it says.
    pub fn ctr(&self, namespace: &str, arguments: &[&str]) -> Result<String, Error> {
        let mut command =
            std::process::Command::new(self.peers.program(self.settings.version.command_line())?);
        command
            .args(["--address", &self.socket().display().to_string(), "--namespace", namespace])
            .args(arguments)
            .env_clear()
            .env("PATH", SYSTEM_PATH)
            .env("HOME", &self.folder)
            .current_dir(&self.folder);
        let output = crate::run(command)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Whether a plugin of this id was loaded without an error.
    ///
    /// # Errors
    /// [`Error::Rpc`] with containerd's answer.
    pub fn has_plugin(&self, id: &str) -> Result<bool, Error> {
        let connection = Connection::open(&self.socket())?;
        let mut client = IntrospectionClient::new(connection.channel.clone());
        let answer = connection
            .call("containerd.services.introspection.v1.Introspection/Plugins", async {
                client.plugins(PluginsRequest::default()).await
            })?;
        Ok(answer.plugins.iter().any(|plugin| plugin.id == id && plugin.init_err.is_none()))
    }

    fn wait(&mut self, ready: impl FnMut() -> bool) -> Result<(), Error> {
        match &mut self.process {
            Some(process) => process.wait_ready(READY, ready),
            None => Err(Error::unexpected("containerd", "not running")),
        }
    }
}

fn answers(socket: &Path) -> bool {
    Connection::open(socket).is_ok_and(|connection| {
        let mut client = VersionClient::new(connection.channel.clone());
        connection.call("version", async { client.version(()).await }).is_ok()
    })
}

fn in_namespace<T>(message: T, namespace: &str) -> Result<Request<T>, Status> {
    let value = namespace.parse().map_err(|_| Status::invalid_argument("namespace"))?;
    let mut request = Request::new(message);
    request.metadata_mut().insert("containerd-namespace", value);
    Ok(request)
}
