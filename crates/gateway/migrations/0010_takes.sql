-- What was begun to take an approved payment at a channel that waits for us: under which number, and how the payment looked
-- when that was refused; empty where it was never sent, none as long as what became of it is not known. `at_us`: since when
-- that is so.
CREATE TABLE takes (
    attempt_id TEXT PRIMARY KEY,
    number BIGINT NOT NULL,
    refused_as TEXT,
    at_us BIGINT NOT NULL
);
