"""The bits are those of the original's documentation and code."""

from vox.protocols.chat_permissions import ALL, Permissions

BITS = {
    0: "VIEW_SPACE", 1: "SEND_MESSAGES", 2: "SEND_EMBEDS", 3: "ATTACH_FILES", 4: "ADD_REACTIONS", 5: "READ_HISTORY",
    6: "MENTION_EVERYONE", 8: "CONNECT", 9: "SPEAK", 10: "VIDEO", 11: "MUTE_MEMBERS", 12: "DEAFEN_MEMBERS", 13: "MOVE_MEMBERS",
    14: "PRIORITY_SPEAKER", 15: "STREAM", 16: "STAGE_MODERATOR", 17: "CREATE_THREADS", 18: "MANAGE_THREADS",
    19: "SEND_IN_THREADS", 24: "MANAGE_SPACES", 25: "MANAGE_ROLES", 26: "MANAGE_EMOJI", 27: "MANAGE_WEBHOOKS",
    28: "MANAGE_SERVER", 29: "KICK_MEMBERS", 30: "BAN_MEMBERS", 31: "CREATE_INVITES", 32: "CHANGE_NICKNAME",
    33: "MANAGE_NICKNAMES", 34: "VIEW_AUDIT_LOG", 35: "MANAGE_MESSAGES", 36: "VIEW_REPORTS", 37: "MANAGE_2FA",
    38: "MANAGE_REPORTS", 62: "ADMINISTRATOR",
}  # fmt: skip


def test_each_permission_has_its_bit():
    assert {one.name: int(one) for one in Permissions} == {name: 1 << bit for bit, name in BITS.items()}


def test_all_permissions_fit_a_signed_integer_of_64_bits():
    assert ALL == (1 << 63) - 1
