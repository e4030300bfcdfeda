//! The only way out to providers on the path of a call: connections, and the attempt loop.
//!
//! ```text
//! attempt ── target by target ──► reach: connect, head, first content ──► Exchange ──► streaming
//!    │            ▲                   │ failure
//!    │            └── verdict: same target after a wait, next target, or stop
//!    └─ Running: holds the ticket, reports each attempt, settles whatever happens
//! ```
//!
//! - No retry after content: an attempt is bound to its target by its first content.
//! - Hang-up cancels: all that is held here is dropped with the caller's future.

mod attempt;
mod beside;
mod connect;
mod media;
mod pool;
mod public;
mod reach;
mod running;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use runtime::clock::Clock;
use runtime::telemetry::metrics::{Metrics, Provider};
use schemas::ids::CallId;
use tokio::time::Instant;

pub use attempt::attempt;
pub use beside::{beside, builder};
pub use connect::Error;
pub(crate) use pool::Body;
pub use public::is_public;
pub(crate) use running::{End, Running};
pub use verdict::told;

use crate::config::UpstreamConfig;
use crate::dialects::Dialect;
use crate::providers::{Decoder, Endpoint, Failure};
use crate::reply::Tally;
use crate::routing::{Local, Target};
use crate::streaming::Outgoing;

/// What the client works with beside its configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// The largest whole answer that is read, bytes.
    pub answer: usize,
    /// The time.
    pub clock: Clock,
    /// Where calls and attempts are counted.
    pub metrics: Metrics,
    /// What this process sees of targets.
    pub local: Arc<Local>,
}

/// Providers over the network: shared by all calls, cheap to clone.
#[derive(Clone, Debug)]
pub struct Client(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: pool::Pool,
    media: media::Media,
    options: Options,
}

impl Client {
    /// A client without connections.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(config: &UpstreamConfig, options: Options) -> Result<Self, Error> {
        let pool = pool::Pool::new(connect::Connector::new(config)?);
        let media = media::Media::new(config)?;
        Ok(Self(Arc::new(Shared { pool, media, options })))
    }

    fn counts<'a>(&self, endpoint: &'a Endpoint) -> &'a Provider {
        let metrics = &self.0.options.metrics;
        endpoint.counts.get_or_init(|| metrics.provider(endpoint.id.as_str()))
    }
}

/// An attempt that answered, with the call's ticket.
#[derive(Debug)]
pub struct Exchange {
    pub(crate) running: Running,
    /// The call.
    pub call: CallId,
    /// What answered.
    pub target: Arc<Target>,
    /// Attempts made, this one included.
    pub attempts: usize,
    /// Why it was asked, and what failed before it.
    pub route: http::HeaderValue,
    /// HTTP status of the answer.
    pub status: http::StatusCode,
    /// Its content type.
    pub content_type: Option<http::HeaderValue>,
    /// Fields of the client's request that the target's format could not say.
    pub dropped: Vec<String>,
    /// The provider's own id of the request.
    pub request_id: Option<http::HeaderValue>,
    pub(crate) answer: Answer,
}

/// What an attempt answered.
pub(crate) enum Answer {
    /// All of it.
    Whole(Outgoing, Tally),
    /// Its beginning, up to the first content, and where the rest comes from.
    Stream(Box<Flow>),
}

/// A stream that has begun.
pub(crate) struct Flow {
    pub(crate) dialect: Dialect,
    /// Whether it is made of events, between which the hub can say something.
    pub(crate) framed: bool,
    pub(crate) body: Body,
    pub(crate) decoder: Box<dyn Decoder>,
    pub(crate) outgoing: Outgoing,
    /// The provider failed right behind what is outgoing.
    pub(crate) failed: Option<Failure>,
    pub(crate) idle: Duration,
    pub(crate) deadline: Instant,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Whole(..) => "Whole",
            Self::Stream(_) => "Stream",
        })
    }
}
