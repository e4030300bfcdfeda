//! Secrets in files that only their owner may read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Error, Secret};

fn failed(path: &Path) -> impl Fn(io::Error) -> Error + '_ {
    |source| Error::File { path: path.to_path_buf(), source }
}

/// The secret of a file and the file's permission bits.
pub(super) fn read(path: &Path) -> Result<(Secret, u32), Error> {
    let mut file = File::open(path).map_err(failed(path))?;
    let mode = file.metadata().map_err(failed(path))?.mode() & 0o7777;
    let mut bytes = Zeroizing::new(Vec::new());
    file.read_to_end(&mut bytes).map_err(failed(path))?;
    let content = |what| Error::Content { path: path.to_path_buf(), what };
    let text = std::str::from_utf8(&bytes).map_err(|_| content("is not UTF-8 text"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(content("is empty"));
    }
    Ok((text.into(), mode))
}

/// The secret of a file that only its owner may read.
///
/// # Errors
/// [`Error::Open`] when others may read it; [`Error::File`], [`Error::Content`].
pub fn read_0600(path: &Path) -> Result<Secret, Error> {
    match read(path)? {
        (secret, mode) if mode & 0o077 == 0 => Ok(secret),
        (_, mode) => Err(Error::Open { path: path.to_path_buf(), mode }),
    }
}

/// Makes a file that only its owner may read; whole and on the disk, or not at all.
///
/// # Errors
/// [`Error::File`], of kind [`io::ErrorKind::AlreadyExists`] when there is one.
pub fn write_new_0600(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", Uuid::now_v7()));
    let part = path.with_file_name(name);
    let written = write(&part, bytes).and_then(|()| {
        // a link, and not a rename, because that would replace what is there
        fs::hard_link(&part, path)
    });
    let removed = fs::remove_file(&part);
    written.and(removed).map_err(failed(path))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = File::open(folder.unwrap_or(Path::new(".")));
    folder.and_then(|folder| folder.sync_all()).map_err(failed(path))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The secret of a file; a new random one of so many bytes, kept there, when there is no file.
/// True when it was made.
///
/// # Errors
/// All of [`Error`] but the variable's.
pub fn read_or_make(path: &Path, bytes: usize) -> Result<(Secret, bool), Error> {
    match read_0600(path) {
        Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        known => return known.map(|secret| (secret, false)),
    }
    let secret = Secret::random(bytes)?;
    match write_new_0600(path, format!("{}\n", secret.expose()).as_bytes()) {
        // somebody else was faster: theirs counts
        Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
            read_0600(path).map(|secret| (secret, false))
        }
        made => made.map(|()| (secret, true)),
    }
}
