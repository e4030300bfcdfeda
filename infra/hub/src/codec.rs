//! The schema ids of this process: the hub's own, or those of a registry.

use std::time::Duration;

use anyhow::bail;
use runtime::registry;
use runtime::task::Tasks;
use schemas::wire::Codec;

use crate::config::{Config, Environment, LogKind};

/// Keeps the ids of a registry, in the data folder.
const KEPT: &str = "registry.json";
/// What a data folder has once events were written there.
const BEGUN: [&str; 2] = ["log/hub.sqlite", "outbox"];

/// The codec that the settings name. With a registry that was never seen it waits, at most
/// `patience`, and `told` hears why.
///
/// # Errors
/// What does not get better by waiting; or ids of another kind were used in this data folder.
pub(crate) async fn codec(
    config: &Config,
    environment: &Environment,
    tasks: &Tasks,
    patience: Option<Duration>,
    told: impl Fn(String),
) -> anyhow::Result<Codec> {
    let prefix = match config.log.kind {
        LogKind::Local => "",
        LogKind::Kafka => &config.log.kafka.prefix,
    };
    let kept = config.data.join(KEPT);
    // in this order: another process may begin just now, and keeps ids before it writes events
    let begun = BEGUN.iter().map(|part| config.data.join(part)).find(|part| part.exists());
    let options = config.registry.options(&kept, prefix, environment)?;
    match (options, begun, kept.exists()) {
        (None, _, true) => bail!(
            "registry.url (HUB_REGISTRY_URL) is not set, but events of this data folder have the ids of a schema registry ({}): set it to that registry",
            kept.display()
        ),
        (Some(_), Some(begun), false) => bail!(
            "registry.url is set, but events of this data folder have the hub's own schema ids ({} is there, {KEPT} is not): begin with a new data folder (HUB_DATA) and new topics, or go on without registry.url",
            begun.display()
        ),
        (None, _, false) => Ok(Codec::fixed()),
        (Some(options), ..) => {
            let options = registry::Options { patience, ..options };
            Ok(registry::open(options, tasks, |error| told(error.to_string())).await?)
        }
    }
}

#[cfg(test)]
mod tests {
    use schemas::event::Tick;

    use super::*;

    async fn with(config: &Config) -> anyhow::Result<Codec> {
        let patience = Some(Duration::ZERO);
        codec(config, &Environment::new(), &Tasks::new(), patience, |_| ()).await
    }

    fn on(folder: &std::path::Path, url: Option<&str>) -> Config {
        let mut config = Config { data: folder.to_owned(), ..Config::default() };
        config.registry.url = url.map(str::to_owned);
        config
    }

    #[tokio::test]
    async fn without_a_registry_ids_are_the_hubs_own() {
        let folder = tempfile::tempdir().unwrap();
        let codec = with(&on(folder.path(), None)).await.unwrap();
        let fixed = Codec::fixed().to_vec(&Tick { period_us: 1 }).unwrap();
        assert_eq!(codec.to_vec(&Tick { period_us: 1 }).unwrap(), fixed);
    }

    #[tokio::test]
    async fn ids_of_two_kinds_never_meet_in_a_data_folder() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Some("http://127.0.0.1:1");
        for part in BEGUN {
            std::fs::create_dir_all(folder.path().join(part)).unwrap();
            let error = with(&on(folder.path(), registry)).await.unwrap_err().to_string();
            assert!(error.contains("the hub's own schema ids") && error.contains(part), "{error}");
            std::fs::remove_dir_all(folder.path().join(part)).unwrap();
        }
        let error = with(&on(folder.path(), registry)).await.unwrap_err().to_string();
        assert!(error.contains("http://127.0.0.1:1 is away"), "{error}");

        std::fs::write(folder.path().join(KEPT), "{}").unwrap();
        let error = with(&on(folder.path(), None)).await.unwrap_err().to_string();
        assert!(error.contains("HUB_REGISTRY_URL") && error.contains(KEPT), "{error}");
    }
}
