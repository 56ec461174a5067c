//! Calls to a key store that may block for ever, under a time-out of our own.
//!
//! A locked collection blocks until the person answers a prompt. Each call runs on a thread of its own, which nobody
//! waits for: a blocking thread of the runtime would hold up the process at its end. At most one call is under way;
//! meanwhile others are told that the keyring is locked, so that a late write can never follow a newer one.
//! Deliberately not here: what a failure means for the vault.

use crate::ports::{KeyStore, KeyStoreError};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Semaphore, oneshot};

/// A key store behind a time-out.
pub(super) struct Calls {
    keys: Arc<dyn KeyStore>,
    turn: Arc<Semaphore>,
    timeout: Duration,
}

impl Calls {
    pub(super) fn new(keys: Arc<dyn KeyStore>, timeout: Duration) -> Self {
        Self { keys, turn: Arc::new(Semaphore::new(1)), timeout }
    }

    /// Runs one call. [`KeyStoreError::Locked`] when it, or an earlier one, does not come back in time.
    pub(super) async fn run<T, F>(&self, call: F) -> Result<T, KeyStoreError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn KeyStore) -> Result<T, KeyStoreError> + Send + 'static,
    {
        let late = || KeyStoreError::Locked("no answer in time".to_owned());
        let turn = Arc::clone(&self.turn).try_acquire_owned().map_err(|_| late())?;
        let (send, receive) = oneshot::channel();
        let keys = Arc::clone(&self.keys);
        std::thread::Builder::new()
            .name("keyring".to_owned())
            .spawn(move || {
                let answer = call(&*keys);
                drop(turn);
                // Nobody may be listening any more; then the answer is of no use.
                drop(send.send(answer));
            })
            .map_err(|error| KeyStoreError::Failed(error.to_string()))?;
        match tokio::time::timeout(self.timeout, receive).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(KeyStoreError::Failed("the call ended without an answer".to_owned())),
            Err(_) => Err(late()),
        }
    }
}
