//! The price books that were published: read once per process, shared by all partitions.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use runtime::log::{self, Limit, Record, Span};
use runtime::task::CancellationToken;
use schemas::event::Control;
use schemas::ids::PriceVersion;
use schemas::price::{PriceBook, version_of};
use schemas::topics::Topic;
use schemas::wire::Codec;

use crate::Deps;

/// All versions of the price book that were read so far. A version is named by its content and
/// never changes, so it does not matter when it is learnt: an event waits until it is. Cheap to
/// clone.
#[derive(Clone, Debug, Default)]
pub struct Books(Arc<RwLock<BTreeMap<PriceVersion, Arc<PriceBook>>>>);

impl Books {
    /// No books.
    pub fn new() -> Self {
        Self::default()
    }

    /// The book of a version.
    pub fn get(&self, version: &PriceVersion) -> Option<Arc<PriceBook>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(version).cloned()
    }

    /// Adds a book under its version.
    pub fn add(&self, book: PriceBook) -> PriceVersion {
        let version = book.version();
        let mut books = self.0.write().unwrap_or_else(PoisonError::into_inner);
        books.entry(version.clone()).or_insert_with(|| Arc::new(book));
        version
    }

    /// Learns from a control event; anything that is no price book is passed over. A body that
    /// is not what its version says is never used: what names the version goes on waiting.
    pub fn learn(&self, codec: &Codec, record: &Record) {
        let Some(value) = &record.value else { return };
        let Ok(Control { kind, id, body, deleted: false, .. }) = codec.decode(value) else {
            return;
        };
        if kind != "price_book" {
            return;
        }
        match serde_json::from_slice(&body) {
            Ok(book) if *version_of(&body).as_str() == *id => {
                let version = PriceVersion::from(id);
                let mut books = self.0.write().unwrap_or_else(PoisonError::into_inner);
                books.insert(version, Arc::new(book));
            }
            Ok(_) => tracing::error!(version = id, "a price book is not what its version says"),
            Err(error) => tracing::error!(version = id, %error, "a price book can't be read"),
        }
    }

    /// Follows the control topic until cancelled.
    pub(super) async fn follow(&self, deps: &Deps, token: CancellationToken) {
        let mut next = None;
        while let Err(error) = tokio::select! {
            followed = self.read(deps, &mut next) => followed,
            () = token.cancelled() => return,
        } {
            tracing::warn!(%error, "price books can't be read; will try again");
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                () = token.cancelled() => return,
            }
        }
    }

    /// Reads the control topic up to its present end.
    ///
    /// # Errors
    /// As the log.
    pub async fn read_all(&self, deps: &Deps) -> log::Result<()> {
        let mut span = Span::whole(&*deps.log, Topic::Control.at(0)).await?;
        while let Some(records) = span.page().await? {
            records.iter().for_each(|record| self.learn(&deps.codec, record));
        }
        Ok(())
    }

    /// Reads on for ever; `next` is where to begin after an error.
    async fn read(&self, deps: &Deps, next: &mut Option<u64>) -> log::Result<()> {
        let control = Topic::Control.at(0);
        let from = match *next {
            Some(next) => next,
            None => deps.log.ends(control).await?.start,
        };
        let mut reader = deps.log.reader(control, from).await?;
        let limit = Limit { records: 1000, bytes: 4 << 20, wait: Duration::from_secs(60) };
        loop {
            let page = reader.next(limit).await?;
            page.records.iter().for_each(|record| self.learn(&deps.codec, record));
            *next = Some(page.next);
        }
    }
}
