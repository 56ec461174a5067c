//! Files the person asked for, in the folder `exports` beside the database: readable by this user alone, written whole.
//!
//! Deliberately not here: what is in them.

use crate::{
    api::view::ExportedView,
    store::{StoreError, private},
};
use std::{io, path::Path};

/// Name of the folder.
const FOLDER: &str = "exports";
/// Files with this beginning hold personal data, masked; erasing it removes them.
pub(crate) const PERSONAL: &str = "my-data-";
/// The same, whole.
pub(crate) const PERSONAL_WHOLE: &str = "my-data-whole-";

/// Writes a file, replacing an older one of this name.
///
/// # Errors
/// [`StoreError::Io`].
pub(crate) async fn write(data_dir: &Path, name: &str, bytes: Vec<u8>) -> Result<ExportedView, StoreError> {
    let folder = data_dir.join(FOLDER);
    let (path, new) = (folder.join(name), folder.join(format!("{name}.new")));
    let shown = path.display().to_string();
    blocking(move || {
        private::folder(&folder)?;
        // One that an earlier run left half written.
        remove(&new)?;
        write_private(&new, &bytes)?;
        std::fs::rename(&new, &path)
    })
    .await?;
    Ok(ExportedView { path: shown })
}

/// Removes every file that holds personal data.
///
/// # Errors
/// [`StoreError::Io`].
pub(crate) async fn forget(data_dir: &Path) -> Result<(), StoreError> {
    let folder = data_dir.join(FOLDER);
    blocking(move || {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(PERSONAL) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    })
    .await
}

async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<(), StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.unwrap_or_else(|error| Err(io::Error::other(error)))?)
}

fn remove(file: &Path) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(file)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()
}
