-- Refunds the gateway made by itself, and whether who the payment belongs to was told.
CREATE TABLE own_refunds (
    refund_id TEXT PRIMARY KEY,
    told BIGINT NOT NULL DEFAULT 0
);
