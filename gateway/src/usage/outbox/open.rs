//! Opening an outbox: lock, read what earlier processes left, write down what they could not.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use schemas::ids::Origin;
use tokio::sync::{Notify, watch};

use super::error::Error;
use super::folder::Folder;
use super::record::Position;
use super::recover::Recovery;
use super::segment::{Header, Segment};
use super::space::Space;
use super::watermark::Watermark;
use super::{Counts, Options, Outbox, State};

impl Outbox {
    /// Opens the folder, which no other process may hold, and settles what earlier processes left
    /// unsettled. Blocks while it reads what they left.
    ///
    /// # Errors
    /// [`Error`]: in use, not usable, no disk space, written by a newer version.
    pub fn open(options: Options) -> Result<Arc<Self>, Error> {
        let sizes = options.sizes()?;
        let folder = Arc::new(Folder::open(&options.folder, options.mapped)?);
        let watermark = Watermark::open(folder.file("watermark"))?;
        let mark = watermark.mark().clone();

        let mut recovery = Recovery::default();
        let mut own_from = mark.first.max(mark.shipped.generation + 1).max(1);
        let mut old = VecDeque::new();
        let listed = folder.segments();
        let listed = listed.map_err(|source| file_error(&options.folder, source))?;
        for (generation, path) in listed {
            own_from = own_from.max(generation + 1);
            if generation < mark.first {
                remove(&path)?; // trimmed, but the removal did not reach the disk
            } else if let Some(segment) =
                read(path, generation, &folder, &mut recovery, mark.shipped)?
            {
                old.push_back(Arc::new(segment));
            }
        }

        let origin = Origin(rand::random());
        let mut space = Space::new(Arc::clone(&folder), origin, sizes, old, own_from);
        let (held, _) = space.usage();
        if held + (sizes.first + sizes.segment) as u64 <= sizes.limit {
            // a full disk shows here, not at the first call
            space.grow(sizes.first)?;
            space.grow(sizes.segment)?;
        }
        let seqs = |count: u32| vec![0; count.max(1) as usize];
        let mut state = State {
            space,
            live: BTreeMap::new(),
            next_live: 0,
            full: false,
            usage_seqs: seqs(options.partitions.usage),
            attempt_seqs: seqs(options.partitions.attempts),
            counts: Counts::default(),
            own_from,
            recovered_to: Position::default(),
            moved_to: Position::default(),
        };
        let recovered = recovery.write(
            &mut state,
            &options.codec,
            origin,
            options.partitions,
            &options.folder,
        )?;
        state.space.publish();
        state.recovered_to = state.space.tail();
        state.counts.appended += recovered.unshipped;
        if recovered.lost + recovered.reemitted + recovered.quarantined > 0 {
            tracing::warn!(
                lost = recovered.lost,
                cut_off = recovered.cut_off,
                reemitted = recovered.reemitted,
                quarantined = recovered.quarantined,
                "outbox: an earlier process did not end cleanly; its calls are settled now"
            );
        }
        let ages = VecDeque::from_iter(
            (state.counts.appended > 0).then(|| (state.recovered_to, options.clock.now())),
        );
        Ok(Arc::new(Self {
            folder,
            origin,
            recovered,
            state: Mutex::new(state),
            synced: watch::Sender::new(mark.shipped),
            shipped: watch::Sender::new(mark.shipped),
            bell: Notify::new(),
            waiting: AtomicBool::new(false),
            watermark: Mutex::new(watermark),
            ages: Mutex::new(ages),
            failing: Mutex::default(),
            options,
        }))
    }
}

/// Reads a segment that an earlier process left; `None` when it holds nothing and is gone.
fn read(
    path: PathBuf,
    generation: u64,
    folder: &Folder,
    recovery: &mut Recovery,
    shipped: Position,
) -> Result<Option<Segment>, Error> {
    let opened = Segment::open(path.clone(), generation, folder.access);
    let (segment, header) = match opened {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            recovery.counts.quarantined += 1;
            set_aside(&path)?;
            return Ok(None);
        }
        Err(source) => return Err(Error::File { path, source }),
    };
    match header {
        Header::Valid(_) => {}
        Header::Newer(version) => {
            return Err(Error::Newer { path, found: format!("format {version}") });
        }
        Header::Corrupt => {
            recovery.counts.quarantined += 1;
            tracing::error!(path = %path.display(), "outbox segment has a damaged header; what is whole behind it is kept");
        }
    }
    let any = recovery.read(&segment, shipped);
    let any = any.map_err(|source| Error::File { path: path.clone(), source })?;
    if any {
        return Ok(Some(segment));
    }
    drop(segment);
    if header == Header::Corrupt {
        set_aside(&path)?
    } else {
        remove(&path)?
    }
    Ok(None)
}

fn remove(path: &Path) -> Result<(), Error> {
    fs::remove_file(path).map_err(|source| file_error(path, source))
}

/// Puts a damaged file where it is not read again, for whoever looks.
pub(super) fn set_aside(path: &Path) -> Result<(), Error> {
    let aside = path.with_extension("corrupt");
    tracing::error!(path = %aside.display(), "damaged outbox segment is set aside");
    fs::rename(path, &aside).map_err(|source| file_error(path, source))
}

fn file_error(path: &Path, source: io::Error) -> Error {
    Error::File { path: path.into(), source }
}
