-- The channel's own id of a payment or refund, where it is needed to ask about it.
ALTER TABLE attempts ADD COLUMN provider_ref TEXT;
ALTER TABLE refunds ADD COLUMN provider_ref TEXT;

-- Whether the money is authorised first, and what of it was taken where that can be less.
ALTER TABLE attempts ADD COLUMN authorise BIGINT NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN taken_minor BIGINT;
