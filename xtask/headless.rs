//! A keyring in memory and a browser that opens nothing, for benchmarks that start the app's core.
//!
//! Deliberately not here: anything that is measured.

use std::sync::Mutex;
use url::Url;
use zeroize::Zeroizing;
use zhiyou_engine::ports::{Browser, BrowserError, KeyStore, KeyStoreError};

#[derive(Default)]
pub(crate) struct Keys(Mutex<Option<Zeroizing<Vec<u8>>>>);

impl KeyStore for Keys {
    fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        Ok(self.0.lock().ok().and_then(|key| key.clone()))
    }
    fn write(&self, key: &[u8]) -> Result<(), KeyStoreError> {
        if let Ok(mut stored) = self.0.lock() {
            *stored = Some(Zeroizing::new(key.to_vec()));
        }
        Ok(())
    }
    fn delete(&self) -> Result<(), KeyStoreError> {
        Ok(())
    }
}

pub(crate) struct NoBrowser;

impl Browser for NoBrowser {
    fn open(&self, _: &Url) -> Result<(), BrowserError> {
        Ok(())
    }
}
