//! Ids from a registry: one that misbehaves, and a real one.

#![cfg(test)]

mod later;
mod real;
mod refused;
mod start;
mod tls;

use std::time::Duration;

use runtime::registry::fake::Fake;
use runtime::registry::{Error, Options, open};
use runtime::task::Tasks;
use schemas::event::{Tick, Usage};
use schemas::wire::{Codec, SCHEMAS, SchemaName};
use tempfile::TempDir;

/// Longer than anything takes, so that only a hang meets it.
const LONG: Duration = Duration::from_secs(180);
const TICK: &str = include_str!("../../../../schemas/avro/tick.avsc");
const TICKS: &str = "hub.attempts.v1-hub.Tick";

/// A hub beside a registry: its folder and its tasks.
struct Hub {
    folder: TempDir,
    options: Options,
    tasks: Tasks,
}

impl Hub {
    fn of(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::new(url, folder.path().join("data/registry.json"));
        Self { folder, options, tasks: Tasks::new() }
    }

    /// The same hub, started again.
    fn again(self) -> Self {
        self.tasks.stop();
        Self { tasks: Tasks::new(), ..self }
    }

    /// A registry that is away is an error after a moment.
    fn hasty(mut self) -> Self {
        self.options.patience = Some(Duration::from_millis(300));
        self.options.timeout = Duration::from_millis(200);
        self
    }

    async fn open(&self) -> Result<Codec, Error> {
        let opened = open(self.options.clone(), &self.tasks, |_| ());
        tokio::time::timeout(LONG, opened).await.expect("opens in time")
    }

    async fn refused(&self) -> String {
        self.open().await.unwrap_err().to_string()
    }
}

/// The id that a value of this codec is framed with.
fn id(value: &[u8]) -> u32 {
    u32::from_be_bytes(value[1..5].try_into().unwrap())
}

fn tick_id(codec: &Codec) -> u32 {
    id(&codec.to_vec(&Tick { period_us: 1 }).unwrap())
}

/// A newer version of the tick, and a value of it.
fn newer_tick(id: u32) -> (String, Vec<u8>) {
    let late = r#"{"name": "late", "type": "boolean", "default": false}, "#;
    let text = TICK.replace(r#"{"name": "period_us""#, &format!(r#"{late}{{"name": "period_us""#));
    let mut value = vec![0];
    value.extend(id.to_be_bytes());
    value.extend([1, 4]); // late, period_us 2
    (text, value)
}

/// Waits until the codec reads the value as a tick.
async fn until_read(codec: &Codec, value: &[u8]) -> Tick {
    let look = async {
        loop {
            if let Ok(tick) = codec.decode::<Tick>(value) {
                return tick;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, look).await.expect("is learnt in time")
}
