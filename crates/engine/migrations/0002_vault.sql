-- How the root key of this profile is kept, and a sealed constant that tells a foreign root key apart. One row, 'root'.
-- mode 'keyring': the key is in the system keyring and nowhere else. mode 'passphrase': it is here, wrapped.
CREATE TABLE vault_keys (
    name TEXT PRIMARY KEY,
    profile BYTEA NOT NULL,
    mode TEXT NOT NULL,
    key_check BYTEA NOT NULL,
    wrapped BYTEA,
    salt BYTEA,
    memory_kib BIGINT,
    passes BIGINT,
    lanes BIGINT
);

-- Documents that may only be stored sealed: travellers, and what later parts keep.
CREATE TABLE sealed (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (kind, id)
);

-- One row per platform that was ever signed in to. `tokens` is sealed; `serial` rises with every write of it.
CREATE TABLE sign_ins (
    platform TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    why TEXT,
    issuer TEXT NOT NULL,
    account TEXT,
    serial BIGINT NOT NULL,
    tokens BYTEA,
    updated_at_us BIGINT NOT NULL
);

-- At most one browser visit under way per platform. `body` is sealed and holds state and verifier.
CREATE TABLE pending_sign_ins (
    platform TEXT PRIMARY KEY,
    attempt TEXT NOT NULL,
    used BIGINT NOT NULL,
    expires_at_us BIGINT NOT NULL,
    body BYTEA NOT NULL
);
