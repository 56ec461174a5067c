-- How often a sealed document was written. Its version is part of what it is sealed for, so that an earlier one of the same
-- document does not open; it stands beside the document and rises for ever, also over its deletion. What was sealed before
-- has no version, and gets one when it is written again.
CREATE TABLE sealed_versions (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);
