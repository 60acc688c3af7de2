//! containerd's events, as far as the inventory reads them.
//!
//! An event says that something happened to a name, never what is true now: who hears it asks.

use containerd_client::events::{TaskCreate, TaskDelete, TaskExit, TaskStart};
use containerd_client::services::v1::{ImageCreate, ImageDelete, ImageUpdate};
use containerd_client::types::Envelope;
use prost::Message;

/// Something that happened in one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The namespace.
    pub namespace: String,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// An image's name is new, or stands for something else, or its labels changed.
    Image {
        /// The name.
        name: String,
    },
    /// An image's name is gone.
    ImageGone {
        /// The name.
        name: String,
    },
    /// A container's process was made, or started.
    Task {
        /// The id of the container.
        container: String,
    },
    /// A container's first process has ended.
    TaskGone {
        /// The id of the container.
        container: String,
    },
}

impl Event {
    /// What is asked of containerd: nothing but images and tasks.
    pub const FILTERS: [&'static str; 2] = ["topic~=\"^/images/\"", "topic~=\"^/tasks/\""];

    /// Reads an event; `None` for one that says nothing to us, also one that cannot be decoded.
    #[must_use]
    pub fn read(envelope: &Envelope) -> Option<Self> {
        let bytes = envelope.event.as_ref()?.value.as_slice();
        let what = match envelope.topic.as_str() {
            "/images/create" => What::Image { name: ImageCreate::decode(bytes).ok()?.name },
            "/images/update" => What::Image { name: ImageUpdate::decode(bytes).ok()?.name },
            "/images/delete" => What::ImageGone { name: ImageDelete::decode(bytes).ok()?.name },
            "/tasks/create" => What::Task { container: TaskCreate::decode(bytes).ok()?.container_id },
            "/tasks/start" => What::Task { container: TaskStart::decode(bytes).ok()?.container_id },
            "/tasks/delete" => What::TaskGone { container: TaskDelete::decode(bytes).ok()?.container_id },
            "/tasks/exit" => {
                let exit = TaskExit::decode(bytes).ok()?;
                // A process that somebody ran inside the container is not the container.
                if exit.id != exit.container_id {
                    return None;
                }
                What::TaskGone { container: exit.container_id }
            }
            _ => return None,
        };
        Some(Self { namespace: envelope.namespace.clone(), what })
    }
}

#[cfg(test)]
mod tests {
    use containerd_client::events::TaskExit;
    use containerd_client::services::v1::ImageUpdate;
    use containerd_client::types::Envelope;
    use prost::Message;

    use super::{Event, What};

    fn envelope(topic: &str, event: &impl Message) -> Envelope {
        Envelope {
            namespace: "n".to_owned(),
            topic: topic.to_owned(),
            event: Some(prost_types::Any { type_url: String::new(), value: event.encode_to_vec() }),
            ..Envelope::default()
        }
    }

    #[test]
    fn a_changed_image_is_heard_of_by_its_name() {
        let update = ImageUpdate { name: "a".to_owned(), ..ImageUpdate::default() };
        let what = What::Image { name: "a".to_owned() };
        let event = Event { namespace: "n".to_owned(), what };
        assert_eq!(Event::read(&envelope("/images/update", &update)), Some(event));
        assert_eq!(Event::read(&envelope("/snapshot/prepare", &update)), None);
        assert_eq!(Event::read(&Envelope { event: None, ..envelope("/images/update", &update) }), None);
    }

    #[test]
    fn the_end_of_a_process_inside_a_container_is_not_its_end() {
        let exit = TaskExit { container_id: "c".to_owned(), id: "exec".to_owned(), ..TaskExit::default() };
        assert_eq!(Event::read(&envelope("/tasks/exit", &exit)), None);
        let exit = TaskExit { id: "c".to_owned(), ..exit };
        assert!(Event::read(&envelope("/tasks/exit", &exit)).is_some());
    }
}
