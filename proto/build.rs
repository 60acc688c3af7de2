//! Generates the messages and services of `pullward.v1`.

fn main() -> std::io::Result<()> {
    // No transport in the generated code: callers bring their own connection over a unix socket that
    // they have checked, so there is no `connect(address)` to reach for.
    tonic_prost_build::configure()
        .build_transport(false)
        .compile_protos(&["proto/pullward/v1/pullward.proto"], &["proto"])
}
