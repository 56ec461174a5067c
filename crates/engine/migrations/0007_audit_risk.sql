-- Risk scores of audit rows, reckoned later: each is written once, bound to the hash of its row, and chained to the score before it.
CREATE TABLE audit_risk (
    number BIGINT PRIMARY KEY,
    seq BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    score BIGINT NOT NULL,
    reasons TEXT NOT NULL,
    hash BYTEA NOT NULL
);
CREATE UNIQUE INDEX audit_risk_by_row ON audit_risk (seq);
-- The number of the newest score, and the newest row that was looked at for one.
INSERT INTO counters (name, value) VALUES ('audit_risk', 0), ('audit_risk_row', 0);
