"""The published tables are there with their columns and keys, on every engine the same."""

import re
import subprocess
import sys

from sqlalchemy import Connection, PrimaryKeyConstraint, UniqueConstraint

from tests.time_limits import WAIT_S
from vox.chat.database.migrations.prepare import prepare
from vox.chat.database.schema import metadata
from vox.stores.sql import SqlDatabase

PUBLISHED = """
role_members: role_id* user_id*
dm_participants: dm_id* user_id*
message_attachments: msg_id* file_id*
feed_subscribers: feed_id* user_id*
thread_subscribers: thread_id* user_id*
friends: user_id* friend_id* status created_at
blocks: user_id* blocked_id*
users: id* username display_name federated active home_domain created_at avatar bio nickname password_hash
sessions: id* token user_id created_at expires_at mfa_fail_count
config: key* value
categories: id* name position
feeds: id* name type topic category_id position
rooms: id* name type category_id position max_members topic
voice_states: user_id* room_id self_mute self_deaf video streaming server_mute server_deaf joined_at
stage_speakers: room_id* user_id* granted_at
stage_invites: room_id* user_id* created_at
threads: id* name feed_id parent_msg_id archived locked
roles: id* name color position permissions
permission_overrides: id* space_type space_id target_type target_id allow deny
bans: id* user_id reason created_at
invites: code* creator_id feed_id max_uses uses expires_at created_at
dms: id* is_group name icon created_at
messages: id* feed_id dm_id thread_id author_id body opaque_blob timestamp reply_to edit_timestamp embed federated
    author_address webhook_id
reactions: msg_id* user_id* emoji*
pins: feed_id* msg_id* pinned_at
files: id* name size mime url uploader_id feed_id dm_id created_at
feed_read_state: user_id* feed_id* last_read_msg_id
dm_read_state: user_id* dm_id* last_read_msg_id
dm_settings: user_id* dm_permission
devices: id* user_id device_name created_at
prekeys: device_id* identity_key signed_prekey
one_time_prekeys: id* device_id key_data
key_backups: user_id* encrypted_blob
mls_key_packages: id* device_id key_data created_at
webhooks: id* feed_id name avatar token created_at
bots: id* user_id owner_id interaction_url created_at
bot_commands: id* bot_id name description params
emoji: id* name creator_id image
stickers: id* name creator_id image
federation_list: id* entry reason created_at
federation_nonces: nonce* seen_at expires_at
federation_presence_subs: id* domain user_address
reports: id* reporter_id reported_user_id feed_id msg_id dm_id reason description evidence status action created_at
audit_log: id* event_type actor_id target_id metadata timestamp
totp_secrets: user_id* secret enabled last_used_counter
webauthn_credentials: credential_id* user_id name public_key sign_count registered_at last_used_at
webauthn_challenges: id* user_id challenge_type challenge_data expires_at
recovery_codes: id* user_id code_hash used
event_log: id* event_type payload timestamp
"""


def test_every_published_table_has_its_columns_and_its_key():
    lines = re.sub(r"\n +", " ", PUBLISHED).strip().splitlines()
    for line in lines:
        name, _, columns = line.partition(": ")
        table = metadata.tables[name]
        assert {column.rstrip("*") for column in columns.split()} <= set(table.columns.keys()), name
        assert [c.name for c in table.primary_key] == [c.rstrip("*") for c in columns.split() if c.endswith("*")], name
    assert set(metadata.tables) - {line.partition(":")[0] for line in lines} == {
        "automod_rules",
        "device_pairings",
        "everyone_mentions",
        "federation_keys",
        "federation_outbox",
        "federation_peers",
        "federation_received",
        "interactions",
        "message_mentions",
        "message_nonces",
        "feed_retention",
        "imported",
        "meta",
        "mls_deliveries",
        "mls_groups",
        "mls_messages",
        "oidc_flows",
        "oidc_identities",
        "push_subscriptions",
        "slow_mode_posts",
        "spent_keys",
        "timeouts",
        "user_settings",
        "voice_connections",
        "voice_guests",
        "voice_marks",
        "voice_numbers",
        "voice_placements",
        "voice_settings",
        "voice_transcripts",
        "webhook_deliveries",
        "webhook_subscriptions",
    }


def test_every_reference_can_be_followed_back_without_reading_the_whole_table():
    """Deleting a row looks for what refers to it; without an index that reads every message."""
    for table in metadata.tables.values():
        unconditional = [i for i in table.indexes if i.dialect_options["sqlite"]["where"] is None]
        conditional = [i for i in table.indexes if i not in unconditional]
        first = {next(iter(index.columns)).name for index in (*unconditional, *conditional)}
        first |= {
            c.columns[0].name for c in table.constraints if isinstance(c, (PrimaryKeyConstraint, UniqueConstraint))
        }
        for key in table.foreign_keys:
            assert key.parent.name in first, f"{table.name}.{key.parent.name}"


def test_a_database_in_memory_is_ready_without_loading_the_revisions():
    script = (
        "import sys\n"
        "from vox.chat.database.migrations.prepare import prepare\n"
        "from vox.stores.sql import SqlDatabase\n"
        "database = SqlDatabase('sqlite+aiosqlite://')\n"
        "database.open()\n"
        "prepare(database)\n"
        "assert 'alembic' not in sys.modules\n"
        "database.close()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=WAIT_S)


def test_the_hot_reads_use_their_indexes():
    database = SqlDatabase("sqlite://")
    database.open()
    prepare(database)

    def plan(connection: Connection, statement: str) -> str:
        return " ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}"))

    for where, index in (
        ("feed_id = 1 AND thread_id IS NULL", "ix_messages_feed_id_thread_id_id (feed_id=? AND thread_id=? AND id<?)"),
        ("thread_id = 1", "ix_messages_thread_id_id"),
        ("dm_id = 1", "ix_messages_dm_id_id"),
        ("author_id = 1", "ix_messages_author_id_id"),
    ):
        statement = f"SELECT * FROM messages WHERE {where} AND id < 99 ORDER BY id DESC LIMIT 50"  # noqa: S608  ours
        found = database.run_sync(lambda c, statement=statement: plan(c, statement))
        assert index in found
        assert "TEMP B-TREE" not in found
    sessions = database.run_sync(lambda c: plan(c, "SELECT * FROM sessions WHERE token = 'x'"))
    assert "USING INDEX" in sessions
    database.close()
