-- When a channel first did not answer about a payment, or would not open it; none when all went well.
ALTER TABLE attempts ADD COLUMN failed_at_us BIGINT;
CREATE INDEX attempts_by_time ON attempts (channel, created_at_us);
