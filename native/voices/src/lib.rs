//! Sound: Opus, jitter buffers, voices, taps, mixes and speakers.
