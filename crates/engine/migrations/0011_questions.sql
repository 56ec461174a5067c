-- What a notification hinted at and is still to be asked, at the channel or supplier it is about. `hints` counts them: an
-- answer settles those it came after.
CREATE TABLE questions (
    order_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    about TEXT NOT NULL,
    hints BIGINT NOT NULL,
    PRIMARY KEY (order_id, kind, about)
);
