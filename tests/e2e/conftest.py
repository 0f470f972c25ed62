"""What several end-to-end tests ask for by name."""

from importlib.util import find_spec

import pytest

from tests.require import require


@pytest.fixture(params=["native", "aiortc"])
def webrtc_driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What carries the WebRTC calls of the test, in this process and in the servers that it starts."""
    name: str = request.param
    if name == "native":
        require(find_spec("vox_native") is not None, "the media engine in Rust", "run `make native`")
    monkeypatch.setenv("VOXRAY_WEBRTC_DRIVER", name)
    return name
