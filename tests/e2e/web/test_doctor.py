"""The page that finds out why voice does not work names what is in the way, and whose move it is."""

import contextlib
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from tests.e2e.chromium import open_page
from tests.e2e.web.communities import founded
from tests.e2e.web.rooms import Rooms, voice_servers
from tests.e2e.web.visitors import PASSWORD, Visitor
from tests.free_ports import free_port

NO_UDP = ("--webrtc-ip-handling-policy=disable_non_proxied_udp",)
ELSEWHERE = "vox.example"


@contextlib.asynccontextmanager
async def ada_with(
    folder: Path, rooms: Rooms, *, flags: Sequence[str] = (), host: str = "127.0.0.1"
) -> AsyncGenerator[Visitor]:
    """The founder of the community in a browser with those flags, which finds the server under that name."""
    async with founded(folder, rooms.chat):
        pass
    address = f"http://{host}:{urlsplit(rooms.chat.http).port}/"
    names = () if host == "127.0.0.1" else (f"--host-resolver-rules=MAP {host} 127.0.0.1",)
    async with open_page(folder / "checked", address, flags=(*flags, *names)) as page:
        ada = Visitor(page)
        await ada.fill("Name", "ada")
        await ada.fill("Password", PASSWORD)
        await ada.press("Log in")
        await ada.sees("general")
        yield ada


async def checked(ada: Visitor) -> dict[str, str]:
    """What the page says of each step."""
    await ada.page.evaluate("location.hash = '#/doctor'")
    await ada.press("Check now")
    await ada.sees("Check again")
    rows = await ada.page.evaluate(
        "[...document.querySelectorAll('main ol li')].map(one => [one.querySelector('b').innerText,"
        " one.querySelector('.state').innerText + ' ' + (one.querySelector('p')?.innerText ?? '')])"
    )
    return dict(rows)


async def test_all_is_well_and_the_screen_is_sound(tmp_path: Path) -> None:
    async with voice_servers(tmp_path, tcp_port=free_port()) as rooms, ada_with(tmp_path, rooms) as ada:
        said = await checked(ada)
        assert {step: one for step, one in said.items() if not one.startswith("ok")} == {}
        assert await ada.faults(folder=tmp_path, name="doctor") == []


async def test_a_blocked_udp_port_is_named(tmp_path: Path) -> None:
    async with voice_servers(tmp_path) as rooms, ada_with(tmp_path, rooms, flags=NO_UDP) as ada:
        said = await checked(ada)
        assert "opens this UDP port" in said["Media by UDP"], said


async def test_voice_by_tcp_alone_is_told(tmp_path: Path) -> None:
    async with (
        voice_servers(tmp_path, tcp_port=free_port()) as rooms,
        ada_with(tmp_path, rooms, flags=NO_UDP) as ada,
    ):
        said = await checked(ada)
        assert "so voice goes by TCP" in said["Media by UDP"], said
        assert said["Media by TCP"].startswith("ok")


async def test_a_relay_that_is_away_is_named(tmp_path: Path) -> None:
    async with voice_servers(tmp_path) as rooms, ada_with(tmp_path, rooms) as ada:
        rooms.relay.process.kill()
        await rooms.relay.process.wait()
        said = await checked(ada)
        assert f"127.0.0.1:{rooms.relay_port} does not answer" in said["Connection to the media server"]
        assert said["Media by UDP"].startswith("not checked")


async def test_a_wrong_public_address_and_an_insecure_page_are_named(tmp_path: Path) -> None:
    async with (
        voice_servers(tmp_path, public_addresses=["10.255.255.1"]) as rooms,
        ada_with(tmp_path, rooms, host=ELSEWHERE) as ada,
    ):
        said = await checked(ada)
        assert "not encrypted (http)" in said["Secure address"], said
        assert said["Microphone"].startswith("problem The browser forbids it")
        assert "VOX_RELAY_PUBLIC_ADDRESSES" in said["Media by UDP"], said


async def test_a_microphone_that_was_refused_is_named(tmp_path: Path) -> None:
    async with voice_servers(tmp_path) as rooms, ada_with(tmp_path, rooms) as ada:
        await ada.page.evaluate(
            "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError')); 1"
        )
        said = await checked(ada)
        assert "Allow the microphone beside the address" in said["Microphone"]
