//! The running containerd, as it is read and acted on over its own socket: namespaces, images, content, containers,
//! tasks and events.
//!
//! What comes back is what containerd says and nothing more. Labels are not even kept: whoever can write one could
//! write "verified" into it (T-22). Content is hashed on the way in by whoever reads it ([`Client::content`]); the names
//! and digests of images are containerd's word, which is root's word on this node.
//!
//! Every call is bounded in time, every list in length.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use containerd_client::services::v1::containers_client::ContainersClient;
use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::events_client::EventsClient;
use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::namespaces_client::NamespacesClient;
use containerd_client::services::v1::tasks_client::TasksClient;
use containerd_client::services::v1::{
    DeleteImageRequest, GetContainerRequest, GetImageRequest, InfoRequest, KillRequest,
    ListContainersRequest, ListImagesRequest, ListNamespacesRequest, ListTasksRequest, ReadContentRequest,
    ReadContentResponse, SubscribeRequest,
};
use containerd_client::types::v1::Status as TaskStatus;
use pullward_core::oci::Digest;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status, Streaming};

use super::event::Event;
use crate::evidence::checked::{self, ContentError, Expected};
use crate::verdict::printable;

/// One call, at most. containerd answers in milliseconds or is in trouble.
const PATIENCE: Duration = Duration::from_secs(3);

/// Most bytes of one answer. A list of 10,000 images has 5 MB; tonic's own 4 MiB would fail where it matters.
const ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// Most namespaces that are looked at. Real nodes have 1 to 4.
const NAMESPACES: usize = 64;

/// Most images or containers of one namespace that are looked at; kubelet starts to collect at some hundred.
const LISTED: usize = 20_000;

/// The metadata key that names the namespace of a call.
const NAMESPACE: &str = "containerd-namespace";

/// A connection to containerd. Cloning it is cheap. It lives in the tokio runtime that made it.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
}

/// A name in containerd's image store and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The name, as containerd has it. It need not be a reference.
    pub name: String,
    /// The digest that it stands for; `Err` with its text where that is no SHA-256 digest.
    pub target: Result<Digest, String>,
    /// The media type of the target.
    pub media_type: String,
    /// The length of the target in bytes.
    pub size: u64,
}

/// A container: what may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its id within the namespace.
    pub id: String,
    /// The name of its image; empty where it has none.
    pub image: String,
}

/// A task: a container's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The id of its container.
    pub container: String,
    /// Its process id.
    pub pid: u32,
    /// Whether there is something to stop.
    pub state: TaskState,
}

/// Whether a task holds a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// Created, running, paused, or unknown.
    Alive,
    /// It has ended.
    Ended,
}

