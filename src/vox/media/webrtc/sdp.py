"""Session descriptions of other sides: read with suspicion, reduced to what a voice call needs, and answered whole; pure.

An offer may have any number of sections. A call carries the first audio section and the data channel; the WebRTC library sees
an offer that has nothing else, so that no other codec, header extension or candidate of a stranger reaches it. The answer
takes every section back in its place (RFC 3264 section 6): those in the bundle as inactive, so that a client finds
its transceivers where it put them, others refused.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

from vox.errors import PeerError

MAX_BYTES: Final = 64 << 10
"""A browser's offer with three tracks and all its codecs has 8 kB."""
MAX_MESSAGE_BYTES: Final = 64 << 10
"""The longest message on the data channel: what clients assume where an answer says nothing."""
MAX_SECTIONS: Final = 16
MAX_CANDIDATES: Final = 20
"""Candidates that are tried for one connection; a browser has two to eight."""
MAX_FIELD: Final = 256
"""The longest username fragment, password and mid: RFC 8839 section 5.4 allows no more."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,64}")
_ICE_FIELD: Final = re.compile(r"[A-Za-z0-9+/]{4,256}")
_FINGERPRINT: Final = re.compile(r"(?:sha-256|sha-384|sha-512) (?:[0-9A-F]{2}:){31,63}[0-9A-F]{2}", re.IGNORECASE)
_OPUS: Final = re.compile(r"rtpmap:(\d{1,3}) opus/48000/2", re.IGNORECASE)
_EXTENSION: Final = re.compile(
    r"extmap:(?:[1-9]|1[0-4]) (?:urn:ietf:params:rtp-hdrext:sdes:mid|urn:ietf:params:rtp-hdrext:ssrc-audio-level)"
)
_SOURCE: Final = re.compile(r"ssrc:\d{1,10} cname:[A-Za-z0-9+/{}=._-]{1,64}")
_SETUPS: Final = frozenset({"actpass", "active", "passive"})
_DIRECTIONS: Final = frozenset({"sendrecv", "sendonly", "recvonly", "inactive"})
_TRANSPORT: Final = (
    "ice-ufrag:",
    "ice-pwd:",
    "ice-options:",
    "fingerprint:",
    "setup:",
    "candidate:",
    "end-of-candidates",
)
_OF_SESSION: Final = ("ice-ufrag:", "ice-pwd:", "fingerprint:", "setup:")
_AUDIO_PROFILES: Final = frozenset({"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF"})
_MAX_PORT: Final = 65_535
_MAX_PAYLOAD_TYPE: Final = 127
_CANDIDATE_FIELDS: Final = 8


@dataclass(frozen=True, slots=True)
class Section:
    """One media section: its `m=` line in words, and the attributes without `a=`."""

    kind: str
    port: str
    profile: str
    formats: tuple[str, ...]
    attributes: tuple[str, ...]

    @property
    def mid(self) -> str:
        """Its name in the bundle."""
        return self.value("mid:")

    def value(self, prefix: str) -> str:
        """The rest of the first attribute that begins so; empty without one."""
        return next((one[len(prefix) :] for one in self.attributes if one.startswith(prefix)), "")


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer that can be answered.

    Attributes:
        sections: all sections as they came.
        bundle: the mids that share one transport.
        audio: index of the section that carries the call; None without one.
        channel: index of the section of the data channel; None without one.
        attributes: of the session, those that stand for every section.
    """

    sections: tuple[Section, ...]
    bundle: tuple[str, ...]
    audio: int | None
    channel: int | None
    attributes: tuple[str, ...]

    @property
    def ice_identity(self) -> tuple[str, str]:
        """Username fragment and password; where they change, the other side begins ICE anew (RFC 8839 section 4.4.1.1)."""
        first = self._carried()[0]
        return self._of(first, "ice-ufrag:"), self._of(first, "ice-pwd:")

    def reduced(self, *, has_headers: bool = False) -> str:
        """The offer as the WebRTC library gets it: Opus and the data channel, nothing else.

        Args:
            has_headers: keep the extensions that name a packet's section and its loudness, and the audio's sources.
        """
        carried = self._carried()
        mids = [one.mid for one in carried if one.mid in self.bundle]
        lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=-", "t=0 0"]
        if mids:
            lines.append(f"a=group:BUNDLE {' '.join(mids)}")
        for section in carried:
            lines += self._audio(section) if section.kind == "audio" else self._channel(section)
            if has_headers and section.kind == "audio":
                lines += _headers(section)
        return "\r\n".join([*lines, ""])

    def answer(self, reduced: str) -> str:
        """The answer to this offer, made of the answer to the reduced one."""
        head, *given = _split(reduced.replace("\r\n", "\n").rstrip("\n").split("\n"))
        carried = [index for index in (self.audio, self.channel) if index is not None]
        answers = dict(zip(sorted(carried), given, strict=True))
        transport = [line for line in given[0] if line.startswith(tuple(f"a={name}" for name in _TRANSPORT))]
        lines = [line for line in head if not line.startswith("a=group:")]
        present = {self.sections[index].mid for index in carried}
        present |= {one.mid for one in self.sections if self._is_kept_inactive(one)}
        bundle = [mid for mid in self.bundle if mid in present]
        if bundle:
            lines.append(f"a=group:BUNDLE {' '.join(bundle)}")
        for index, section in enumerate(self.sections):
            shared = (
                transport
                if bundle and section.mid == bundle[0]
                else [line for line in transport if not line.startswith(("a=candidate:", "a=end-of-candidates"))]
            )
            lines += _limited(answers[index]) if index in answers else self._declined(section, shared)
        return "\r\n".join([*lines, ""])

    def _carried(self) -> list[Section]:
        return [self.sections[index] for index in sorted(i for i in (self.audio, self.channel) if i is not None)]

    def _of(self, section: Section, prefix: str) -> str:
        own = section.value(prefix)
        return own or next((one[len(prefix) :] for one in self.attributes if one.startswith(prefix)), "")

    def _audio(self, section: Section) -> list[str]:
        opus = opus_type(section)
        direction = next((one for one in section.attributes if one in _DIRECTIONS), "sendrecv")
        return [
            f"m=audio 9 UDP/TLS/RTP/SAVPF {opus}",
            *self._common(section),
            f"a={direction}",
            "a=rtcp-mux",
            f"a=rtpmap:{opus} opus/48000/2",
            f"a=fmtp:{opus} minptime=10;useinbandfec=1",
        ]

    def _channel(self, section: Section) -> list[str]:
        return [
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
            *self._common(section),
            f"a=sctp-port:{section.value('sctp-port:')}",
            f"a=max-message-size:{section.value('max-message-size:') or 65_536}",
        ]

    def _common(self, section: Section) -> list[str]:
        setup = self._of(section, "setup:")
        candidates = useful_candidates([one for one in section.attributes if one.startswith("candidate:")])
        return [
            "c=IN IP4 0.0.0.0",
            f"a=mid:{section.mid}",
            f"a=ice-ufrag:{self._of(section, 'ice-ufrag:')}",
            f"a=ice-pwd:{self._of(section, 'ice-pwd:')}",
            f"a=fingerprint:{self._of(section, 'fingerprint:')}",
            f"a=setup:{setup}",
            *(f"a={one}" for one in candidates[:MAX_CANDIDATES]),
        ]

    def _is_kept_inactive(self, section: Section) -> bool:
        return section.kind in {"audio", "video"} and section.mid in self.bundle and section.port != "0"

    def _declined(self, section: Section, transport: Sequence[str]) -> list[str]:
        formats = section.formats[:1]
        if not self._is_kept_inactive(section):
            lines = [f"m={section.kind} 0 {section.profile} {' '.join(formats)}", "c=IN IP4 0.0.0.0", "a=inactive"]
            return [*lines, f"a=mid:{section.mid}"] if section.mid else lines
        described = [
            f"a={one}"
            for one in section.attributes
            if one.startswith(tuple(f"{kind}:{formats[0]} " for kind in ("rtpmap", "fmtp")))
        ]
        return [
            f"m={section.kind} 9 {section.profile} {' '.join(formats)}",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{section.mid}",
            "a=inactive",
            "a=rtcp-mux",
            *described,
            *transport,
        ]


