"""The state of a call that another process needs to go on with it, as a record with a version.

Unknown fields are left out and missing ones have their defaults, so that two versions of a server that run side by side can take each
other's calls over. What cannot be read that way needs a new `VERSION`.
"""

from typing import Final

import msgspec

from vox.agent.call.transport import CallInfo
from vox.errors import DependencyError
from vox.providers.llm.contract import Message

VERSION: Final = 1
MAX_RECORD_BYTES: Final = 8 << 20


class SavedTool(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool that an answer called; without a result where it was still running."""

    id: str
    name: str
    arguments: str
    result: str | None = None


class SavedEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of the conversation: a message as it stands, or an answer with what was heard of it."""

    message: Message | None = None
    heard: str = ""
    tools: tuple[SavedTool, ...] = ()


class SavedAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer that was under way.

    Attributes:
        rest: what is still to be said of it.
        is_owed: whether the model has to answer, because what it had begun is not known or waits for tools.
        said_before: what was heard of the same answer before its last part: it is one row of the transcript.
        end_reason: why the call ends behind it.
    """

    rest: str = ""
    is_owed: bool = False
    said_before: str = ""
    end_reason: str | None = None


class Checkpoint(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One call at one moment.

    Attributes:
        version: of this shape.
        call_id: our name of the call, the same in every process.
        transport: how it came in.
        agent: the name of the agent that answers.
        began_at: wall time of its beginning, in Unix seconds.
        saved_at: wall time of this state.
        system_prompt: as the call has it now.
        entries: the conversation behind the system prompt, as it was heard.
        answer: the one under way; None between two answers.
        variables: of the session.
        language: tag of the language in use; empty for the agent's first.
        is_greeted: whether the conversation has begun.
        is_caller_speaking: whether the caller was in the middle of a turn, whose words are lost.
        digits: keys of an entry that is not complete.
        idle_count: how often the caller has been reminded in a row.
        turns: answers so far, which number the sentences that clients see.
        rows: of the transcript so far.
        talked_s: seconds since the caller's first audio; None before it.
        recording_part: the name of the recording's file among those under way; empty where the call is not recorded.
        is_recording_paused: whether silence is recorded, and numbers are not written down.
        was_redacted: whether anything had to be redacted.
    """

    version: int = VERSION
    call_id: str
    transport: str
    agent: str
    began_at: float
    saved_at: float
    caller: str = ""
    callee: str = ""
    session_id: str = ""
    carrier_call_id: str = ""
    bot_id: str = ""
    system_prompt: str = ""
    entries: tuple[SavedEntry, ...] = ()
    answer: SavedAnswer | None = None
    variables: dict[str, str] = {}
    language: str = ""
    is_greeted: bool = False
    is_caller_speaking: bool = False
    digits: str = ""
    idle_count: int = 0
    turns: int = 0
    rows: int = 0
    talked_s: float | None = None
    recording_part: str = ""
    is_recording_paused: bool = False
    was_redacted: bool = False

    @property
    def info(self) -> CallInfo:
        """Where the call comes from."""
        return CallInfo(
            self.call_id,
            self.transport,
            self.caller,
            self.callee,
            dict(self.variables),
            self.session_id,
            self.carrier_call_id,
            self.bot_id,
        )


_DECODER: Final = msgspec.msgpack.Decoder(Checkpoint)


def encode(checkpoint: Checkpoint) -> bytes:
    """As bytes, for a store."""
    return msgspec.msgpack.encode(checkpoint)


def decode(record: bytes) -> Checkpoint:
    """Of those bytes.

    Raises:
        DependencyError: they are no checkpoint that this version can read (checkpoint_unreadable).
    """
    if len(record) > MAX_RECORD_BYTES:
        raise _unreadable(f"it has {len(record)} bytes")
    try:
        found = _DECODER.decode(record)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise _unreadable(str(error)) from None
    if found.version != VERSION:
        raise _unreadable(f"its version is {found.version}, and this server reads {VERSION}")
    return found


def _unreadable(why: str) -> DependencyError:
    return DependencyError(
        f"the state of a call cannot be read: {why}",
        code="checkpoint_unreadable",
        hint="let workers of one version share a handover_store",
    )
