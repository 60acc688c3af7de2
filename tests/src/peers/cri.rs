//! The kubelet's side of CRI: the image calls, on messages written by hand.
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

    fn call<Q, A>(&self, method: &'static str, message: Q) -> Result<A, Error>
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
    OfImage { image: Some(ImageSpec { image: reference.to_owned() }) }
}
