//! Asks containerd to pull, as others on the node do.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::transfer_client::TransferClient;
use containerd_client::services::v1::{DeleteImageRequest, TransferRequest};
use containerd_client::to_any;
use containerd_client::types::transfer::{ImageStore, OciRegistry, RegistryResolver};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::NAMESPACE;
use crate::containerd::probe::causes;

/// How long one pull may take: the hook has its 8 s, and containerd its own time.
const PATIENCE: Duration = Duration::from_secs(20);

/// A way that an image takes into containerd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// containerd's transfer service, as `ctr` uses it.
    Transfer(PathBuf),
    /// containerd's CRI, as kubelet uses it without a proxy.
    Cri(PathBuf),
    /// The CRI proxy, as kubelet uses it.
    Proxy(PathBuf),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transfer(_) => "transfer service",
            Self::Cri(_) => "CRI",
            Self::Proxy(_) => "CRI proxy",
        })
    }
}

/// What became of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The image is there.
    Pulled,
    /// It is not; containerd's words.
    Refused(String),
}

/// An image, as CRI's `PullImage` and `RemoveImage` name it (`ImageSpec`, field 1).
#[derive(Clone, PartialEq, prost::Message)]
struct ImageSpec {
    #[prost(string, tag = "1")]
    image: String,
}

/// Both requests have it as field 1.
#[derive(Clone, PartialEq, prost::Message)]
struct OfImage {
    #[prost(message, optional, tag = "1")]
    image: Option<ImageSpec>,
}

/// An answer that is not looked into.
#[derive(Clone, PartialEq, prost::Message)]
struct Unread {}

/// Has an image pulled.
pub async fn pull(way: &Way, name: &str) -> Asked {
    let pulled = async {
        match way {
            Way::Transfer(socket) => transfer(socket, name).await,
            Way::Cri(socket) | Way::Proxy(socket) => cri(socket, "PullImage", name).await,
        }
    };
    match tokio::time::timeout(PATIENCE, pulled).await {
        Ok(Ok(())) => Asked::Pulled,
        Ok(Err(why)) => Asked::Refused(why),
        Err(_) => Asked::Refused(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// Removes an image that was pulled. What cannot be removed is logged: an image of one empty layer harms nobody.
pub async fn remove(way: &Way, name: &str) {
    let removed = async {
        match way {
            Way::Transfer(socket) => {
                let mut client = ImagesClient::new(connect(socket).await?);
                let request = DeleteImageRequest { name: name.to_owned(), sync: true, ..Default::default() };
                client.delete(in_namespace(request)).await.map(drop).map_err(|status| words(&status))
            }
            Way::Cri(socket) | Way::Proxy(socket) => cri(socket, "RemoveImage", name).await,
        }
    };
    let removed = tokio::time::timeout(PATIENCE, removed).await;
    if let Ok(Err(why)) = removed {
        tracing::warn!("{name}: not removed: {}", crate::verdict::printable(&why, 300));
    }
}

async fn transfer(socket: &Path, name: &str) -> Result<(), String> {
    let source = OciRegistry {
        reference: name.to_owned(),
        resolver: Some(RegistryResolver { default_scheme: "http".to_owned(), ..RegistryResolver::default() }),
    };
    let destination = ImageStore { name: name.to_owned(), ..ImageStore::default() };
    let request = TransferRequest {
        source: Some(to_any(&source)),
        destination: Some(to_any(&destination)),
        options: None,
    };
    let mut client = TransferClient::new(connect(socket).await?);
    client.transfer(in_namespace(request)).await.map(drop).map_err(|status| words(&status))
}

async fn cri(socket: &Path, method: &str, name: &str) -> Result<(), String> {
    let mut grpc = Grpc::new(connect(socket).await?);
    grpc.ready().await.map_err(|error| causes(&error))?;
    let path: PathAndQuery =
        format!("/runtime.v1.ImageService/{method}").parse().map_err(|_| "not a path".to_owned())?;
    let request = OfImage { image: Some(ImageSpec { image: name.to_owned() }) };
    let codec = ProstCodec::<OfImage, Unread>::default();
    grpc.unary(Request::new(request), path, codec).await.map(drop).map_err(|status| words(&status))
}

async fn connect(socket: &Path) -> Result<Channel, String> {
    containerd_client::connect(socket).await.map_err(|error| causes(&error))
}

fn in_namespace<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("containerd-namespace", MetadataValue::from_static(NAMESPACE));
    request
}

fn words(status: &Status) -> String {
    status.message().to_owned()
}
