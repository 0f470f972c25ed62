"""Fills a last piece of audio up to a whole frame."""


def padded(audio: bytes, size: int, silence: bytes) -> bytes:
    """`audio` filled up with whole silent samples to `size` bytes."""
    missing = size - len(audio)
    return audio + (silence * (missing // len(silence) + 1))[:missing] if missing > 0 else audio
