//! Files and folders that this user alone may read, whatever the system's mask says.
//!
//! The database engine gives its log and its index the mode of the database. Deliberately not here: systems without modes,
//! where the folder of the profile is the user's alone anyway.

use std::{io, path::Path};

/// Creates a folder for this user alone; one that is there already stays as somebody made it.
///
/// # Errors
/// The file system's.
pub(crate) fn folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// Creates a file for this user alone, or takes everybody else's rights from one that is there, and from what the database
/// engine keeps beside it.
///
/// # Errors
/// The file system's.
pub(crate) fn file(file: &Path) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?;
    #[cfg(unix)]
    for beside in ["", "-wal", "-shm"] {
        let mut path = file.as_os_str().to_owned();
        path.push(beside);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        match std::fs::set_permissions(&path, mode) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use crate::store::Db;
    use std::{os::unix::fs::PermissionsExt, path::Path};

    fn modes(folder: &Path) -> Vec<(String, u32)> {
        let mode = |entry: std::fs::DirEntry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, entry.metadata().unwrap().permissions().mode() & 0o777)
        };
        let mut modes: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| mode(entry.unwrap())).collect();
        modes.sort();
        modes
    }

    #[tokio::test]
    async fn se_22_the_database_and_what_lies_beside_it_are_this_users_alone() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("zhiyou");
        super::folder(&folder).unwrap();
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let mine = ["zhiyou.db", "zhiyou.db-shm", "zhiyou.db-wal"].map(|name| (name.to_owned(), 0o600));
        for _ in 0..2 {
            let db = Db::open(&folder).await.unwrap();
            assert_eq!(modes(&folder), mine);
            // As a mask of 0 would have left them, and an earlier version did.
            for (name, _) in &mine {
                let open = std::fs::Permissions::from_mode(0o666);
                std::fs::set_permissions(folder.join(name), open).unwrap();
            }
            db.close().await;
        }
    }
}
