//! What containerd holds now.

use std::collections::BTreeMap;

use crate::containerd::client::{Client, ClientError, Container, Image, TaskState};

/// Everything in every namespace, in the order of namespaces, names and ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Each name, with its namespace.
    pub images: Vec<(String, Image)>,
    /// Each container whose task is alive, with its namespace.
    pub running: Vec<(String, Running)>,
}

/// A container whose task is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its id.
    pub container: String,
    /// The name of its image; empty where it has none.
    pub image: String,
    /// The id of its first process.
    pub pid: u32,
}

impl Listing {
    /// Asks for all of it.
    ///
    /// # Errors
    /// [`ClientError`]: a part of a list is not the list.
    pub async fn take(client: &Client) -> Result<Self, ClientError> {
        let mut listing = Self::default();
        for namespace in client.namespaces().await? {
            for image in client.images(&namespace).await? {
                listing.images.push((namespace.clone(), image));
            }
            let tasks = client.tasks(&namespace).await?;
            let mut containers: BTreeMap<String, Container> = BTreeMap::new();
            if !tasks.is_empty() {
                let listed = client.containers(&namespace).await?;
                containers.extend(listed.into_iter().map(|container| (container.id.clone(), container)));
            }
            for task in tasks.into_iter().filter(|task| task.state == TaskState::Alive) {
                // A task without a container is one that is being removed, or one that should not be.
                let image = containers.remove(&task.container).map(|it| it.image).unwrap_or_default();
                let running = Running { container: task.container, image, pid: task.pid };
                listing.running.push((namespace.clone(), running));
            }
        }
        Ok(listing)
    }
}
