-- At most one session of logging in per platform. Its name is random and says nothing; nothing here is secret.
CREATE TABLE auth_sessions (
    platform TEXT PRIMARY KEY,
    session TEXT NOT NULL,
    expires_at_us BIGINT NOT NULL
);
