//! The `pullward.v1` gRPC API.
