"""Tones as Opus packets, and back: what a client without a codec of its own plays and hears."""

import base64
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import InvalidDataError

RATE = 48_000
FRAME = RATE // 50
SILENT = 0.01
GAP_MS = 60
WINDOW = 5 * FRAME


def tone_packets(hz: int, *, seconds: int = 1) -> list[bytes]:
    """A tone as Opus packets of 20 ms; whole seconds of whole hertz can be repeated without a click."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = RATE, "mono", "s16", 32_000
    encoder.options = {"application": "audio", "vbr": "on"}
    packets: list[bytes] = []
    for number in range(seconds * 50):
        times = (np.arange(FRAME) + number * FRAME) / RATE
        samples = (0.3 * 32_767 * np.sin(2 * np.pi * hz * times)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, number * FRAME
        packets.extend(bytes(packet) for packet in encoder.encode(frame))
    return packets


def tone_file(folder: Path, hz: int) -> Path:
    """The packets of a second of tone in a file, each behind its length in two bytes."""
    file = folder / f"{hz}.opus-packets"
    file.write_bytes(b"".join(struct.pack(">H", len(packet)) + packet for packet in tone_packets(hz)))
    return file


class PacketEar:
    """What one track of Opus packets sounds like: its tone, and where nothing arrived for 60 ms and longer."""

    def __init__(self) -> None:
        self._decoder = av.CodecContext.create("opus", "r")
        self._window = np.zeros(0)
        self._came_ms = 0
        self.gaps: list[tuple[int, int]] = []

    def hear(self, packets: Sequence[Mapping[str, Any]]) -> list[int]:
        """Takes packets as the Go client writes them; the tone of each 100 ms. 0 is silence."""
        tones: list[int] = []
        for packet in packets:
            came = int(packet["came"])
            if self._came_ms and came - self._came_ms >= GAP_MS + 20:
                self.gaps.append((self._came_ms, came - self._came_ms))
            self._came_ms = came
            try:
                frames = self._decoder.decode(av.Packet(base64.b64decode(packet["opus"])))
            except InvalidDataError:  # encrypted from end to end, and this end has no key
                continue
            for frame in frames:
                samples = frame.to_ndarray().astype(np.float64)
                if frame.format.name.startswith("s16"):
                    samples /= 32_768
                self._window = np.concatenate((self._window, samples.reshape(-1, samples.shape[-1])[0]))
            while len(self._window) >= WINDOW:
                window, self._window = self._window[:WINDOW], self._window[WINDOW:]
                tones.append(tone_of(window))
        return tones


def tone_of(samples: "np.ndarray[Any, Any]") -> int:
    """The loudest frequency to 10 Hz, or 0 where it is silent."""
    if float(np.sqrt(np.mean(samples**2))) < SILENT:
        return 0
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return round(int(spectrum.argmax()) * RATE / len(samples))
