//! One track that somebody listens to: its packets become frames, decoded once for all of its taps.

/// What the packets of a track carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    Opus,
    Ulaw,
    Alaw,
}
