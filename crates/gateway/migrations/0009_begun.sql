-- Refunds that were asked for at a channel where a question asks once more, and whether what became of it is not known.
CREATE TABLE asked_refunds (
    refund_id TEXT PRIMARY KEY,
    is_open BIGINT NOT NULL
);
INSERT INTO asked_refunds (refund_id, is_open)
    SELECT refunds.refund_id, 1 FROM refunds JOIN attempts ON attempts.attempt_id = refunds.attempt_id
    WHERE attempts.channel = 'paypal' AND refunds.state = 'pending';
