//! containerd's side: what is put into its verifier folder, what its configuration must say, and what
//! in it goes round the hook; and the running one, read over its socket.
//!
//! - [`wrapper`], [`drop_in`], [`place`]: the hook, put in its place;
//! - [`bypass`], [`probe`]: what goes round it, and whether it is loaded;
//! - [`client`], [`event`]: images, content, containers, tasks and events over gRPC;
//! - [`source`]: evidence out of its content store.

pub mod bypass;
pub mod client;
pub mod drop_in;
pub mod effective;
pub mod event;
pub mod flavour;
pub mod place;
pub mod probe;
pub mod source;
pub mod wrapper;