/// Why containerd did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// There is no socket: no containerd runs here, or not yet.
    #[error("containerd: there is no socket {0}")]
    Absent(String),
    /// The socket does not answer.
    #[error("containerd: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("containerd: no answer within {} s to {}", PATIENCE.as_secs(), .0)]
    Slow(&'static str),
    /// It does not have the named thing.
    #[error("containerd: {0}: not there")]
    NotFound(&'static str),
    /// It answered with an error.
    #[error("containerd: {call}: {message}")]
    Refused {
        /// What was asked.
        call: &'static str,
        /// Its words.
        message: String,
    },
    /// A list is longer than is looked at.
    #[error("containerd: {call}: more than {most} entries, which are not looked at")]
    TooMany {
        /// What was asked.
        call: &'static str,
        /// The bound.
        most: usize,
    },
    /// Content is not what its digest says, or too long.
    #[error("containerd: content {digest}: {detail}")]
    Content {
        /// What it was asked for by.
        digest: Digest,
        /// What is wrong.
        detail: String,
    },
    /// A namespace's name that cannot be written into a request.
    #[error("containerd: {0:?} is not the name of a namespace")]
    Namespace(String),
}

impl Client {
    /// Connects to the containerd that listens at `address`.
    ///
    /// # Errors
    /// [`ClientError::Absent`] or [`ClientError::Unreachable`].
    pub async fn connect(address: &Path) -> Result<Self, ClientError> {
        if let Err(error) = std::fs::symlink_metadata(address)
            && error.kind() == io::ErrorKind::NotFound
        {
            return Err(ClientError::Absent(printable(&address.display().to_string(), 300)));
        }
        match tokio::time::timeout(PATIENCE, containerd_client::connect(address)).await {
            Ok(Ok(channel)) => Ok(Self { channel }),
            Ok(Err(error)) => Err(ClientError::Unreachable(printable(&super::probe::causes(&error), 300))),
            Err(_) => Err(ClientError::Slow("connect")),
        }
    }

    /// The names of all namespaces, sorted.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn namespaces(&self) -> Result<Vec<String>, ClientError> {
        let mut client = NamespacesClient::new(self.channel.clone());
        let listed = call("namespaces", client.list(ListNamespacesRequest::default())).await?.namespaces;
        bounded("namespaces", NAMESPACES, listed.len())?;
        let names: BTreeSet<String> = listed.into_iter().map(|namespace| namespace.name).collect();
        Ok(names.into_iter().collect())
    }

    /// The images of a namespace, sorted by name.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn images(&self, namespace: &str) -> Result<Vec<Image>, ClientError> {
        let request = within(namespace, ListImagesRequest::default())?;
        let listed = call("images", self.images_client().list(request)).await?.images;
        bounded("images", LISTED, listed.len())?;
        let mut images: Vec<Image> = listed.into_iter().map(Image::from).collect();
        images.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(images)
    }

    /// The image with this name; `None` where there is none.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn image(&self, namespace: &str, name: &str) -> Result<Option<Image>, ClientError> {
        let request = within(namespace, GetImageRequest { name: name.to_owned() })?;
        match call("image", self.images_client().get(request)).await {
            Ok(answer) => Ok(answer.image.map(Image::from)),
            Err(ClientError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a name from the image store, if it still stands for `target`. Content is never removed: that is for
    /// containerd's own collector, once nothing refers to it.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] where the name is gone or stands for something else meanwhile.
    pub async fn remove_image(
        &self,
        namespace: &str,
        name: &str,
        target: &Digest,
    ) -> Result<(), ClientError> {
        let found = self.image(namespace, name).await?;
        let Some(image) = found.filter(|image| image.target == Ok(*target)) else {
            return Err(ClientError::NotFound("image"));
        };
        // From 2.0 on containerd itself compares; before, the look above is all there is.
        let target = containerd_client::types::Descriptor {
            media_type: image.media_type,
            digest: target.to_string(),
            size: i64::try_from(image.size).unwrap_or(i64::MAX),
            ..Default::default()
        };
        let request = DeleteImageRequest { name: name.to_owned(), sync: false, target: Some(target) };
        let request = within(namespace, request)?;
        call("remove image", self.images_client().delete(request)).await.map(drop)
    }

    /// Whether a namespace holds this content.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn holds(&self, namespace: &str, digest: &Digest) -> Result<bool, ClientError> {
        let request = within(namespace, InfoRequest { digest: digest.to_string() })?;
        match call("content", ContentClient::new(self.channel.clone()).info(request)).await {
            Ok(_) => Ok(true),
            Err(ClientError::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Content by its digest, of at most `cap` bytes. What is returned hashes to the digest.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] where the namespace does not hold it, [`ClientError::Content`] where it is something else.
    pub async fn content(&self, namespace: &str, digest: &Digest, cap: u64) -> Result<Vec<u8>, ClientError> {
        let mut chunks = self.content_stream(namespace, digest).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = next_chunk(&mut chunks).await? {
            bytes.extend_from_slice(&chunk.data);
            if u64::try_from(bytes.len()).map_or(true, |length| length > cap) {
                break;
            }
        }
        let expected = Expected { cap, length: None, digest: Some(*digest) };
        checked::read(bytes.as_slice(), expected).map(|(bytes, _)| bytes).map_err(|error: ContentError| {
            ClientError::Content { digest: *digest, detail: error.to_string() }
        })
    }

    /// Content by its digest, chunk by chunk, not hashed yet.
    pub(crate) async fn content_stream(
        &self,
        namespace: &str,
        digest: &Digest,
    ) -> Result<Streaming<ReadContentResponse>, ClientError> {
        let request = ReadContentRequest { digest: digest.to_string(), offset: 0, size: 0 };
        let request = within(namespace, request)?;
        call("content", ContentClient::new(self.channel.clone()).read(request)).await
    }

    /// The containers of a namespace, sorted by id.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn containers(&self, namespace: &str) -> Result<Vec<Container>, ClientError> {
        let request = within(namespace, ListContainersRequest::default())?;
        let listed = call("containers", self.containers_client().list(request)).await?.containers;
        bounded("containers", LISTED, listed.len())?;
        let mut containers: Vec<Container> =
            listed.into_iter().map(|it| Container { id: it.id, image: it.image }).collect();
        containers.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(containers)
    }

    /// The container with this id; `None` where there is none.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn container(&self, namespace: &str, id: &str) -> Result<Option<Container>, ClientError> {
        let request = within(namespace, GetContainerRequest { id: id.to_owned() })?;
        match call("container", self.containers_client().get(request)).await {
            Ok(answer) => Ok(answer.container.map(|it| Container { id: it.id, image: it.image })),
            Err(ClientError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The tasks of a namespace, sorted by container.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn tasks(&self, namespace: &str) -> Result<Vec<Task>, ClientError> {
        let request = within(namespace, ListTasksRequest::default())?;
        let listed = call("tasks", TasksClient::new(self.channel.clone()).list(request)).await?.tasks;
        bounded("tasks", LISTED, listed.len())?;
        let mut tasks: Vec<Task> = listed
            .into_iter()
            .map(|task| Task {
                state: if task.status() == TaskStatus::Stopped { TaskState::Ended } else { TaskState::Alive },
                // The list names a task by `id`; `container_id` stays empty there.
                container: if task.container_id.is_empty() { task.id } else { task.container_id },
                pid: task.pid,
            })
            .collect();
        tasks.sort_by(|one, other| one.container.cmp(&other.container));
        Ok(tasks)
    }

    /// Kills every process of a task.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] where it has ended.
    pub async fn kill(&self, namespace: &str, container: &str) -> Result<(), ClientError> {
        let request = KillRequest {
            container_id: container.to_owned(),
            exec_id: String::new(),
            signal: rustix::process::Signal::KILL.as_raw().unsigned_abs(),
            all: true,
        };
        let request = within(namespace, request)?;
        call("kill", TasksClient::new(self.channel.clone()).kill(request)).await.map(drop)
    }

    /// What happens to images and tasks, in every namespace, from about now on. containerd answers with the first event
    /// and not before, so nobody can say when the subscription began; and events are lossy. Whoever needs all of the
    /// present lists it, now and a moment later.
    #[must_use]
    pub fn events(&self) -> Events {
        let filters = Event::FILTERS.iter().map(|&filter| filter.to_owned()).collect();
        let mut client = EventsClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES);
        let begun =
            async move { client.subscribe(SubscribeRequest { filters }).await.map(Response::into_inner) };
        Events { state: Subscription::Begun(Box::pin(begun)) }
    }

    fn images_client(&self) -> ImagesClient<Channel> {
        ImagesClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }

    fn containers_client(&self) -> ContainersClient<Channel> {
        ContainersClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES)
    }
}

/// A subscription.
pub struct Events {
    state: Subscription,
}

type Envelopes = Streaming<containerd_client::types::Envelope>;

enum Subscription {
    /// No event has come yet.
    Begun(Pin<Box<dyn Future<Output = Result<Envelopes, Status>> + Send>>),
    /// One has.
    Open(Box<Envelopes>),
}

impl Events {
    /// The next event that is understood. Waits as long as there is none. Whoever drops the future loses no event.
    ///
    /// # Errors
    /// [`ClientError`] where the subscription has ended, whatever ended it.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        loop {
            let envelope = match &mut self.state {
                Subscription::Begun(begun) => {
                    let stream = begun.await.map_err(|status| refusal("events", &status))?;
                    self.state = Subscription::Open(Box::new(stream));
                    continue;
                }
                Subscription::Open(stream) => stream.message().await,
            };
            match envelope {
                Ok(Some(envelope)) => {
                    if let Some(event) = Event::read(&envelope) {
                        return Ok(event);
                    }
                }
                Ok(None) => return Err(ClientError::Unreachable("the events have ended".to_owned())),
                Err(status) => return Err(refusal("events", &status)),
            }
        }
    }
}

