//! The CRI proxy, `pullward-cri`: between kubelet and containerd, in a process of its own.
//!
//! ```text
//! kubelet ─▶ serve ─▶ path ─┬─ passed ─────────────────────────────▶ upstream ─▶ containerd
//!                           └─ judged ─▶ frame ─▶ request ─▶ gate ─▶ upstream
//!                                                   agent ◀──┘ (unix socket)
//! ```
//! [`serve`] lets root in and speaks HTTP/2 within bounds; [`path`] sorts requests by their exact path. What is passed
//! is handed on frame by frame and never decoded. What is judged ([`gate`]) is read whole and strictly ([`frame`],
//! [`request`] on [`message`]), asked of the [`agent`], and handed on as the bytes that came: fields that this version
//! does not know arrive. [`upstream`] is the way to containerd, which is found again after it was restarted.
//!
//! This process opens unix sockets only and reads no evidence: it knows names and digests, and does what the agent says.
//! Without an agent, pulls and starts are refused and everything else flows.

pub mod agent;
pub mod frame;
pub mod gate;
pub mod message;
pub mod path;
pub mod request;
pub mod serve;
pub mod upstream;
