"""Recordings of calls beside what the far side said and heard: where each sound begins and ends."""

import importlib
import wave
from array import array
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from tests.fakes.s3_server import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server


def stored_in(server: S3Server) -> dict[str, bytes]:
    """Every recording in the bucket."""
    obstore: Any = importlib.import_module("obstore")
    store = obstore.store.S3Store(
        BUCKET, endpoint=server.address, access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY, region="us-east-1",
        client_options={"allow_http": True},
    )  # fmt: skip
    found = [entry["path"] for batch in obstore.list(store) for entry in batch]
    return {path: bytes(obstore.get(store, path).bytes()) for path in found if not path.endswith(".vox-check")}


def channels_of(recording: bytes) -> tuple[int, list["array[int]"]]:
    """The sample rate, and each channel's samples."""
    with wave.open(BytesIO(recording)) as read:
        samples = array("h", read.readframes(read.getnframes()))
        return read.getframerate(), [samples[side :: read.getnchannels()] for side in range(read.getnchannels())]


def edges(samples: Sequence[int], rate: int) -> list[float]:
    """Where sound begins and ends, in seconds; pauses of less than 0.3 s do not count."""
    found: list[list[float]] = []
    step = rate // 200
    for at in range(0, len(samples) - step, step):
        if max(map(abs, samples[at : at + step])) > 900:
            now = at / rate
            if found and now - found[-1][1] < 0.3:
                found[-1][1] = now
            else:
                found.append([now, now])
    return [edge for span in found for edge in span]
