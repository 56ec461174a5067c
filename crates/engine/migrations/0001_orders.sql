-- One SQL text for SQLite and PostgreSQL: only BIGINT, TEXT and BYTEA; booleans are 0/1; instants are UTC microseconds.

-- Named counters and stored cursors. A row is updated inside the transaction that needs the next value.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('change', 0), ('gateway_update', 0), ('fence', 0);

-- The journal's single writer. A commit with another fence is refused.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    fence BIGINT NOT NULL,
    taken_at_us BIGINT NOT NULL
);

CREATE TABLE plans (
    plan_id TEXT PRIMARY KEY,
    created_at_us BIGINT NOT NULL,
    updated_at_us BIGINT NOT NULL,
    booking_status TEXT NOT NULL,
    storage_status TEXT NOT NULL,
    title TEXT NOT NULL,
    starts_on TEXT NOT NULL,
    ends_on TEXT NOT NULL,
    budget_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX plans_by_age ON plans (storage_status, created_at_us);

-- The truth about an order: facts, hash-chained.
CREATE TABLE journal (
    order_id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    format BIGINT NOT NULL,
    fact TEXT NOT NULL,
    hash BYTEA NOT NULL,
    fence BIGINT NOT NULL,
    PRIMARY KEY (order_id, seq)
);

-- The journal's snapshot, for compare-and-set and for reads.
CREATE TABLE orders (
    order_id TEXT PRIMARY KEY,
    plan_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    open BIGINT NOT NULL,
    due_at_us BIGINT,
    created_at_us BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX orders_open ON orders (open, due_at_us);
CREATE INDEX orders_by_plan ON orders (plan_id, created_at_us);
CREATE INDEX orders_by_age ON orders (created_at_us);

-- Projections: rebuilt from the journal by command, identical each time.
CREATE TABLE order_items (
    order_id TEXT NOT NULL,
    item_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    price_minor BIGINT,
    currency TEXT,
    reference TEXT,
    PRIMARY KEY (order_id, item_id)
);
CREATE TABLE holds (
    order_id TEXT NOT NULL,
    item_id TEXT NOT NULL,
    firm BIGINT NOT NULL,
    expires_at_us BIGINT NOT NULL,
    PRIMARY KEY (order_id, item_id)
);
CREATE INDEX holds_by_expiry ON holds (expires_at_us);
CREATE TABLE payments (
    attempt_id TEXT PRIMARY KEY,
    order_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    state TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    transaction_id TEXT
);
CREATE INDEX payments_by_order ON payments (order_id);
CREATE TABLE refunds (
    refund_id TEXT PRIMARY KEY,
    order_id TEXT NOT NULL,
    attempt_id TEXT NOT NULL,
    state TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    currency TEXT NOT NULL
);
CREATE INDEX refunds_by_order ON refunds (order_id);

-- What changed, in order; the interface pulls after its cursor.
CREATE TABLE changes (
    cursor BIGINT PRIMARY KEY,
    entity TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    at_us BIGINT NOT NULL
);

-- Answers to requests that carry an id, so that a repeat returns the same thing.
CREATE TABLE requests (
    request_id TEXT PRIMARY KEY,
    command TEXT NOT NULL,
    digest TEXT NOT NULL,
    result_id TEXT NOT NULL,
    at_us BIGINT NOT NULL
);

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
