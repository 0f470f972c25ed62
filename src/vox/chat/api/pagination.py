"""How long a page may be: what the caller asks for, cut to the present limit."""

from vox.chat.context import ChatContext


def page_limit(chat: ChatContext, requested: int, name: str) -> int:
    """The page length that is granted.

    Args:
        chat: the server.
        requested: what the query says; beyond 1 to 1000 it was refused already.
        name: the list's, as in page_limit_<name>.
    """
    return min(requested, chat.config.limit(f"page_limit_{name}"))
