//! Where libchdb is.

use std::path::{Path, PathBuf};

const PACKAGE: &str = "@chdb/lib-linux-x64-gnu";
const VERSION: &str = "26.7.3-stable.1";

/// The library is nowhere.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "the embedded ClickHouse needs libchdb, which is not in {}; get it with `make clickhouse`, or with npm as {PACKAGE}@{VERSION}, \
     or name the file in HUB_CLICKHOUSE_LIBRARY",
    searched.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
)]
pub struct LibraryMissing {
    /// The files that were looked for.
    pub searched: Vec<PathBuf>,
}

/// Finds the library: the file that is named, else under one of the folders, where npm put its package (`folder/node_modules/…`,
/// `folder/chdb/node_modules/…`) or plainly (`folder/libchdb.so`).
///
/// # Errors
/// It is in none of these places; a named file is not looked for elsewhere.
pub fn find(named: Option<&Path>, folders: &[PathBuf]) -> Result<PathBuf, LibraryMissing> {
    let searched: Vec<PathBuf> = match named {
        Some(file) => vec![file.to_owned()],
        None => folders
            .iter()
            .flat_map(|folder| {
                [
                    folder.join("node_modules").join(PACKAGE).join("libchdb.so"),
                    folder.join("chdb").join("node_modules").join(PACKAGE).join("libchdb.so"),
                    folder.join("libchdb.so"),
                ]
            })
            .collect(),
    };
    let found = searched.iter().find(|file| file.is_file()).cloned();
    found.ok_or(LibraryMissing { searched })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_npm_installed_and_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let error = find(None, &[folder.path().to_owned()]).unwrap_err();
        assert!(error.to_string().contains("make clickhouse"), "{error}");
        let package = folder.path().join("chdb/node_modules/@chdb/lib-linux-x64-gnu");
        std::fs::create_dir_all(&package).unwrap();
        std::fs::write(package.join("libchdb.so"), "").unwrap();
        assert_eq!(find(None, &[folder.path().to_owned()]).unwrap(), package.join("libchdb.so"));
        assert!(find(Some(Path::new("/nowhere/libchdb.so")), &[folder.path().to_owned()]).is_err());
    }
}
