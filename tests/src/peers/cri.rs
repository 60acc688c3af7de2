//! The kubelet's side of CRI: images, pods and containers, on messages written by hand.
//!
//! Only the fields that tests set or read are declared; others are skipped as protobuf has it. The
//! numbers are those of `k8s.io/cri-api/pkg/apis/runtime/v1/api.proto`.

use std::collections::HashMap;
use std::path::Path;

use tonic::Request;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic_prost::ProstCodec;

use super::grpc::Connection;
use crate::Error;

/// A client of `runtime.v1` on a unix socket: containerd's own, or a proxy's in front of it.
#[derive(Debug)]
pub struct Cri {
    connection: Connection,
}

/// An image that the runtime knows.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CriImage {
    /// The digest of its configuration.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Its names with tags.
    #[prost(string, repeated, tag = "2")]
    pub repo_tags: Vec<String>,
    /// Its names with digests.
    #[prost(string, repeated, tag = "3")]
    pub repo_digests: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ImageSpec {
    #[prost(string, tag = "1")]
    image: String,
    #[prost(string, tag = "18")]
    user_specified_image: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AuthConfig {
    #[prost(string, tag = "1")]
    username: String,
    #[prost(string, tag = "2")]
    password: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PullImageRequest {
    #[prost(message, optional, tag = "1")]
    image: Option<ImageSpec>,
    #[prost(message, optional, tag = "2")]
    auth: Option<AuthConfig>,
    #[prost(message, optional, tag = "3")]
    sandbox: Option<PodSandboxConfig>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PodSandboxMetadata {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    uid: String,
    #[prost(string, tag = "3")]
    namespace: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PodSandboxConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<PodSandboxMetadata>,
    #[prost(message, optional, tag = "8")]
    linux: Option<LinuxPodSandboxConfig>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LinuxPodSandboxConfig {
    #[prost(message, optional, tag = "2")]
    security: Option<LinuxSandboxSecurityContext>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LinuxSandboxSecurityContext {
    #[prost(message, optional, tag = "1")]
    namespaces: Option<NamespaceOption>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NamespaceOption {
    #[prost(int32, tag = "1")]
    network: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RunPodSandboxRequest {
    #[prost(message, optional, tag = "1")]
    config: Option<PodSandboxConfig>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ContainerMetadata {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ContainerConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ContainerMetadata>,
    #[prost(message, optional, tag = "2")]
    image: Option<ImageSpec>,
    #[prost(string, repeated, tag = "3")]
    command: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct CreateContainerRequest {
    #[prost(string, tag = "1")]
    sandbox_id: String,
    #[prost(message, optional, tag = "2")]
    config: Option<ContainerConfig>,
    #[prost(message, optional, tag = "3")]
    sandbox: Option<PodSandboxConfig>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OneId {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ContainerStatusResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<ContainerStatus>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ContainerStatus {
    #[prost(int32, tag = "3")]
    state: i32,
}

/// The messages whose field 1 is an image: PullImage, ImageStatus, RemoveImage.
#[derive(Clone, PartialEq, prost::Message)]
struct OfImage {
    #[prost(message, optional, tag = "1")]
    image: Option<ImageSpec>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PullImageResponse {
    #[prost(string, tag = "1")]
    image_ref: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ImageStatusResponse {
    #[prost(message, optional, tag = "1")]
    image: Option<CriImage>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ListImagesResponse {
    #[prost(message, repeated, tag = "1")]
    images: Vec<CriImage>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct VersionResponse {
    #[prost(string, tag = "2")]
    runtime_name: String,
    #[prost(string, tag = "3")]
    runtime_version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StatusRequest {
    #[prost(bool, tag = "1")]
    verbose: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StatusResponse {
    #[prost(map = "string, string", tag = "2")]
    info: HashMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Nothing {}

impl Cri {
    /// Connects to a socket.
    ///
    /// # Errors
    /// [`Error::Rpc`] when nobody listens.
    pub fn connect(socket: &Path) -> Result<Self, Error> {
        Ok(Self { connection: Connection::open(socket)? })
    }

    /// The runtime's name and version.
    ///
    /// # Errors
    /// [`Error::Rpc`] with the runtime's answer.
    pub fn version(&self) -> Result<(String, String), Error> {
        let answer: VersionResponse = self.call("/runtime.v1.RuntimeService/Version", Nothing {})?;
        Ok((answer.runtime_name, answer.runtime_version))
    }

    /// The verbose status: `config`, `golang`, … as the runtime prints them (JSON).
    ///
    /// # Errors
    /// [`Error::Rpc`] with the runtime's answer.
    pub fn status(&self) -> Result<HashMap<String, String>, Error> {
        let request = StatusRequest { verbose: true };
        self.call("/runtime.v1.RuntimeService/Status", request).map(|answer: StatusResponse| answer.info)
    }

    /// Pulls an image and gives its id.
    ///
    /// # Errors
    /// [`Error::Rpc`] with the runtime's answer; a verifier's refusal is part of its message.
    pub fn pull(&self, reference: &str) -> Result<String, Error> {
        self.call("/runtime.v1.ImageService/PullImage", of_image(reference))
            .map(|answer: PullImageResponse| answer.image_ref)
    }

    /// What the runtime knows of an image, by name or id.
    ///
    /// # Errors
    /// [`Error::Rpc`] with the runtime's answer; an unknown image is none.
    pub fn image(&self, reference: &str) -> Result<Option<CriImage>, Error> {
        self.call("/runtime.v1.ImageService/ImageStatus", of_image(reference))
            .map(|answer: ImageStatusResponse| answer.image)
    }

    /// All images.
    ///
    /// # Errors
    /// [`Error::Rpc`] with the runtime's answer.
    pub fn images(&self) -> Result<Vec<CriImage>, Error> {
        self.call("/runtime.v1.ImageService/ListImages", Nothing {})
            .map(|answer: ListImagesResponse| answer.images)
    }

    /// Removes an image with all its names; removing what is not there is no error.
    ///
    /// # Errors
    /// [`Error::Rpc`] with the runtime's answer.
    pub fn remove(&self, reference: &str) -> Result<(), Error> {
        self.call("/runtime.v1.ImageService/RemoveImage", of_image(reference)).map(|Nothing {}| ())
    }

    /// Pulls for a pod's namespace, with what kubelet has for the registry.
    ///
    /// # Errors
    /// [`Error::Rpc`] with the runtime's answer.
    pub fn pull_for(
        &self,
        reference: &str,
        namespace: &str,
        user: Option<(&str, &str)>,
    ) -> Result<String, Error> {
        let request = PullImageRequest {
            image: Some(ImageSpec { image: reference.to_owned(), ..ImageSpec::default() }),
            auth: user.map(|(username, password)| AuthConfig {
                username: username.to_owned(),
                password: password.to_owned(),
            }),
            sandbox: Some(pod("pull", namespace)),
        };
        self.call("/runtime.v1.ImageService/PullImage", request)
            .map(|answer: PullImageResponse| answer.image_ref)
    }

    /// Starts a pod's sandbox in the host's network and gives its id.
    ///
    /// # Errors
    /// [`Error::Rpc`] with the runtime's answer.
    pub fn run_pod(&self, name: &str, namespace: &str) -> Result<String, Error> {
        let request = RunPodSandboxRequest { config: Some(pod(name, namespace)) };
        self.call("/runtime.v1.RuntimeService/RunPodSandbox", request).map(|answer: OneId| answer.id)
    }

    /// Makes a container of `image` (an id or a name) in a pod, as kubelet does, and gives its id.
    ///
    /// # Errors
    /// [`Error::Rpc`] with the runtime's answer.
    pub fn create(
        &self,
        sandbox: &str,
        name: &str,
        image: &str,
        user_specified: &str,
        namespace: &str,
    ) -> Result<String, Error> {
        let request = CreateContainerRequest {
            sandbox_id: sandbox.to_owned(),
            config: Some(ContainerConfig {
                metadata: Some(ContainerMetadata { name: name.to_owned() }),
                image: Some(ImageSpec {
                    image: image.to_owned(),
                    user_specified_image: user_specified.to_owned(),
                }),
                command: vec!["/bin/sleep".to_owned(), "1000".to_owned()],
            }),
            sandbox: Some(pod(name, namespace)),
        };
        self.call("/runtime.v1.RuntimeService/CreateContainer", request).map(|answer: OneId| answer.id)
    }

    /// Starts a container.
    ///
    /// # Errors
    /// [`Error::Rpc`] with the runtime's answer.
    pub fn start(&self, container: &str) -> Result<(), Error> {
        let request = OneId { id: container.to_owned() };
        self.call("/runtime.v1.RuntimeService/StartContainer", request).map(|Nothing {}| ())
    }

    /// A container's state: 0 made, 1 running, 2 ended.
    ///
    /// # Errors
    /// [`Error::Rpc`] with the runtime's answer.
    pub fn state(&self, container: &str) -> Result<i32, Error> {
        let request = OneId { id: container.to_owned() };
        self.call("/runtime.v1.RuntimeService/ContainerStatus", request)
            .map(|answer: ContainerStatusResponse| answer.status.map_or(-1, |status| status.state))
    }

    /// Stops a pod with all its containers.
    ///
    /// # Errors
    /// [`Error::Rpc`] with the runtime's answer.
    pub fn stop_pod(&self, sandbox: &str) -> Result<(), Error> {
        let request = OneId { id: sandbox.to_owned() };
        self.call("/runtime.v1.RuntimeService/StopPodSandbox", request).map(|Nothing {}| ())
    }

    /// Stops and removes a pod with all its containers.
    ///
    /// # Errors
    /// [`Error::Rpc`] with the runtime's answer.
    pub fn remove_pod(&self, sandbox: &str) -> Result<(), Error> {
        self.stop_pod(sandbox)?;
        let request = OneId { id: sandbox.to_owned() };
        self.call("/runtime.v1.RuntimeService/RemovePodSandbox", request).map(|Nothing {}| ())
    }

    /// Any unary call, message in and message out.
    ///
    /// # Errors
    /// [`Error::Rpc`] with the runtime's answer.
    pub fn call<Q, A>(&self, method: &'static str, message: Q) -> Result<A, Error>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let mut client = Grpc::new(self.connection.channel.clone());
        self.connection.call(method, async move {
            client.ready().await.map_err(|error| tonic::Status::unavailable(error.to_string()))?;
            let codec = ProstCodec::<Q, A>::default();
            client.unary(Request::new(message), PathAndQuery::from_static(method), codec).await
        })
    }
}

fn of_image(reference: &str) -> OfImage {
    OfImage { image: Some(ImageSpec { image: reference.to_owned(), ..ImageSpec::default() }) }
}

/// A pod in the host's network: there is no CNI in tests.
fn pod(name: &str, namespace: &str) -> PodSandboxConfig {
    const NODE: i32 = 2;
    PodSandboxConfig {
        metadata: Some(PodSandboxMetadata {
            name: name.to_owned(),
            uid: format!("uid-{name}"),
            namespace: namespace.to_owned(),
        }),
        linux: Some(LinuxPodSandboxConfig {
            security: Some(LinuxSandboxSecurityContext {
                namespaces: Some(NamespaceOption { network: NODE }),
            }),
        }),
    }
}
