"""A community with a voice room on a real relay, and what a browser hears there."""

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.agents import RunningAgent
from tests.e2e.chats import RunningChat, chat_server
from tests.e2e.relays import KEY, relay_process
from tests.e2e.web.visitors import Visitor
from tests.free_ports import free_port

_LEVEL = """(async () => {
  const context = new AudioContext();
  await context.resume();
  const analyser = new AnalyserNode(context, {fftSize: 2048});
  for (const element of document.querySelectorAll('audio'))
    if (element.srcObject && !element.muted && element.volume > 0)
      context.createMediaStreamSource(element.srcObject).connect(analyser);
  const samples = new Float32Array(2048);
  let loudest = 0;
  for (let n = 0; n < 30; n++) {
    await new Promise(done => setTimeout(done, 50));
    analyser.getFloatTimeDomainData(samples);
    loudest = Math.max(loudest, Math.sqrt(samples.reduce((sum, one) => sum + one * one, 0) / 2048));
  }
  await context.close();
  return loudest;
})()"""
"""The loudest 43 ms of what the page plays within a second and a half: RMS from 0 to 1. Chromium's fake microphone beeps once a second."""

LOUD = 0.01
SILENT = 0.001
"""60 dB below full scale."""


@dataclass(slots=True)
class Rooms:
    """The servers; `relay` may be ended and begun again at the same port."""

    chat: RunningChat
    folder: Path
    relay_port: int
    relay: RunningAgent


@contextlib.asynccontextmanager
async def relay_of(folder: Path, port: int, chat_port: int, **media: Any) -> AsyncGenerator[RunningAgent]:
    """The relay of that chat server's rooms; `media` are its settings of that name."""
    webhooks = {
        "urls": [f"http://127.0.0.1:{chat_port}/api/v1/voice/webhook"],
        "api_key": KEY.key,
        "allowed_private": ["127.0.0.0/8"],
    }
    settings = {"udp_port": 0, "tcp_port": -1, "threads": 1, **media}
    async with relay_process(folder, port=port, webhooks=webhooks, media=settings) as relay:
        yield relay


@contextlib.asynccontextmanager
async def voice_servers(folder: Path, **media: Any) -> AsyncGenerator[Rooms]:
    """A chat server and its relay; `media` are settings of the relay."""
    chat_port, relay_port = free_port(), free_port()
    environment = {
        "VOX_MEDIA_URL": f"ws://127.0.0.1:{relay_port}",
        "VOX_MEDIA_KEY": KEY.key,
        "VOX_MEDIA_SECRET": KEY.secret,
        "VOX_MEDIA_NETWORKS": "127.0.0.0/8",
    }
    async with (
        relay_of(folder, relay_port, chat_port, **media) as relay,
        chat_server(folder, port=chat_port, environment=environment) as chat,
    ):
        yield Rooms(chat, folder, relay_port, relay)


async def level(visitor: Visitor) -> float:
    """How loud what that browser hears is."""
    return float(await visitor.page.evaluate(_LEVEL))


async def hears(visitor: Visitor) -> None:
    """Waits until that browser hears another member."""
    while await level(visitor) < LOUD:
        pass


async def hears_nothing(visitor: Visitor) -> None:
    """Waits until that browser hears silence."""
    while await level(visitor) > SILENT:
        pass


ROOM = "Lounge"
"""The room that set-up makes."""


async def enters(visitor: Visitor, room: str = ROOM) -> None:
    """Joins a room by a click."""
    await visitor.press(room)
    await visitor.sees("Connected")
