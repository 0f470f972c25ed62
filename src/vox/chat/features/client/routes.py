"""What a client must know before anyone has logged in."""

from typing import Final

from vox.chat.api.access import PUBLIC
from vox.chat.api.rate_categories import LOOKUP
from vox.chat.api.request import PREFIX, Call, RouteTable
from vox.chat.config.settings import ChatSettings
from vox.chat.context import ChatContext
from vox.chat.features.auth import service as auth
from vox.chat.features.auth.schemas import LoginMethods
from vox.chat.features.client.schemas import ClientInfo, Features, Push
from vox.chat.features.media.icons import file_of
from vox.protocols.gateway import CAPABILITIES, PROTOCOL_VERSION

PUBLIC_LIMITS: Final = (
    "username_min", "username_max", "password_min", "password_max", "display_name_max", "bio_max", "nickname_max",
    "message_body_max", "file_upload_max_bytes", "max_request_body", "group_dm_recipients_max", "dm_name_max",
    "channel_name_max", "topic_max", "role_name_max", "emoji_name_max", "bulk_delete_max", "page_limit_messages",
    "presence_custom_status_max",
)  # fmt: skip
"""Limits that a form needs to know before it is sent."""

DEFAULT_GATEWAY: Final = str(ChatSettings.model_fields["gateway_url"].default)
"""What stands there where the operator said nothing: of no use to a browser that came by another name."""

routes = RouteTable()


@routes.get("/client", access=PUBLIC, returns=ClientInfo, category=LOOKUP)
async def get_client_info(call: Call) -> ClientInfo:
    """The community as a visitor sees it, how to log in, and what this server has; needs no login."""
    chat = call.chat
    config, settings = chat.config, chat.settings
    icon, allowed = config.optional("server_icon"), auth.login_methods(chat)
    return ClientInfo(
        config.get("server_name"),
        f"{PREFIX}/client/icon" if file_of(icon) is not None else icon or None,
        config.optional("server_description"),
        allowed.registration,
        needs_setup(chat),
        [name for name, is_on in _methods(allowed).items() if is_on],
        None if config.get("gateway_url") == DEFAULT_GATEWAY else config.get("gateway_url"),
        settings.agent_url or None,
        PROTOCOL_VERSION,
        list(CAPABILITIES),
        features(chat),
        {name: config.limit(name) for name in PUBLIC_LIMITS},
    )


def needs_setup(chat: ChatContext) -> bool:
    """Whether the community has no administrator yet."""
    community = chat.community
    return not any(community.is_administrator(user_id) for user_id in tuple(community.users))


def _methods(allowed: LoginMethods) -> dict[str, bool]:
    return {
        "password": allowed.password,
        "passkey": allowed.passkeys,
        "organisation": allowed.organisation is not None,
    }


def features(chat: ChatContext) -> Features:
    """What is really on."""
    push = None if chat.push_key is None else Push(chat.push_key.public_text)
    return Features(
        signed_media=chat.settings.signed_media_urls,
        gifs=chat.config.has_gifs_api_key,
        metrics=chat.settings.expose_metrics,
        push=push,
    )
