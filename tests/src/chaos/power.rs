//! Power loss, tried on a copy: pages of the outbox that were not synced go back to what the disk
//! may still have held.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use super::outbox::Outbox;

const PAGE: usize = 4096;

/// Beside the data folder of a copy: its outbox as it stood a little before.
pub(super) const BEFORE: &str = "outbox-before";

/// Lets nothing be appended to the log in `file` as long as the connection lives.
///
/// # Errors
/// It can't be opened, or somebody else writes for too long.
pub(super) fn hold(file: &Path) -> rusqlite::Result<rusqlite::Connection> {
    let connection = rusqlite::Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(20))?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    Ok(connection)
}

/// Copies a folder with all that is in it.
///
/// # Errors
/// Something can't be read or written; files that vanish meanwhile are left out.
pub(super) fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let copied = if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)
        } else if entry.file_type()?.is_file() {
            fs::copy(entry.path(), &target).map(drop)
        } else {
            Ok(())
        };
        match copied {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Rolls back pages of the outbox in `folder` that may not have been synced, each by the toss of a
/// coin and one at least, to how it stood in `before` (an earlier copy), or to zeros where that has no such page;
/// and, once in two times, the watermark. `logged` are the calls whose events the log has: they
/// were synced before they were shipped, whether the watermark knows it already or not. Gives the
/// calls that a rolled-back page held.
///
/// # Errors
/// A file can't be read or written.
pub(super) fn roll_back(
    folder: &Path,
    before: &Path,
    logged: &BTreeSet<String>,
    rng: &mut StdRng,
) -> anyhow::Result<(u64, BTreeSet<String>)> {
    let mut outbox = Outbox::read(folder)?;
    outbox.shipped = outbox.shipped.max(outbox.synced(logged));
    let mut pages = BTreeSet::new();
    let mut doubtful = Vec::new();
    for (generation, path) in &outbox.segments {
        let now = fs::read(path)?;
        let then = fs::read(before.join(path.file_name().unwrap_or_default())).unwrap_or_default();
        let from = outbox.doubtful(*generation, now.len()).start;
        for page in from / PAGE..now.len() / PAGE {
            // the page that holds the shipped place was synced up to there
            let range = from.max(page * PAGE)..(page + 1) * PAGE;
            let then = then.get(range.clone()).map_or_else(|| vec![0; range.len()], <[u8]>::to_vec);
            if now.get(range.clone()) != Some(&then) {
                doubtful.push((*generation, path, range, then));
            }
        }
    }
    doubtful.shuffle(rng);
    for (generation, path, range, then) in doubtful {
        if pages.is_empty() || rng.random() {
            let file = fs::File::options().write(true).open(path)?;
            file.write_all_at(&then, u64::try_from(range.start)?)?;
            pages.insert((generation, range.start / PAGE));
        }
    }
    if rng.random() {
        // it is not synced for each batch: an old one ships again what is in the log
        drop(fs::copy(before.join("watermark"), folder.join("watermark")));
    }
    let hit = |at: (u64, u64), len: u64| {
        let page = u64::try_from(PAGE).unwrap_or(1);
        (at.1 / page..=(at.1 + len - 1) / page)
            .any(|number| pages.contains(&(at.0, usize::try_from(number).unwrap_or(0))))
    };
    let lost = outbox
        .calls
        .iter()
        .filter(|(_, entries)| entries.iter().any(|entry| hit(entry.at, entry.len)))
        .map(|(call, _)| call.clone())
        .collect();
    Ok((u64::try_from(pages.len()).unwrap_or(u64::MAX), lost))
}
