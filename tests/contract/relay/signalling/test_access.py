"""Who gets a signalling socket, and what those learn who do not."""

from base64 import urlsafe_b64encode
from gzip import compress

import pytest
from livekit.protocol import rtc
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.contract.relay.service.harness import KEY, SECRET, RunningRelay, plain, running_relay
from vox.runtime.clock import SystemClock
from vox.security.room_tokens import RoomClaims, RoomKey, VideoGrant, sign_room_token

PATHS = ("/rtc", "/rtc/v1")


def join_request(*, is_packed: bool = True, **fields: object) -> str:
    """The parameter that clients of the newer protocol send."""
    settings = rtc.ConnectionSettings(auto_subscribe=True)
    data = rtc.JoinRequest(connection_settings=settings, **fields).SerializeToString()  # pyright: ignore[reportArgumentType]
    wrapped = rtc.WrappedJoinRequest(
        join_request=compress(data) if is_packed else data,
        compression=rtc.WrappedJoinRequest.GZIP if is_packed else rtc.WrappedJoinRequest.NONE,
    )
    return urlsafe_b64encode(wrapped.SerializeToString()).decode()


def grant(**changes: object) -> VideoGrant:
    return VideoGrant(**({"room_join": True, "room": "room"} | changes))  # pyright: ignore[reportArgumentType]


def signed(video: VideoGrant, *, secret: str = SECRET, key: str = KEY, age_s: float = 0, sub: str = "ann") -> str:
    now = SystemClock().unix() - age_s
    return sign_room_token(RoomKey(key, secret), RoomClaims(sub=sub, video=video), now=now, lifetime_s=60)


async def answers(relay: RunningRelay, path: str, token: str, **more: str) -> tuple[int, str]:
    """What the upgrade is answered, and that `validate` gives the same status, with its text."""
    query = {"access_token": token, "join_request": join_request(), **more}
    target = path + "?" + "&".join(f"{name}={value}" for name, value in query.items() if value)
    async with plain(relay) as http:
        validated = await http.get(target.replace(path, f"{path}/validate", 1))
    status = 200
    try:
        async with connect(relay.ws + target):
            pass
    except InvalidStatus as refused:
        status = refused.response.status_code
    assert status == validated.status_code
    return status, validated.text


@pytest.mark.parametrize("path", PATHS)
async def test_tokens_are_checked_before_the_upgrade(path: str):
    async with running_relay() as relay:
        assert (await answers(relay, path, ""))[0] == 401
        assert (await answers(relay, path, "a.b.c"))[0] == 401
        assert (await answers(relay, path, signed(grant(), secret="f" * 32)))[0] == 401
        assert (await answers(relay, path, signed(grant(), key="another")))[0] == 401
        assert (await answers(relay, path, signed(grant(), age_s=3_600)))[0] == 401
        assert (await answers(relay, path, signed(grant(), age_s=-3_600)))[0] == 401
        assert (await answers(relay, path, signed(VideoGrant(room="room", room_list=True))))[0] == 403
        assert (await answers(relay, path, signed(VideoGrant(room_join=True))))[0] == 403
        assert (await answers(relay, path, signed(grant()), room="another"))[0] == 403
        assert await answers(relay, path, signed(grant())) == (200, "success")
        assert relay.relay.rooms.rooms_count == 1


@pytest.mark.parametrize("path", PATHS)
async def test_a_bearer_is_as_good_as_the_query(path: str):
    async with running_relay() as relay:
        headers = {"Authorization": f"Bearer {signed(grant())}"}
        async with connect(f"{relay.ws}{path}?join_request={join_request()}", additional_headers=headers) as socket:
            first = await socket.recv()
        assert isinstance(first, bytes)
        assert rtc.SignalResponse.FromString(first).join.participant.identity == "ann"


async def test_a_join_request_comes_in_several_forms_and_no_other():
    async with running_relay() as relay:
        for text in (join_request(), join_request(is_packed=False), join_request().rstrip("=")):
            assert (await answers(relay, "/rtc/v1", signed(grant()), join_request=text))[0] == 200
        bomb = rtc.WrappedJoinRequest(join_request=compress(bytes(20_000_000)), compression=rtc.WrappedJoinRequest.GZIP)
        too_many = join_request(add_track_requests=[rtc.AddTrackRequest(cid=str(n)) for n in range(100)])
        for text in ("%25%25", "AAAA", urlsafe_b64encode(bomb.SerializeToString()).decode(), too_many):
            assert (await answers(relay, "/rtc/v1", signed(grant()), join_request=text))[0] == 400


async def test_browsers_may_ask_from_any_page():
    async with running_relay() as relay, plain(relay) as http:
        answer = await http.get("/rtc/validate", headers={"Origin": "https://app.example"})
        assert answer.status_code == 401
        assert answer.headers["access-control-allow-origin"] in {"*", "https://app.example"}


async def test_a_path_that_is_not_spoken_is_not_found():
    async with running_relay() as relay:
        with pytest.raises(InvalidStatus) as caught:
            async with connect(f"{relay.ws}/rtc/v2"):
                pass
        assert caught.value.response.status_code == 404


async def test_a_connection_offer_and_track_come_with_joining():
    async with running_relay() as relay:
        sections = (
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\na=rtpmap:111 opus/48000/2\r\na=msid:- mic\r\n"
        )
        text = join_request(
            add_track_requests=[rtc.AddTrackRequest(cid="mic", source=2)],  # pyright: ignore[reportArgumentType]
            publisher_offer=rtc.SessionDescription(type="offer", sdp="v=0\r\n" + sections, id=1),
        )
        target = f"{relay.ws}/rtc/v1?access_token={signed(grant())}&join_request={text}"
        async with connect(target) as socket:
            kinds: list[str | None] = []
            while kinds[-1:] != ["answer"]:
                message = await socket.recv()
                assert isinstance(message, bytes)
                kinds.append(rtc.SignalResponse.FromString(message).WhichOneof("message"))
        assert kinds[:2] == ["join", "track_published"]
        assert len(relay.engine.tracks) == 1
