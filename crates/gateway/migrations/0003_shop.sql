-- Orders of the REST surface; what was paid and given back is told by attempts and refunds. An order's payment has its number.
CREATE TABLE shop_orders (
    order_id TEXT PRIMARY KEY,
    subject TEXT NOT NULL,
    client_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    kind TEXT NOT NULL,
    reference TEXT NOT NULL,
    description TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    created_at_us BIGINT NOT NULL,
    expires_at_us BIGINT NOT NULL,
    code TEXT,
    cancel_asked_at_us BIGINT,
    closed_at_us BIGINT,
    updated_at_us BIGINT NOT NULL
);
CREATE UNIQUE INDEX shop_orders_by_key ON shop_orders (subject, client_key);

-- Which refund a client's key stands for; written before the refund is asked for.
CREATE TABLE shop_refunds (
    refund_id TEXT PRIMARY KEY,
    order_id TEXT NOT NULL REFERENCES shop_orders (order_id),
    client_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE UNIQUE INDEX shop_refunds_by_key ON shop_refunds (order_id, client_key);
