"""Interactions of bots that have an address: a signed POST, whose response may be the answer.

The user learns in any case: a bot that does not answer in time, or answers something else than JSON of the documented form, is named to them
in a message that only they are sent.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

import msgspec

from vox.chat.context import ChatContext
from vox.chat.errors import Refusal
from vox.chat.events import Users, message_create
from vox.chat.events.ids import MessageId, UserId
from vox.chat.features.interactions import queries
from vox.chat.features.interactions.answers import respond
from vox.chat.features.interactions.schemas import InteractionAnswer
from vox.chat.integrations.signing import valid_secrets
from vox.errors import DependencyError, VoxError
from vox.runtime.logging import get_logger
from vox.security.webhook_signatures import HEADER, signature

DEADLINE_S: Final = 5.0
MAX_ANSWER_BYTES: Final = 262_144
OK: Final = 200
ANSWERS_LATER: Final = frozenset({202, 204})

_decode = msgspec.json.Decoder(InteractionAnswer).decode
_log = get_logger(__name__)


async def ask(chat: ChatContext, bot_user_id: UserId, payload: Mapping[str, Any]) -> None:
    """Posts an interaction to a bot, and takes its answer where the response has one.

    Args:
        chat: the server.
        bot_user_id: the bot.
        payload: of `interaction_create`.
    """
    try:
        answer = await _post(chat, bot_user_id, payload)
        if answer is not None:
            await respond(chat, bot_user_id, payload["id"], answer)
    except Refusal as refused:
        if refused.wire_code == "INTERACTION_NOT_FOUND":  # answered by REST meanwhile
            return
        _log.info("interaction answered wrongly", bot=bot_user_id, code=refused.wire_code, error=str(refused))
        _tell_user(chat, bot_user_id, payload)
    except (VoxError, msgspec.DecodeError, RecursionError) as error:
        code = error.code if isinstance(error, VoxError) else "answer_malformed"
        _log.info("interaction not answered", bot=bot_user_id, code=code)
        _tell_user(chat, bot_user_id, payload)


async def _post(chat: ChatContext, bot_user_id: UserId, payload: Mapping[str, Any]) -> InteractionAnswer | None:
    """The answer in the response; None where the bot answers later or has no address any more."""
    found = await chat.read(partial(queries.interaction_address, user_id=bot_user_id))
    if found is None:
        return None
    url, bot_id, version, rotated_at = found
    key, now_s = await chat.signing_key.get(chat.change), chat.clock.unix_s()
    body = msgspec.json.encode(payload)
    held = valid_secrets(key, "bot", bot_id, version=version, rotated_at=rotated_at, now_s=now_s)
    headers = {
        "content-type": "application/json",
        "x-vox-event": "interaction_create",
        "x-vox-delivery": str(payload["id"]),
        HEADER: signature(held, now_s, body),
    }
    response = await chat.integration_guard.fetch(
        "POST", url, headers=headers, body=body, deadline_s=DEADLINE_S, max_bytes=MAX_ANSWER_BYTES
    )
    if response.status in ANSWERS_LATER or (response.status == OK and not response.body.strip()):
        return None
    if response.status != OK:
        raise DependencyError(f"the bot answered {response.status}", code="answer_status")
    return _decode(response.body)


def _tell_user(chat: ChatContext, bot_user_id: UserId, payload: Mapping[str, Any]) -> None:
    person = chat.community.users.get(bot_user_id)
    name = person.display_name if person is not None else str(bot_user_id)
    feed_id, dm_id = payload["feed_id"], payload["dm_id"]
    event = message_create(
        msg_id=MessageId(chat.ids.next()),
        author_id=None,
        body=f"{name} did not answer. Try again later, or tell its owner.",
        timestamp=chat.clock.unix_ms(),
        feed_id=feed_id,
        dm_id=dm_id,
        thread_id=payload.get("thread_id"),
        extras={"ephemeral": True},
    )
    chat.tell(replace(event, audience=Users((payload["user_id"],))))
