//! Schema ids from a schema registry, over Confluent's API (Confluent's own, Apicurio, Redpanda,
//! Karapace).
//!
//! **Subjects** are named `<topic>-<record>` (Confluent's `TopicRecordNameStrategy`), such as
//! `hub.attempts.v1-hub.Tick`: a topic may carry several records, which a subject per topic does
//! not allow; and a subject per record would bind hubs to each other that share a registry under
//! different prefixes of their topics. A reader needs none of this: it finds a schema by its id.
//!
//! **At start** each schema of this build is looked up and, when it is not there, registered, under
//! the mode `FULL_TRANSITIVE`, which is the hub's own rule: every version reads every other. Ids and
//! schemas are kept in a file, so that a process that has seen the registry once starts also while
//! it is away. One that has not seen it waits: ids are never guessed.
//!
//! **Later** an id that the codec does not know is asked for until the registry knows it; until
//! then the event that carries it waits. A registry that is away delays, and nothing else.

mod api;
mod cache;
mod error;
#[cfg(feature = "test-util")]
pub mod fake;
mod resolve;
mod settle;

use std::path::PathBuf;
use std::time::Duration;

use schemas::wire::Codec;
use tokio::time::{Instant, sleep};

use crate::secret::Secret;
use crate::task::Tasks;
use api::Api;
use cache::Cache;
use resolve::Resolver;
use settle::settle;

pub use error::Error;

/// Where the registry is, and what is kept of it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address of Confluent's API, such as `http://127.0.0.1:8081`.
    pub url: String,
    /// User and password, when it wants to know who asks.
    pub login: Option<(String, Secret)>,
    /// Certificate authorities that are trusted beside the system's, PEM.
    pub ca: Option<PathBuf>,
    /// Before each topic's name, as on the log.
    pub prefix: String,
    /// The file that keeps ids and schemas.
    pub cache: PathBuf,
    /// The longest time for one answer.
    pub timeout: Duration,
    /// How long [`open`] waits for a registry that it never saw; for ever when not given.
    pub patience: Option<Duration>,
}

impl Options {
    /// The defaults for a registry and a file.
    pub fn new(url: impl Into<String>, cache: impl Into<PathBuf>) -> Self {
        Self {
            url: url.into(),
            login: None,
            ca: None,
            prefix: String::new(),
            cache: cache.into(),
            timeout: Duration::from_secs(5),
            patience: None,
        }
    }
}

/// First and longest pause before the registry is asked again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

fn longer(pause: Duration) -> Duration {
    pause.saturating_mul(2).min(PAUSE.1)
}

/// The codec under the registry's ids; a task of `tasks` goes on asking for those that it lacks.
/// `told` hears why it is not there yet.
///
/// # Errors
/// All of [`Error`]; [`Error::Away`] only when patience has run out.
pub async fn open(options: Options, tasks: &Tasks, told: impl Fn(&Error)) -> Result<Codec, Error> {
    let api = Api::new(&options)?;
    let mut cache = Cache::read(&options.cache, api.url())?;
    let settled = first(&api, &options, &mut cache, told).await?;
    let (codec, wanted) = cache.codec()?;
    let prefix = options.prefix;
    let resolver = Resolver { api, prefix, cache, codec: codec.clone(), settled };
    let token = tasks.token();
    tasks.spawn("schema registry", async move {
        tokio::select! {
            () = resolver.run(wanted) => {}
            () = token.cancelled() => {}
        }
    });
    Ok(codec)
}

/// Fills the cache. False when the registry is away and the cache had all that is needed.
async fn first(
    api: &Api,
    options: &Options,
    cache: &mut Cache,
    told: impl Fn(&Error),
) -> Result<bool, Error> {
    let begun = Instant::now();
    let mut pause = PAUSE.0;
    loop {
        let error = match settle(api, &options.prefix).await {
            Ok(found) => {
                cache.merge(found)?;
                return Ok(true);
            }
            Err(error) if error.passes() => error,
            Err(error) => return Err(error),
        };
        if cache.is_enough() {
            tracing::warn!(%error, "going on with the schema ids that are kept");
            return Ok(false);
        }
        if options.patience.is_some_and(|patience| begun.elapsed() + pause > patience) {
            return Err(error);
        }
        tracing::warn!(%error, ?pause, "no schema ids yet: waiting for the registry");
        told(&error);
        sleep(pause).await;
        pause = longer(pause);
    }
}
