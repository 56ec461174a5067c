-- In how many instalments a payer pays a payment off.
ALTER TABLE attempts ADD COLUMN instalments BIGINT;

-- A credit's payments are found by its name.
CREATE INDEX attempts_by_provider_ref ON attempts (channel, provider_ref);
