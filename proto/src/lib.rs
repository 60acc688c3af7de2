//! The `pullward.v1` gRPC API: what the node agent answers on its two unix sockets.
//!
//! [`v1`] is generated from `proto/pullward/v1/pullward.proto`. Nothing here opens a connection:
//! `pullward::hook` and `pullward::server` bring sockets whose files, folders and peers they checked.
//! Messages are wire types; they are turned into the agent's own types by strict conversions there.

/// Version 1 of the API.
#[expect(
    unused_qualifications,
    clippy::missing_errors_doc,
    reason = "generated code: full paths, and errors as gRPC has them"
)]
pub mod v1 {
    tonic::include_proto!("pullward.v1");
}

/// The protocol version in every message. A peer that says anything else is not understood: a denial.
pub const PROTOCOL: u32 = 1;