def read_offer(text: str) -> Offer:
    """Reads an offer.

    Raises:
        PeerError: `offer_invalid`; the message says what is wrong with it.
    """
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise invalid(f"the SDP is longer than {MAX_BYTES} bytes")
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if lines[0] != "v=0":
        raise invalid("the SDP does not begin with v=0")
    if not all(len(line) > 1 and line[1] == "=" and line.isprintable() for line in lines):
        raise invalid("a line of the SDP is not of the form x=value")
    head, *rest = _split(lines)
    if not rest or len(rest) > MAX_SECTIONS:
        raise invalid(f"the SDP has {len(rest)} media sections; 1 to {MAX_SECTIONS} are taken")
    sections = tuple(_section(each) for each in rest)
    of_session = tuple(line[2:] for line in head if line.startswith(tuple(f"a={name}" for name in _OF_SESSION)))
    bundle = next((tuple(line.split()[1:]) for line in head if line.startswith("a=group:BUNDLE")), ())
    mids = [one.mid for one in sections if one.mid]
    if len(set(mids)) < len(mids) or not set(bundle) <= set(mids) or len(set(bundle)) < len(bundle):
        raise invalid("the mids of the SDP and its BUNDLE group do not match")
    open_ones = [(index, one) for index, one in enumerate(sections) if one.port != "0"]
    audio = next((index for index, one in open_ones if one.kind == "audio"), None)
    channel = next((index for index, one in open_ones if one.kind == "application"), None)
    offer = Offer(sections, bundle, audio, channel, of_session)
    _check(offer)
    return offer


