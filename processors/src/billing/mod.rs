//! Billing: prices settled calls, keeps the journal and publishes balances.
//!
//! Inputs of partition p are usage p and credits p; price books come from the one control
//! partition and are waited for. Each event has exactly one ending: an entry in its account's
//! journal, or a dead letter (with a `suspense` entry when the account is known), or it was seen
//! before.
//!
//! - Postings of an entry sum to zero; amounts are integers of 1e-15 USD, nothing is rounded.
//! - `account_seq` rises by one and each entry seals the one before by its hash.
//! - A second settlement of one of the newest [`REMEMBERED`] calls that were charged in the
//!   partition is an anomaly, not a charge; `hub verify` finds the ones that lie further apart.
//! - A credit command is done once for ever: the same id with the same body does nothing, with
//!   another body it is refused.
//! - The balance says per origin up to which seq its events are in it; calls that cost nothing
//!   move it too.
#![deny(
    clippy::float_arithmetic,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

mod account;
mod books;
mod calls;
mod fold;
mod journal;
mod load;

use std::time::Duration;

use async_trait::async_trait;
use runtime::task::{self, CancellationToken};
use schemas::topics::Topic;

pub use books::Books;
pub use calls::{Calls, REMEMBERED};
pub use fold::{Billing, Event};
pub use journal::is_sealed;

use crate::Deps;
use crate::pipeline::{self, Batching, End, Error, Held, Loaded, Processor};

/// Runs billing for this process's share of partitions until cancelled.
pub async fn run(deps: Deps, token: CancellationToken) -> Vec<End> {
    let books = Books::new();
    let followed = {
        let (books, deps, token) = (books.clone(), deps.clone(), token.clone());
        task::spawn("price books", async move { books.follow(&deps, token).await })
    };
    let ends = pipeline::run(Partitions { books }, deps, token).await;
    followed.abort();
    ends
}

struct Partitions {
    books: Books,
}

#[async_trait]
impl Processor for Partitions {
    type Fold = Billing;

    fn name(&self) -> &str {
        fold::NAME
    }

    fn inputs(&self) -> &[Topic] {
        &[Topic::Usage, Topic::Credits]
    }

    fn batching(&self) -> Batching {
        Batching { records: 5000, bytes: 8 << 20, linger: Duration::ZERO }
    }

    async fn load(
        &self,
        deps: &Deps,
        partition: u32,
        held: Held,
    ) -> Result<Loaded<Billing>, Error> {
        load::load(deps, partition, self.books.clone(), held).await
    }
}
