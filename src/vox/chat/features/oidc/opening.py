"""Makes the login by an organisation's provider where the settings name one."""

from vox.chat.context import ChatContext
from vox.errors import UsageError


def open_oidc(chat: ChatContext) -> object | None:
    """What `ChatContext.oidc` is; None without VOX_OIDC_ISSUER.

    Raises:
        UsageError: its libraries are not installed (oidc_not_installed).
    """
    if not chat.settings.oidc_issuer:
        return None
    try:
        # An extra: only where a provider is configured.
        from vox.chat.features.oidc.provider import Provider  # noqa: PLC0415
        from vox.chat.features.oidc.service import Oidc  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise UsageError(
            f"VOX_OIDC_ISSUER is set, but {error.name!r} is not installed",
            code="oidc_not_installed",
            hint="run `make setup`, or `pip install '.[oidc]'` in a checkout of Vox",
        ) from error
    return Oidc(chat, Provider(chat.settings, chat.clock))
