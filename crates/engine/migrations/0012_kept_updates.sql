-- What a notification said of an order that could not be read then. It is applied once the order can be read again, and taken
-- away with that; nothing in it is secret.
CREATE TABLE kept_updates (
    update_no BIGINT PRIMARY KEY,
    content TEXT NOT NULL
);
