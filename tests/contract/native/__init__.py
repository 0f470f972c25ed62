"""The border of the relay's media engine, `vox_native`, with a WebRTC client that is not ours: aiortc."""
