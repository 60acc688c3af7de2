//! containerd's side of the hook: what is put into its verifier folder, what its configuration must say, and what
//! in it goes round the hook.

pub mod bypass;
pub mod drop_in;
pub mod effective;
pub mod flavour;
pub mod place;
pub mod probe;
pub mod wrapper;
