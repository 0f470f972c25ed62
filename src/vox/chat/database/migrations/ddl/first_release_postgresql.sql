CREATE TABLE audit_log (
    id BIGINT NOT NULL,
    event_type TEXT NOT NULL,
    actor_id BIGINT,
    target_id BIGINT,
    metadata TEXT,
    timestamp BIGINT NOT NULL,
    CONSTRAINT pk_audit_log PRIMARY KEY (id)
);
CREATE TABLE categories (
    id BIGSERIAL NOT NULL,
    name TEXT NOT NULL,
    position BIGINT DEFAULT 0 NOT NULL,
    CONSTRAINT pk_categories PRIMARY KEY (id)
);
CREATE TABLE config (
    key TEXT NOT NULL,
    value TEXT,
    CONSTRAINT pk_config PRIMARY KEY (key)
);
CREATE TABLE dms (
    id BIGSERIAL NOT NULL,
    is_group BOOLEAN DEFAULT false NOT NULL,
    name TEXT,
    icon TEXT,
    created_at BIGINT NOT NULL,
    pair TEXT,
    CONSTRAINT pk_dms PRIMARY KEY (id),
    CONSTRAINT uq_dms_pair UNIQUE (pair)
);
CREATE TABLE event_log (
    id BIGINT NOT NULL,
    event_type TEXT NOT NULL,
    payload TEXT NOT NULL,
    timestamp BIGINT NOT NULL,
    audience TEXT,
    version BIGINT DEFAULT 0 NOT NULL,
    CONSTRAINT pk_event_log PRIMARY KEY (id)
);
CREATE TABLE federation_list (
    id BIGSERIAL NOT NULL,
    entry TEXT NOT NULL,
    reason TEXT,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_federation_list PRIMARY KEY (id),
    CONSTRAINT uq_federation_list_entry UNIQUE (entry)
);
CREATE TABLE federation_nonces (
    nonce TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT pk_federation_nonces PRIMARY KEY (nonce)
);
CREATE TABLE federation_presence_subs (
    id BIGSERIAL NOT NULL,
    domain TEXT NOT NULL,
    user_address TEXT NOT NULL,
    CONSTRAINT pk_federation_presence_subs PRIMARY KEY (id),
    CONSTRAINT uq_federation_presence_subs_domain_user_address UNIQUE (domain, user_address)
);
CREATE TABLE meta (
    id BIGINT NOT NULL,
    version BIGINT DEFAULT 0 NOT NULL,
    CONSTRAINT pk_meta PRIMARY KEY (id),
    CONSTRAINT ck_meta_one_row CHECK (id = 1)
);
CREATE TABLE permission_overrides (
    id BIGSERIAL NOT NULL,
    space_type TEXT NOT NULL,
    space_id BIGINT NOT NULL,
    target_type TEXT NOT NULL,
    target_id BIGINT NOT NULL,
    allow BIGINT DEFAULT 0 NOT NULL,
    deny BIGINT DEFAULT 0 NOT NULL,
    CONSTRAINT pk_permission_overrides PRIMARY KEY (id),
    CONSTRAINT uq_permission_overrides_space_type_space_id_target_type_3b60 UNIQUE (space_type, space_id, target_type, target_id),
    CONSTRAINT ck_permission_overrides_space_type CHECK (space_type IN ('feed', 'room')),
    CONSTRAINT ck_permission_overrides_target_type CHECK (target_type IN ('role', 'user'))
);
CREATE TABLE roles (
    id BIGSERIAL NOT NULL,
    name TEXT NOT NULL,
    color BIGINT,
    position BIGINT DEFAULT 0 NOT NULL,
    permissions BIGINT DEFAULT 0 NOT NULL,
    CONSTRAINT pk_roles PRIMARY KEY (id)
);
CREATE TABLE users (
    id BIGSERIAL NOT NULL,
    username TEXT NOT NULL,
    display_name TEXT,
    federated BOOLEAN DEFAULT false NOT NULL,
    active BOOLEAN DEFAULT true NOT NULL,
    home_domain TEXT,
    created_at BIGINT NOT NULL,
    avatar TEXT,
    bio TEXT,
    nickname TEXT,
    password_hash TEXT,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT uq_users_username_home_domain UNIQUE (username, home_domain)
);
CREATE TABLE bans (
    id BIGSERIAL NOT NULL,
    user_id BIGINT NOT NULL,
    reason TEXT,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_bans PRIMARY KEY (id),
    CONSTRAINT uq_bans_user_id UNIQUE (user_id),
    CONSTRAINT fk_bans_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE blocks (
    user_id BIGINT NOT NULL,
    blocked_id BIGINT NOT NULL,
    created_at BIGINT DEFAULT 0 NOT NULL,
    CONSTRAINT pk_blocks PRIMARY KEY (user_id, blocked_id),
    CONSTRAINT fk_blocks_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_blocks_blocked_id_users FOREIGN KEY(blocked_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE bots (
    id BIGSERIAL NOT NULL,
    user_id BIGINT NOT NULL,
    owner_id BIGINT,
    interaction_url TEXT,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_bots PRIMARY KEY (id),
    CONSTRAINT uq_bots_user_id UNIQUE (user_id),
    CONSTRAINT fk_bots_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_bots_owner_id_users FOREIGN KEY(owner_id) REFERENCES users (id) ON DELETE SET NULL
);
CREATE TABLE devices (
    id TEXT NOT NULL,
    user_id BIGINT NOT NULL,
    device_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_devices PRIMARY KEY (id),
    CONSTRAINT fk_devices_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE dm_participants (
    dm_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    CONSTRAINT pk_dm_participants PRIMARY KEY (dm_id, user_id),
    CONSTRAINT fk_dm_participants_dm_id_dms FOREIGN KEY(dm_id) REFERENCES dms (id) ON DELETE CASCADE,
    CONSTRAINT fk_dm_participants_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE dm_read_state (
    user_id BIGINT NOT NULL,
    dm_id BIGINT NOT NULL,
    last_read_msg_id BIGINT NOT NULL,
    CONSTRAINT pk_dm_read_state PRIMARY KEY (user_id, dm_id),
    CONSTRAINT fk_dm_read_state_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_dm_read_state_dm_id_dms FOREIGN KEY(dm_id) REFERENCES dms (id) ON DELETE CASCADE
);
CREATE TABLE dm_settings (
    user_id BIGINT NOT NULL,
    dm_permission TEXT DEFAULT 'everyone' NOT NULL,
    CONSTRAINT pk_dm_settings PRIMARY KEY (user_id),
    CONSTRAINT ck_dm_settings_dm_permission CHECK (dm_permission IN ('everyone', 'friends_only', 'mutual_servers', 'nobody')),
    CONSTRAINT fk_dm_settings_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE emoji (
    id BIGSERIAL NOT NULL,
    name TEXT NOT NULL,
    creator_id BIGINT,
    image TEXT NOT NULL,
    CONSTRAINT pk_emoji PRIMARY KEY (id),
    CONSTRAINT uq_emoji_name UNIQUE (name),
    CONSTRAINT fk_emoji_creator_id_users FOREIGN KEY(creator_id) REFERENCES users (id) ON DELETE SET NULL
);
CREATE TABLE feeds (
    id BIGSERIAL NOT NULL,
    name TEXT NOT NULL,
    type TEXT DEFAULT 'text' NOT NULL,
    topic TEXT,
    category_id BIGINT,
    position BIGINT DEFAULT 0 NOT NULL,
    CONSTRAINT pk_feeds PRIMARY KEY (id),
    CONSTRAINT ck_feeds_type CHECK (type IN ('text', 'forum', 'announcement')),
    CONSTRAINT fk_feeds_category_id_categories FOREIGN KEY(category_id) REFERENCES categories (id) ON DELETE SET NULL
);
CREATE TABLE friends (
    user_id BIGINT NOT NULL,
    friend_id BIGINT NOT NULL,
    status TEXT DEFAULT 'pending' NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_friends PRIMARY KEY (user_id, friend_id),
    CONSTRAINT ck_friends_status CHECK (status IN ('pending', 'accepted')),
    CONSTRAINT fk_friends_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_friends_friend_id_users FOREIGN KEY(friend_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE key_backups (
    user_id BIGINT NOT NULL,
    encrypted_blob TEXT NOT NULL,
    CONSTRAINT pk_key_backups PRIMARY KEY (user_id),
    CONSTRAINT fk_key_backups_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE recovery_codes (
    id BIGSERIAL NOT NULL,
    user_id BIGINT NOT NULL,
    code_hash TEXT NOT NULL,
    used BOOLEAN DEFAULT false NOT NULL,
    CONSTRAINT pk_recovery_codes PRIMARY KEY (id),
    CONSTRAINT fk_recovery_codes_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE reports (
    id BIGSERIAL NOT NULL,
    reporter_id BIGINT,
    reported_user_id BIGINT NOT NULL,
    feed_id BIGINT,
    msg_id BIGINT,
    dm_id BIGINT,
    reason TEXT NOT NULL,
    description TEXT,
    evidence TEXT,
    status TEXT DEFAULT 'open' NOT NULL,
    action TEXT,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_reports PRIMARY KEY (id),
    CONSTRAINT ck_reports_status CHECK (status IN ('open', 'resolved')),
    CONSTRAINT fk_reports_reporter_id_users FOREIGN KEY(reporter_id) REFERENCES users (id) ON DELETE SET NULL
);
CREATE TABLE role_members (
    role_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    CONSTRAINT pk_role_members PRIMARY KEY (role_id, user_id),
    CONSTRAINT fk_role_members_role_id_roles FOREIGN KEY(role_id) REFERENCES roles (id) ON DELETE CASCADE,
    CONSTRAINT fk_role_members_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE rooms (
    id BIGSERIAL NOT NULL,
    name TEXT NOT NULL,
    type TEXT DEFAULT 'voice' NOT NULL,
    category_id BIGINT,
    position BIGINT DEFAULT 0 NOT NULL,
    max_members BIGINT,
    topic TEXT,
    CONSTRAINT pk_rooms PRIMARY KEY (id),
    CONSTRAINT ck_rooms_type CHECK (type IN ('voice', 'stage')),
    CONSTRAINT fk_rooms_category_id_categories FOREIGN KEY(category_id) REFERENCES categories (id) ON DELETE SET NULL
);
CREATE TABLE sessions (
    id BIGSERIAL NOT NULL,
    token TEXT NOT NULL,
    user_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    mfa_fail_count BIGINT DEFAULT 0 NOT NULL,
    last_used_at BIGINT,
    client TEXT,
    kind TEXT DEFAULT 'login' NOT NULL,
    CONSTRAINT pk_sessions PRIMARY KEY (id),
    CONSTRAINT uq_sessions_token UNIQUE (token),
    CONSTRAINT fk_sessions_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE stickers (
    id BIGSERIAL NOT NULL,
    name TEXT NOT NULL,
    creator_id BIGINT,
    image TEXT NOT NULL,
    CONSTRAINT pk_stickers PRIMARY KEY (id),
    CONSTRAINT uq_stickers_name UNIQUE (name),
    CONSTRAINT fk_stickers_creator_id_users FOREIGN KEY(creator_id) REFERENCES users (id) ON DELETE SET NULL
);
CREATE TABLE totp_secrets (
    user_id BIGINT NOT NULL,
    secret TEXT NOT NULL,
    enabled BOOLEAN DEFAULT false NOT NULL,
    last_used_counter BIGINT,
    CONSTRAINT pk_totp_secrets PRIMARY KEY (user_id),
    CONSTRAINT fk_totp_secrets_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE webauthn_challenges (
    id TEXT NOT NULL,
    user_id BIGINT,
    challenge_type TEXT NOT NULL,
    challenge_data TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT pk_webauthn_challenges PRIMARY KEY (id),
    CONSTRAINT fk_webauthn_challenges_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE webauthn_credentials (
    credential_id TEXT NOT NULL,
    user_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    public_key TEXT NOT NULL,
    sign_count BIGINT DEFAULT 0 NOT NULL,
    registered_at BIGINT NOT NULL,
    last_used_at BIGINT,
    CONSTRAINT pk_webauthn_credentials PRIMARY KEY (credential_id),
    CONSTRAINT fk_webauthn_credentials_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE bot_commands (
    id BIGSERIAL NOT NULL,
    bot_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    params TEXT,
    CONSTRAINT pk_bot_commands PRIMARY KEY (id),
    CONSTRAINT uq_bot_commands_bot_id_name UNIQUE (bot_id, name),
    CONSTRAINT fk_bot_commands_bot_id_bots FOREIGN KEY(bot_id) REFERENCES bots (id) ON DELETE CASCADE
);
CREATE TABLE feed_read_state (
    user_id BIGINT NOT NULL,
    feed_id BIGINT NOT NULL,
    last_read_msg_id BIGINT NOT NULL,
    CONSTRAINT pk_feed_read_state PRIMARY KEY (user_id, feed_id),
    CONSTRAINT fk_feed_read_state_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_feed_read_state_feed_id_feeds FOREIGN KEY(feed_id) REFERENCES feeds (id) ON DELETE CASCADE
);
CREATE TABLE feed_subscribers (
    feed_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    CONSTRAINT pk_feed_subscribers PRIMARY KEY (feed_id, user_id),
    CONSTRAINT fk_feed_subscribers_feed_id_feeds FOREIGN KEY(feed_id) REFERENCES feeds (id) ON DELETE CASCADE,
    CONSTRAINT fk_feed_subscribers_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE files (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    size BIGINT NOT NULL,
    mime TEXT NOT NULL,
    url TEXT NOT NULL,
    uploader_id BIGINT,
    feed_id BIGINT,
    dm_id BIGINT,
    created_at BIGINT NOT NULL,
    purpose TEXT DEFAULT 'attachment' NOT NULL,
    state TEXT DEFAULT 'ready' NOT NULL,
    width BIGINT,
    height BIGINT,
    CONSTRAINT pk_files PRIMARY KEY (id),
    CONSTRAINT ck_files_purpose CHECK (purpose IN ('attachment', 'emoji', 'sticker', 'icon')),
    CONSTRAINT ck_files_state CHECK (state IN ('uploading', 'ready')),
    CONSTRAINT fk_files_uploader_id_users FOREIGN KEY(uploader_id) REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT fk_files_feed_id_feeds FOREIGN KEY(feed_id) REFERENCES feeds (id) ON DELETE SET NULL,
    CONSTRAINT fk_files_dm_id_dms FOREIGN KEY(dm_id) REFERENCES dms (id) ON DELETE SET NULL
);
CREATE TABLE invites (
    code TEXT NOT NULL,
    creator_id BIGINT,
    feed_id BIGINT,
    max_uses BIGINT,
    uses BIGINT DEFAULT 0 NOT NULL,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_invites PRIMARY KEY (code),
    CONSTRAINT fk_invites_creator_id_users FOREIGN KEY(creator_id) REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT fk_invites_feed_id_feeds FOREIGN KEY(feed_id) REFERENCES feeds (id) ON DELETE SET NULL
);
CREATE TABLE mls_key_packages (
    id BIGSERIAL NOT NULL,
    device_id TEXT NOT NULL,
    key_data TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_mls_key_packages PRIMARY KEY (id),
    CONSTRAINT fk_mls_key_packages_device_id_devices FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE
);
CREATE TABLE one_time_prekeys (
    id BIGSERIAL NOT NULL,
    device_id TEXT NOT NULL,
    key_data TEXT NOT NULL,
    CONSTRAINT pk_one_time_prekeys PRIMARY KEY (id),
    CONSTRAINT fk_one_time_prekeys_device_id_devices FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE
);
CREATE TABLE prekeys (
    device_id TEXT NOT NULL,
    identity_key TEXT NOT NULL,
    signed_prekey TEXT NOT NULL,
    CONSTRAINT pk_prekeys PRIMARY KEY (device_id),
    CONSTRAINT fk_prekeys_device_id_devices FOREIGN KEY(device_id) REFERENCES devices (id) ON DELETE CASCADE
);
CREATE TABLE stage_invites (
    room_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_stage_invites PRIMARY KEY (room_id, user_id),
    CONSTRAINT fk_stage_invites_room_id_rooms FOREIGN KEY(room_id) REFERENCES rooms (id) ON DELETE CASCADE,
    CONSTRAINT fk_stage_invites_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE stage_speakers (
    room_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    granted_at BIGINT NOT NULL,
    CONSTRAINT pk_stage_speakers PRIMARY KEY (room_id, user_id),
    CONSTRAINT fk_stage_speakers_room_id_rooms FOREIGN KEY(room_id) REFERENCES rooms (id) ON DELETE CASCADE,
    CONSTRAINT fk_stage_speakers_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE threads (
    id BIGSERIAL NOT NULL,
    name TEXT NOT NULL,
    feed_id BIGINT NOT NULL,
    parent_msg_id BIGINT,
    archived BOOLEAN DEFAULT false NOT NULL,
    locked BOOLEAN DEFAULT false NOT NULL,
    CONSTRAINT pk_threads PRIMARY KEY (id),
    CONSTRAINT fk_threads_feed_id_feeds FOREIGN KEY(feed_id) REFERENCES feeds (id) ON DELETE CASCADE
);
CREATE TABLE voice_states (
    user_id BIGINT NOT NULL,
    room_id BIGINT NOT NULL,
    self_mute BOOLEAN DEFAULT false NOT NULL,
    self_deaf BOOLEAN DEFAULT false NOT NULL,
    video BOOLEAN DEFAULT false NOT NULL,
    streaming BOOLEAN DEFAULT false NOT NULL,
    server_mute BOOLEAN DEFAULT false NOT NULL,
    server_deaf BOOLEAN DEFAULT false NOT NULL,
    joined_at BIGINT NOT NULL,
    CONSTRAINT pk_voice_states PRIMARY KEY (user_id),
    CONSTRAINT fk_voice_states_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_voice_states_room_id_rooms FOREIGN KEY(room_id) REFERENCES rooms (id) ON DELETE CASCADE
);
CREATE TABLE webhooks (
    id BIGSERIAL NOT NULL,
    feed_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    avatar TEXT,
    token TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_webhooks PRIMARY KEY (id),
    CONSTRAINT uq_webhooks_token UNIQUE (token),
    CONSTRAINT fk_webhooks_feed_id_feeds FOREIGN KEY(feed_id) REFERENCES feeds (id) ON DELETE CASCADE
);
CREATE TABLE messages (
    id BIGINT NOT NULL,
    feed_id BIGINT,
    dm_id BIGINT,
    thread_id BIGINT,
    author_id BIGINT,
    body TEXT,
    opaque_blob TEXT,
    timestamp BIGINT NOT NULL,
    reply_to BIGINT,
    edit_timestamp BIGINT,
    embed TEXT,
    federated BOOLEAN DEFAULT false NOT NULL,
    author_address TEXT,
    webhook_id BIGINT,
    CONSTRAINT pk_messages PRIMARY KEY (id),
    CONSTRAINT fk_messages_feed_id_feeds FOREIGN KEY(feed_id) REFERENCES feeds (id) ON DELETE CASCADE,
    CONSTRAINT fk_messages_dm_id_dms FOREIGN KEY(dm_id) REFERENCES dms (id) ON DELETE CASCADE,
    CONSTRAINT fk_messages_thread_id_threads FOREIGN KEY(thread_id) REFERENCES threads (id) ON DELETE CASCADE,
    CONSTRAINT fk_messages_author_id_users FOREIGN KEY(author_id) REFERENCES users (id) ON DELETE SET NULL
);
CREATE TABLE thread_subscribers (
    thread_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    CONSTRAINT pk_thread_subscribers PRIMARY KEY (thread_id, user_id),
    CONSTRAINT fk_thread_subscribers_thread_id_threads FOREIGN KEY(thread_id) REFERENCES threads (id) ON DELETE CASCADE,
    CONSTRAINT fk_thread_subscribers_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE message_attachments (
    msg_id BIGINT NOT NULL,
    file_id TEXT NOT NULL,
    position BIGINT DEFAULT 0 NOT NULL,
    CONSTRAINT pk_message_attachments PRIMARY KEY (msg_id, file_id),
    CONSTRAINT fk_message_attachments_msg_id_messages FOREIGN KEY(msg_id) REFERENCES messages (id) ON DELETE CASCADE,
    CONSTRAINT fk_message_attachments_file_id_files FOREIGN KEY(file_id) REFERENCES files (id) ON DELETE CASCADE
);
CREATE TABLE message_mentions (
    user_id BIGINT NOT NULL,
    msg_id BIGINT NOT NULL,
    feed_id BIGINT,
    dm_id BIGINT,
    CONSTRAINT pk_message_mentions PRIMARY KEY (user_id, msg_id),
    CONSTRAINT fk_message_mentions_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_message_mentions_msg_id_messages FOREIGN KEY(msg_id) REFERENCES messages (id) ON DELETE CASCADE,
    CONSTRAINT fk_message_mentions_feed_id_feeds FOREIGN KEY(feed_id) REFERENCES feeds (id) ON DELETE CASCADE,
    CONSTRAINT fk_message_mentions_dm_id_dms FOREIGN KEY(dm_id) REFERENCES dms (id) ON DELETE CASCADE
);
CREATE TABLE message_nonces (
    author_id BIGINT NOT NULL,
    nonce TEXT NOT NULL,
    msg_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_message_nonces PRIMARY KEY (author_id, nonce),
    CONSTRAINT fk_message_nonces_author_id_users FOREIGN KEY(author_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_message_nonces_msg_id_messages FOREIGN KEY(msg_id) REFERENCES messages (id) ON DELETE CASCADE
);
CREATE TABLE pins (
    feed_id BIGINT NOT NULL,
    msg_id BIGINT NOT NULL,
    pinned_at BIGINT NOT NULL,
    CONSTRAINT pk_pins PRIMARY KEY (feed_id, msg_id),
    CONSTRAINT fk_pins_feed_id_feeds FOREIGN KEY(feed_id) REFERENCES feeds (id) ON DELETE CASCADE,
    CONSTRAINT fk_pins_msg_id_messages FOREIGN KEY(msg_id) REFERENCES messages (id) ON DELETE CASCADE
);
CREATE TABLE reactions (
    msg_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    emoji TEXT NOT NULL,
    CONSTRAINT pk_reactions PRIMARY KEY (msg_id, user_id, emoji),
    CONSTRAINT fk_reactions_msg_id_messages FOREIGN KEY(msg_id) REFERENCES messages (id) ON DELETE CASCADE,
    CONSTRAINT fk_reactions_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX ix_audit_log_actor_id_id ON audit_log (actor_id, id);
CREATE INDEX ix_audit_log_event_type_id ON audit_log (event_type, id);
CREATE INDEX ix_audit_log_target_id_id ON audit_log (target_id, id);
CREATE INDEX ix_federation_nonces_expires_at ON federation_nonces (expires_at);
CREATE INDEX ix_permission_overrides_target_type_target_id ON permission_overrides (target_type, target_id);
CREATE UNIQUE INDEX ix_users_local_username ON users (username) WHERE home_domain IS NULL;
CREATE INDEX ix_blocks_blocked_id ON blocks (blocked_id);
CREATE INDEX ix_bots_owner_id ON bots (owner_id);
CREATE INDEX ix_devices_user_id ON devices (user_id);
CREATE INDEX ix_dm_participants_user_id_dm_id ON dm_participants (user_id, dm_id);
CREATE INDEX ix_dm_read_state_dm_id ON dm_read_state (dm_id);
CREATE INDEX ix_emoji_creator_id ON emoji (creator_id);
CREATE INDEX ix_feeds_category_id ON feeds (category_id);
CREATE INDEX ix_friends_friend_id ON friends (friend_id);
CREATE INDEX ix_recovery_codes_user_id ON recovery_codes (user_id);
CREATE INDEX ix_reports_reporter_id ON reports (reporter_id);
CREATE INDEX ix_reports_status_id ON reports (status, id);
CREATE INDEX ix_role_members_user_id ON role_members (user_id);
CREATE INDEX ix_rooms_category_id ON rooms (category_id);
CREATE INDEX ix_sessions_expires_at ON sessions (expires_at);
CREATE INDEX ix_sessions_user_id ON sessions (user_id);
CREATE INDEX ix_stickers_creator_id ON stickers (creator_id);
CREATE INDEX ix_webauthn_challenges_expires_at ON webauthn_challenges (expires_at);
CREATE INDEX ix_webauthn_challenges_user_id ON webauthn_challenges (user_id);
CREATE INDEX ix_webauthn_credentials_user_id ON webauthn_credentials (user_id);
CREATE INDEX ix_feed_read_state_feed_id ON feed_read_state (feed_id);
CREATE INDEX ix_feed_subscribers_user_id ON feed_subscribers (user_id);
CREATE INDEX ix_files_dm_id ON files (dm_id);
CREATE INDEX ix_files_feed_id ON files (feed_id);
CREATE INDEX ix_files_state_created_at ON files (state, created_at);
CREATE INDEX ix_files_uploader_id_size ON files (uploader_id, size);
CREATE INDEX ix_invites_creator_id ON invites (creator_id);
CREATE INDEX ix_invites_feed_id ON invites (feed_id);
CREATE INDEX ix_mls_key_packages_device_id_id ON mls_key_packages (device_id, id);
CREATE INDEX ix_one_time_prekeys_device_id_id ON one_time_prekeys (device_id, id);
CREATE INDEX ix_stage_invites_user_id ON stage_invites (user_id);
CREATE INDEX ix_stage_speakers_user_id ON stage_speakers (user_id);
CREATE INDEX ix_threads_feed_id_id ON threads (feed_id, id);
CREATE INDEX ix_voice_states_room_id ON voice_states (room_id);
CREATE INDEX ix_webhooks_feed_id ON webhooks (feed_id);
CREATE INDEX ix_messages_author_id_id ON messages (author_id, id);
CREATE INDEX ix_messages_dm_id_id ON messages (dm_id, id) WHERE dm_id IS NOT NULL;
CREATE INDEX ix_messages_feed_id_thread_id_id ON messages (feed_id, thread_id, id);
CREATE INDEX ix_messages_thread_id_id ON messages (thread_id, id) WHERE thread_id IS NOT NULL;
CREATE INDEX ix_messages_timeline ON messages (feed_id, id) WHERE feed_id IS NOT NULL AND thread_id IS NULL;
CREATE INDEX ix_thread_subscribers_user_id ON thread_subscribers (user_id);
CREATE INDEX ix_message_attachments_file_id ON message_attachments (file_id);
CREATE INDEX ix_message_mentions_dm_id ON message_mentions (dm_id);
CREATE INDEX ix_message_mentions_feed_id ON message_mentions (feed_id);
CREATE INDEX ix_message_mentions_msg_id ON message_mentions (msg_id);
CREATE INDEX ix_message_nonces_created_at ON message_nonces (created_at);
CREATE INDEX ix_message_nonces_msg_id ON message_nonces (msg_id);
CREATE INDEX ix_pins_msg_id ON pins (msg_id);
CREATE INDEX ix_reactions_user_id ON reactions (user_id);
