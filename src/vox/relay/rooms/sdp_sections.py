"""What the relay reads from a session description: its media sections, which way each flows, and what it carries. Pure.

The engine reads and writes descriptions for media; this is only for telling which section is which track.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

MEDIA: Final = frozenset({"audio", "video"})
_NOT_MEDIA_CODECS: Final = frozenset({"rtx", "red", "ulpfec", "flexfec-03", "telephone-event", "cn"})
_DIRECTIONS: Final = {
    "sendrecv": (True, True),
    "sendonly": (True, False),
    "recvonly": (False, True),
    "inactive": (False, False),
}


@dataclass(slots=True)
class Section:
    """One audio or video section.

    Args:
        kind: audio or video.
        mid: names it within the connection.
        sends: whether its author sends on it.
        receives: whether its author receives on it.
        track_id: its author's name of the track, from `msid`; empty where it has none.
        codec: the first codec in it, such as `opus`, in lower case.
    """

    kind: str
    mid: str = ""
    sends: bool = True
    receives: bool = True
    track_id: str = ""
    codec: str = ""
    _payloads: list[str] = field(default_factory=list[str])
    _names: dict[str, str] = field(default_factory=dict[str, str])


def media_sections(sdp: str) -> list[Section]:
    """The audio and video sections of a description, rejected ones too; whatever is malformed is left out."""
    found: list[Section] = []
    for lines in _blocks(sdp):
        words = lines[0][2:].split()
        if len(words) < 3 or words[0] not in MEDIA:  # noqa: PLR2004  kind, port, protocol
            continue
        section = Section(words[0], _payloads=words[3:])
        is_bundled = False
        for line in lines[1:]:
            is_bundled = is_bundled or line == "a=bundle-only"
            _read(section, line)
        if words[1] == "0" and not is_bundled:
            section.sends = section.receives = False
        section.codec = next(
            (name for payload in section._payloads if (name := section._names.get(payload, ""))),  # noqa: SLF001  own class
            "",
        )
        if section.mid:
            found.append(section)
    return found


def _blocks(sdp: str) -> Iterator[list[str]]:
    block: list[str] = []
    for raw in sdp.split("\n"):
        line = raw.rstrip("\r")
        if line.startswith("m="):
            if block:
                yield block
            block = [line]
        elif block:
            block.append(line)
    if block:
        yield block


def _read(section: Section, line: str) -> None:
    name, _, value = line[2:].partition(":")
    if name == "mid":
        section.mid = value.strip()
    elif name in _DIRECTIONS and not value:
        section.sends, section.receives = _DIRECTIONS[name]
    elif name == "msid" and not section.track_id:
        section.track_id = value.partition(" ")[2].strip()
    elif name == "ssrc" and not section.track_id and " msid:" in value:
        section.track_id = value.partition(" msid:")[2].partition(" ")[2].strip()
    elif name == "rtpmap":
        payload, _, codec = value.partition(" ")
        codec = codec.partition("/")[0].lower()
        if codec not in _NOT_MEDIA_CODECS:
            section._names[payload] = codec  # noqa: SLF001  own class
