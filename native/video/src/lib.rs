//! Video of the relay: which simulcast layer a listener gets, when it may change, and what the
//! change does to the numbers inside the payloads.
//!
//! Pure: takes payloads and times in microseconds, gives decisions. A [`Source`] belongs to a
//! track, a [`Switch`] to a track at a listener, a [`Bandwidth`] to a listener; [`allocate`]
//! shares what a listener can take among its videos. Audio is no business of this crate, and so
//! never given up for video.

mod av1;
mod bandwidth;
mod choice;
mod frame;
mod h264;
mod picture;
mod source;
mod switch;
#[cfg(test)]
mod testing;
mod vp8;
mod vp9;

pub use bandwidth::Bandwidth;
pub use choice::{Budget, Choice, Wanted, allocate};
pub use frame::{Frame, Picture, VideoCodec};
pub use source::{LAYERS, LayerRate, Source, TEMPORAL, layer_of_rid};
pub use switch::{Shift, StreamState, Switch, Verdict};
