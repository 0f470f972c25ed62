CREATE TABLE leases (
  name VARCHAR NOT NULL,
  holder VARCHAR NOT NULL,
  token BIGINT NOT NULL,
  expires_at_s FLOAT NOT NULL,
  PRIMARY KEY (name)
);
CREATE TABLE lease_members (
  holder VARCHAR NOT NULL,
  expires_at_s FLOAT NOT NULL,
  PRIMARY KEY (holder)
);
CREATE TABLE IF NOT EXISTS relays (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  url TEXT NOT NULL,
  latitude DOUBLE PRECISION NOT NULL,
  longitude DOUBLE PRECISION NOT NULL,
  region TEXT NOT NULL,
  capacity INTEGER NOT NULL,
  current_connections INTEGER NOT NULL DEFAULT 0,
  public_key TEXT NOT NULL DEFAULT '',
  registered_at TEXT NOT NULL,
  last_seen_at TEXT NOT NULL,
  healthy INTEGER NOT NULL DEFAULT 1,
  failed_checks INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS idx_relays_healthy ON relays(healthy);
CREATE INDEX IF NOT EXISTS idx_relays_region ON relays(region);
CREATE TABLE relay_details (
  relay_id VARCHAR NOT NULL,
  owner VARCHAR NOT NULL,
  signing_key VARCHAR NOT NULL,
  is_bootstrap BOOLEAN NOT NULL,
  is_draining BOOLEAN NOT NULL,
  version VARCHAR NOT NULL,
  stress FLOAT NOT NULL,
  features VARCHAR NOT NULL,
  state VARCHAR NOT NULL,
  health VARCHAR NOT NULL,
  probe_token BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  PRIMARY KEY (relay_id),
  FOREIGN KEY(relay_id) REFERENCES relays (id) ON DELETE CASCADE
);
CREATE INDEX idx_relay_details_revision ON relay_details (revision);
CREATE TABLE relay_urls (
  url_key VARCHAR NOT NULL,
  relay_id VARCHAR NOT NULL,
  PRIMARY KEY (url_key),
  FOREIGN KEY(relay_id) REFERENCES relays (id) ON DELETE CASCADE
);
CREATE INDEX ix_relay_urls_relay_id ON relay_urls (relay_id);
CREATE TABLE relay_tombstones (
  relay_id VARCHAR NOT NULL,
  url VARCHAR NOT NULL,
  owner VARCHAR NOT NULL,
  signing_key VARCHAR NOT NULL,
  registered_at VARCHAR NOT NULL,
  health VARCHAR NOT NULL,
  removed_at_s FLOAT NOT NULL,
  revision BIGINT NOT NULL,
  PRIMARY KEY (relay_id)
);
CREATE INDEX idx_relay_tombstones_revision ON relay_tombstones (revision);
CREATE TABLE directory_state (
  key VARCHAR NOT NULL,
  number BIGINT NOT NULL,
  value VARCHAR NOT NULL,
  PRIMARY KEY (key)
);
CREATE TABLE request_nonces (
  nonce VARCHAR NOT NULL,
  expires_at_s INTEGER NOT NULL,
  PRIMARY KEY (nonce)
);
CREATE INDEX IF NOT EXISTS idx_request_nonces_expires ON request_nonces(expires_at_s);
CREATE TABLE relay_enrolments (
  relay_id VARCHAR NOT NULL,
  verdict VARCHAR NOT NULL,
  asked_at_s FLOAT NOT NULL,
  PRIMARY KEY (relay_id)
);
CREATE TABLE directory_audit (
  number BIGSERIAL NOT NULL,
  at_s FLOAT NOT NULL,
  action VARCHAR NOT NULL,
  relay_id VARCHAR NOT NULL,
  url VARCHAR NOT NULL,
  actor VARCHAR NOT NULL,
  detail VARCHAR NOT NULL,
  PRIMARY KEY (number)
);
CREATE INDEX ix_directory_audit_relay_id ON directory_audit (relay_id);
CREATE TABLE join_tokens (
  id VARCHAR NOT NULL,
  digest VARCHAR NOT NULL,
  note VARCHAR NOT NULL,
  created_by VARCHAR NOT NULL,
  created_at_s FLOAT NOT NULL,
  expires_at_s FLOAT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (digest)
);
CREATE TABLE relay_assignments (
  number BIGSERIAL NOT NULL,
  holder VARCHAR NOT NULL,
  at_s FLOAT NOT NULL,
  counts VARCHAR NOT NULL,
  PRIMARY KEY (number)
);
