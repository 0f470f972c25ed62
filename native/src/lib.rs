//! `vox_native`: the media engine of the relay.
//!
//! N media threads, one loop each: a thread owns its sockets, peers and rooms, and shares two queues with Python,
//! commands in and events out. str0m keeps each peer's ICE, DTLS, SCTP, descriptions and what it sends us; what goes
//! out to listeners is ours (`vox_egress`), with the keys that the DTLS tap overhears.

mod addresses;
mod beat;
mod codecs;
mod command;
mod effort;
pub mod engine;
pub mod event;
mod listeners;
mod media;
pub mod negotiation;
mod obey;
mod opening;
pub mod peer;
#[cfg(feature = "extension-module")]
mod python;
mod registry;
mod reports;
mod room;
mod sctp_watch;
pub mod sdp;
mod slab;
mod sound;
mod sys;
mod tap;
mod tcp;
mod thread;
mod video;
