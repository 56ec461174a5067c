-- Every moment an order waits for, in one table; a row goes when its moment has been acted on.
CREATE TABLE deadlines (
    order_id TEXT NOT NULL,
    item_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    at_us BIGINT NOT NULL,
    PRIMARY KEY (order_id, item_id, kind, at_us)
);
CREATE INDEX deadlines_by_time ON deadlines (at_us);

-- It takes the place of these.
DROP TABLE holds;
DROP INDEX orders_open;
ALTER TABLE orders DROP COLUMN due_at_us;
CREATE INDEX orders_open ON orders (open);

-- Snapshots are written when an order comes to rest; `body` is the order after `body_version` facts, and the journal's later
-- rows are applied to it when it is read.
ALTER TABLE orders ADD COLUMN body_version BIGINT NOT NULL DEFAULT 0;
UPDATE orders SET body_version = version;

-- The order some of whose items another one books again; the trip's card shows the trip's own order.
ALTER TABLE orders ADD COLUMN repairs TEXT;
