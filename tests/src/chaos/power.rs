//! Power loss, tried on a copy: pages of the outbox that were not synced go back to what the disk
//! may still have held.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rand::Rng as _;
use rand::rngs::StdRng;

use super::outbox::Outbox;

const PAGE: usize = 4096;

/// Beside the data folder of a copy: its outbox as it stood a little before.
pub(super) const BEFORE: &str = "outbox-before";

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

/// Rolls back each page of the outbox in `folder` that may not have been synced, by the toss of a
/// coin, to how it stood in `before` (an earlier copy), or to zeros where that has no such page;
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
    for (generation, path) in &outbox.segments {
        let mut bytes = fs::read(path)?;
        let name = path.file_name().unwrap_or_default();
        let old = fs::read(before.join(name)).unwrap_or_default();
        let doubtful = outbox.doubtful(*generation, bytes.len());
        for page in doubtful.start / PAGE..bytes.len() / PAGE {
            // the page that holds the shipped place was synced up to there
            let range = doubtful.start.max(page * PAGE)..(page + 1) * PAGE;
            let zeros = [0; PAGE];
            let then = old.get(range.clone()).or(zeros.get(..range.len())).unwrap_or_default();
            let Some(now) = bytes.get_mut(range) else {
                continue;
            };
            if now != then && rng.random() {
                now.copy_from_slice(then);
                pages.insert((*generation, page));
            }
        }
        fs::write(path, bytes)?;
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
