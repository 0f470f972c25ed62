from vox.media.framing import padded


def test_padding_fills_with_whole_silent_samples_and_never_cuts():
    assert padded(b"abcd", 4, b"\0") == b"abcd"
    assert padded(b"abcd", 3, b"\0") == b"abcd"
    assert padded(b"", 5, b"xy") == b"xyxyx"