def opus_type(section: Section) -> int | None:
    """The payload type of Opus in an audio section; None where it is not offered."""
    for one in section.attributes:
        found = _OPUS.fullmatch(one)
        if found and found[1] in section.formats and int(found[1]) <= _MAX_PAYLOAD_TYPE:
            return int(found[1])
    return None


def useful_candidates(candidates: Sequence[str]) -> list[str]:
    """Those candidates that are worth a check: UDP, with an address that may be the other side's.

    Names (mDNS) are left out, because looking them up takes longer than the client's own check, which shows its address.
    """
    return [one for one in candidates if is_useful_candidate(one)]


def is_useful_candidate(candidate: str) -> bool:
    """Whether a candidate, without `a=`, is worth a check."""
    parts = candidate.removeprefix("candidate:").split()
    if len(parts) < _CANDIDATE_FIELDS or not _TOKEN.fullmatch(parts[0].replace("/", "+")):
        return False
    _, component, transport, priority, host, port, type_word, kind = parts[:_CANDIDATE_FIELDS]
    if component != "1" or transport.lower() != "udp" or type_word != "typ" or kind not in {"host", "srflx", "relay"}:
        return False
    if not (_is_number(priority, (1 << 32) - 1) and _is_number(port, _MAX_PORT) and int(port)):
        return False
    if not _are_extensions_plain(parts[_CANDIDATE_FIELDS:]):
        return False
    return _may_be_a_client(host)


def invalid(why: str) -> PeerError:
    """The refusal of an offer."""
    return PeerError(f"The offer cannot be answered: {why}", code="offer_invalid")


def _headers(section: Section) -> list[str]:
    """The header extensions and the first source of an audio section, as far as they are well formed."""
    extensions = {one.split(" ")[1]: one for one in reversed(section.attributes) if _EXTENSION.fullmatch(one)}
    numbers = {one.split(" ")[0] for one in extensions.values()}
    sources = [one for one in section.attributes if _SOURCE.fullmatch(one)]
    kept = [*extensions.values()] if len(numbers) == len(extensions) else []
    return [f"a={one}" for one in (*kept, *sources[:1])]


