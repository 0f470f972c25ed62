//! `vox_native`: the media engine of the relay.
