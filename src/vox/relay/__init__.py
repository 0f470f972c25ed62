"""The relay: rooms in which people, agents and callers talk, over WebRTC and LiveKit's client protocol."""