def _limited(section: Sequence[str]) -> list[str]:
    """A section of the answer with the size of messages that is really taken."""
    size = "a=max-message-size:"
    return [f"{size}{MAX_MESSAGE_BYTES}" if line.startswith(size) else line for line in section]


def _split(lines: Sequence[str]) -> list[list[str]]:
    """The lines of the session, then those of each section."""
    parts: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            parts.append([])
        parts[-1].append(line)
    return parts


def _section(lines: Sequence[str]) -> Section:
    words = lines[0][2:].split()
    if len(words) < 4 or not all(_TOKEN.fullmatch(word.replace("/", "+")) for word in words):  # noqa: PLR2004  RFC 8866 5.14
        raise invalid("an m= line does not name kind, port, profile and formats")
    kind, port, profile, *formats = words
    section = Section(kind, port, profile, tuple(formats), tuple(line[2:] for line in lines[1:] if line[0] == "a"))
    if not _is_number(port, _MAX_PORT):
        raise invalid("the port of an m= line is not a number")
    if section.mid and not _TOKEN.fullmatch(section.mid):
        raise invalid("a mid is not a token")
    return section


def _check(offer: Offer) -> None:
    if offer.audio is None and offer.channel is None:
        raise invalid("it has neither an audio section nor a data channel")
    for index in (offer.audio, offer.channel):
        if index is None:
            continue
        section = offer.sections[index]
        if not section.mid:
            raise invalid(f"the {section.kind} section has no mid")
        _check_transport(offer, section)
    if offer.audio is not None:
        audio = offer.sections[offer.audio]
        if audio.profile not in _AUDIO_PROFILES or opus_type(audio) is None:
            raise invalid("its audio section does not offer Opus over DTLS-SRTP")
    if offer.channel is not None:
        channel = offer.sections[offer.channel]
        if "SCTP" not in channel.profile or not _is_number(channel.value("sctp-port:"), _MAX_PORT):
            raise invalid("its application section is not a data channel with a=sctp-port")
        size = channel.value("max-message-size:")
        if size and not _is_number(size, (1 << 63) - 1):
            raise invalid("a=max-message-size is not a number")


def _check_transport(offer: Offer, section: Section) -> None:
    found = {name: value if (value := section.value(name)) else _first(offer.attributes, name) for name in _OF_SESSION}
    if not _ICE_FIELD.fullmatch(found["ice-ufrag:"]) or not _ICE_FIELD.fullmatch(found["ice-pwd:"]):
        raise invalid(f"the {section.kind} section has no valid ice-ufrag and ice-pwd")
    if not _FINGERPRINT.fullmatch(found["fingerprint:"]):
        raise invalid(f"the {section.kind} section has no fingerprint of SHA-256, SHA-384 or SHA-512")
    if found["setup:"] not in _SETUPS:
        raise invalid(f"the {section.kind} section has no a=setup of {', '.join(sorted(_SETUPS))}")


def _first(attributes: Sequence[str], prefix: str) -> str:
    return next((one[len(prefix) :] for one in attributes if one.startswith(prefix)), "")


def _may_be_a_client(host: str) -> bool:
    """Whether an address may be tried; clouds hand out credentials at link-local IPv4, so that is never asked."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and (address.scope_id is not None or address.ipv4_mapped is not None):
        return False
    if address.is_unspecified or address.is_multicast or address.is_reserved:
        return False
    return isinstance(address, IPv6Address) or not (address.is_link_local or host == "255.255.255.255")


def _is_number(text: str, most: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and int(text) <= most


def _are_extensions_plain(words: Sequence[str]) -> bool:
    """Whether the words behind a candidate's type are pairs whose addresses and ports can be read."""
    pairs = dict(zip(words[::2], words[1::2], strict=False))
    try:
        ip_address(pairs.get("raddr", "0.0.0.0"))  # noqa: S104  an address in a text, not one to listen on
    except ValueError:
        return False
    return len(words) % 2 == 0 and _is_number(pairs.get("rport", "0"), _MAX_PORT) and pairs.get("tcptype") is None