/// The next chunk of content, in time.
pub(crate) async fn next_chunk(
    chunks: &mut Streaming<ReadContentResponse>,
) -> Result<Option<ReadContentResponse>, ClientError> {
    match tokio::time::timeout(PATIENCE, chunks.message()).await {
        Ok(Ok(chunk)) => Ok(chunk),
        Ok(Err(status)) => Err(refusal("content", &status)),
        Err(_) => Err(ClientError::Slow("content")),
    }
}

impl From<containerd_client::services::v1::Image> for Image {
    fn from(image: containerd_client::services::v1::Image) -> Self {
        let target = image.target.unwrap_or_default();
        Self {
            name: image.name,
            target: Digest::parse(&target.digest).map_err(|_| printable(&target.digest, 100)),
            media_type: target.media_type,
            size: u64::try_from(target.size).unwrap_or(0),
        }
    }
}

fn within<T>(namespace: &str, message: T) -> Result<Request<T>, ClientError> {
    let value = namespace.parse().map_err(|_| ClientError::Namespace(printable(namespace, 100)))?;
    let mut request = Request::new(message);
    request.metadata_mut().insert(NAMESPACE, value);
    Ok(request)
}

async fn call<T>(
    name: &'static str,
    answer: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, ClientError> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => Err(refusal(name, &status)),
        Err(_) => Err(ClientError::Slow(name)),
    }
}

fn refusal(call: &'static str, status: &Status) -> ClientError {
    let message = printable(status.message(), 300);
    match status.code() {
        Code::NotFound => ClientError::NotFound(call),
        Code::Unavailable => ClientError::Unreachable(format!("{call}: {message}")),
        _ => ClientError::Refused { call, message },
    }
}

fn bounded(call: &'static str, most: usize, listed: usize) -> Result<(), ClientError> {
    if listed > most { Err(ClientError::TooMany { call, most }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use super::{Client, ClientError};

    #[tokio::test]
    async fn a_missing_socket_is_told_from_one_that_does_not_answer() {
        let absent = Client::connect(Path::new("/nonexistent/containerd.sock")).await.unwrap_err();
        assert_eq!(absent, ClientError::Absent("/nonexistent/containerd.sock".to_owned()));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(matches!(Client::connect(&path).await, Err(ClientError::Unreachable(_))));
    }

    #[test]
    fn a_namespace_that_is_no_header_is_refused() {
        assert_eq!(super::within("a\nb", ()).unwrap_err(), ClientError::Namespace("a\\u{a}b".to_owned()));
        assert!(super::within("k8s.io", ()).is_ok());
    }
}
