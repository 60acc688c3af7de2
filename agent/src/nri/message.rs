//! The messages of ttrpc and of NRI that are read or written, with the fields that are.
//!
//! `pkg/api/api.proto` of containerd/nri at 05777497, package `nri.pkg.api.v1alpha1`; fields that are not listed here
//! are skipped, which protobuf allows.

use std::collections::HashMap;

/// A ttrpc call.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Request {
    /// The service's full name.
    #[prost(string, tag = "1")]
    pub service: String,
    /// The method's name.
    #[prost(string, tag = "2")]
    pub method: String,
    /// The message.
    #[prost(bytes = "vec", tag = "3")]
    pub payload: Vec<u8>,
    /// How long the caller waits, in nanoseconds; 0: not said.
    #[prost(int64, tag = "4")]
    pub timeout_nano: i64,
}

/// A ttrpc answer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Response {
    /// Absent: the call succeeded.
    #[prost(message, optional, tag = "1")]
    pub status: Option<Status>,
    /// The message.
    #[prost(bytes = "vec", tag = "2")]
    pub payload: Vec<u8>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Status {
    /// A gRPC code.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// In words.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// `RegisterPluginRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RegisterPlugin {
    /// The plugin's name.
    #[prost(string, tag = "1")]
    pub plugin_name: String,
    /// Two digits: plugins are called in this order.
    #[prost(string, tag = "2")]
    pub plugin_idx: String,
}

/// `ConfigureRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Configure {
    /// The runtime's name.
    #[prost(string, tag = "2")]
    pub runtime_name: String,
    /// The runtime's version.
    #[prost(string, tag = "3")]
    pub runtime_version: String,
    /// How long the runtime waits for an answer, in milliseconds; 0 where it does not say.
    #[prost(int64, tag = "5")]
    pub request_timeout: i64,
}

/// `ConfigureResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Configured {
    /// The events that are wanted: bit n-1 for event n.
    #[prost(int32, tag = "2")]
    pub events: i32,
}

/// `SynchronizeRequest`, of which only this is read: what runs already is the inventory's.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Synchronize {
    /// Whether more of the list follows in another call.
    #[prost(bool, tag = "3")]
    pub more: bool,
}

/// `SynchronizeResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Synchronized {
    /// Whether the rest of the list is welcome.
    #[prost(bool, tag = "2")]
    pub more: bool,
}

/// `CreateContainerRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CreateContainer {
    /// The pod.
    #[prost(message, optional, tag = "1")]
    pub pod: Option<PodSandbox>,
    /// The container.
    #[prost(message, optional, tag = "2")]
    pub container: Option<Container>,
}

/// `PodSandbox`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PodSandbox {
    /// The pod's name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// The pod's namespace.
    #[prost(string, tag = "4")]
    pub namespace: String,
}

/// `Container`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Container {
    /// The container's name in its pod.
    #[prost(string, tag = "3")]
    pub name: String,
    /// What containerd notes about it.
    #[prost(map = "string, string", tag = "6")]
    pub annotations: HashMap<String, String>,
    /// What is mounted into it.
    #[prost(message, repeated, tag = "9")]
    pub mounts: Vec<Mount>,
}

/// `Mount`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Mount {
    /// The path on the host.
    #[prost(string, tag = "3")]
    pub source: String,
}

/// A message without fields.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Empty {}
