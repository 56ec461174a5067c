-- One SQL text for SQLite and PostgreSQL: only BIGINT, TEXT and BYTEA; instants are UTC microseconds; amounts are minor units.

-- A row is updated inside the transaction that needs the next value.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('update', 0);

-- Payments we asked for; written before the first request leaves.
CREATE TABLE attempts (
    attempt_id TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    description TEXT NOT NULL,
    expires_at_us BIGINT NOT NULL,
    notify_url TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    created_at_us BIGINT NOT NULL,
    state TEXT NOT NULL,
    transaction_id TEXT,
    paid_at_us BIGINT,
    updated_at_us BIGINT NOT NULL
);

-- Refunds we asked for; written before the first request leaves.
CREATE TABLE refunds (
    refund_id TEXT PRIMARY KEY,
    attempt_id TEXT NOT NULL REFERENCES attempts (attempt_id),
    amount_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    reason TEXT NOT NULL,
    notify_url TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    created_at_us BIGINT NOT NULL,
    state TEXT NOT NULL,
    updated_at_us BIGINT NOT NULL
);
CREATE INDEX refunds_by_attempt ON refunds (attempt_id);

-- Every authentic notification, as it came.
CREATE TABLE inbox (
    provider TEXT NOT NULL,
    event_id TEXT NOT NULL,
    received_at_us BIGINT NOT NULL,
    disposition TEXT NOT NULL,
    digest TEXT NOT NULL,
    headers TEXT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (provider, event_id)
);

-- What notifications changed, in order, for the engine to read.
CREATE TABLE updates (
    cursor BIGINT PRIMARY KEY,
    received_at_us BIGINT NOT NULL,
    content TEXT NOT NULL
);

-- Where suppliers send their notifications, and the secret each signs with (told only once, at creation).
CREATE TABLE supplier_webhooks (
    supplier TEXT PRIMARY KEY,
    webhook_id TEXT NOT NULL,
    url TEXT NOT NULL,
    secret TEXT NOT NULL
);
