//! Video: key frames, layers and the rewriting that hides their switches.
