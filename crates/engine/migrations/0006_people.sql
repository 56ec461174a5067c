-- What happened that security cares about: append-only, hash-chained, ids only. The counter is the number of the newest row.
CREATE TABLE audit (
    seq BIGINT PRIMARY KEY,
    at_us BIGINT NOT NULL,
    who TEXT NOT NULL,
    category TEXT NOT NULL,
    action TEXT NOT NULL,
    resource TEXT NOT NULL,
    result TEXT NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    risk BIGINT,
    format BIGINT NOT NULL,
    hash BYTEA NOT NULL
);
CREATE INDEX audit_by_category ON audit (category, seq);
CREATE INDEX audit_by_action ON audit (action, seq);
CREATE INDEX audit_by_resource ON audit (resource, seq);
INSERT INTO counters (name, value) VALUES ('audit', 0);

-- Keys of this device that sign what a person agreed to. The private part is a sealed document; public parts stay for ever.
CREATE TABLE consent_keys (
    key_id TEXT PRIMARY KEY,
    public_key BYTEA NOT NULL,
    made_at_us BIGINT NOT NULL,
    retired_at_us BIGINT
);
CREATE INDEX consent_keys_in_use ON consent_keys (retired_at_us, made_at_us);

-- What a person agreed to, as it was shown, and the signature over exactly these characters. One row per request.
CREATE TABLE consents (
    request_id TEXT PRIMARY KEY,
    order_id TEXT NOT NULL,
    at_us BIGINT NOT NULL,
    payload TEXT NOT NULL,
    key_id TEXT NOT NULL,
    signature BYTEA NOT NULL
);
CREATE INDEX consents_by_order ON consents (order_id, at_us);
