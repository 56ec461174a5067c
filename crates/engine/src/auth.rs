//! Sign-in to platforms.
