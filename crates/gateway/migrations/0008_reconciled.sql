-- What the gateway's own daily comparison of book and bills found; nothing else of the book refers to it.
CREATE TABLE reconciled_days (
    channel TEXT NOT NULL,
    day TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    undecided BIGINT NOT NULL DEFAULT 0,
    looked_at_us BIGINT,
    PRIMARY KEY (channel, day)
);
CREATE TABLE reconciled_differences (
    channel TEXT NOT NULL,
    day TEXT NOT NULL,
    position BIGINT NOT NULL,
    class TEXT NOT NULL,
    what TEXT NOT NULL,
    ours TEXT,
    theirs TEXT,
    here_minor BIGINT,
    here_currency TEXT,
    there_minor BIGINT,
    there_currency TEXT,
    at_us BIGINT NOT NULL,
    PRIMARY KEY (channel, day, position)
);
