//! The price books that were published: read once per process, shared by all partitions.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use runtime::log::{Limit, Record, Span};
use runtime::task::CancellationToken;
use schemas::event::Control;
use schemas::ids::PriceVersion;
use schemas::price::{PriceBook, version_of};
use schemas::topics::Topic;
use schemas::wire::{self, Codec};

use crate::Deps;
use crate::pipeline::Error;

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
    ///
    /// # Errors
    /// The event's schema is not known yet: it may be a price book.
    pub fn learn(&self, codec: &Codec, record: &Record) -> Result<(), wire::Error> {
        let Some(value) = &record.value else { return Ok(()) };
        let (id, body) = match codec.decode(value) {
            Ok(Control { kind, id, body, deleted: false, .. }) if kind == "price_book" => {
                (id, body)
            }
            Err(error @ wire::Error::UnknownSchema(_)) => return Err(error),
            Ok(_) | Err(_) => return Ok(()),
        };
        match serde_json::from_slice(&body) {
            Ok(book) if *version_of(&body).as_str() == *id => {
                let version = PriceVersion::from(id);
                let mut books = self.0.write().unwrap_or_else(PoisonError::into_inner);
                books.insert(version, Arc::new(book));
            }
            Ok(_) => tracing::error!(version = id, "a price book is not what its version says"),
            Err(error) => tracing::error!(version = id, %error, "a price book can't be read"),
        }
        Ok(())
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
    /// As the log, and as [`Books::learn`].
    pub async fn read_all(&self, deps: &Deps) -> Result<(), Error> {
        let mut span = Span::whole(&*deps.log, Topic::Control.at(0)).await?;
        while let Some(records) = span.page().await? {
            records.iter().try_for_each(|record| self.learn(&deps.codec, record))?;
        }
        Ok(())
    }

    /// Reads on for ever; `next` is where to begin after an error.
    async fn read(&self, deps: &Deps, next: &mut Option<u64>) -> Result<(), Error> {
        let control = Topic::Control.at(0);
        let from = match *next {
            Some(next) => next,
            None => deps.log.ends(control).await?.start,
        };
        let mut reader = deps.log.reader(control, from).await?;
        let limit = Limit { records: 1000, bytes: 4 << 20, wait: Duration::from_secs(60) };
        loop {
            let page = reader.next(limit).await?;
            for record in &page.records {
                self.learn(&deps.codec, record)?;
                *next = Some(record.offset.saturating_add(1));
            }
            *next = Some(page.next);
        }
    }
}
