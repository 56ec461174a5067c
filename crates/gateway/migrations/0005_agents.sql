-- Which order an agent's key stands for. An order's payment intent is its one payment, and has its number.
CREATE TABLE payment_intents (
    subject TEXT NOT NULL,
    client_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    order_id TEXT NOT NULL REFERENCES shop_orders (order_id),
    PRIMARY KEY (subject, client_key)
);
CREATE INDEX payment_intents_by_order ON payment_intents (order_id);

-- What agents want done with money and what the person said; one row per key of an agent.
CREATE TABLE confirmations (
    confirmation_id TEXT PRIMARY KEY,
    subject TEXT NOT NULL,
    tool TEXT NOT NULL,
    client_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    client TEXT NOT NULL,
    order_id TEXT NOT NULL REFERENCES shop_orders (order_id),
    amount_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at_us BIGINT NOT NULL,
    expires_at_us BIGINT NOT NULL,
    code_tag TEXT,
    wrong_codes BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX confirmations_by_key ON confirmations (subject, tool, client_key);
