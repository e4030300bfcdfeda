//! Commands that look at a hub's data beside a running hub, or send it one event.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use gateway::control::check::{self, Checked};
use processors::replay::{self, Report, Verdict};
use processors::{Board, Share, sink};
use runtime::clock::Clock;
use runtime::task::Tasks;
use runtime::telemetry::metrics::Metrics;
use schemas::event::{Credit, CreditKind};
use schemas::ids::ProviderId;
use schemas::topics::Topic;
use serde::Serialize;

use crate::cli::{Credits, OutboxCommand, Replayed};
use crate::clickhouse::Warehouse;
use crate::codec::codec;
use crate::config::{Config, Environment};
use crate::log::open_log;
use crate::own;
use crate::secrets::Secrets;
use crate::seed::{self, append};
use crate::serve::Shared;

/// How long a command waits for a schema registry that this data folder never saw.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a command needs of a hub's data.
pub(crate) async fn shared(config: Config, environment: Environment) -> anyhow::Result<Shared> {
    let clock = Clock::system();
    let codec = codec(&config, &environment, &Tasks::new(), Some(PATIENCE), |_| {}).await?;
    let log = open_log(&config, &environment, &clock).await?;
    Ok(Shared {
        config: Arc::new(config),
        environment: Arc::new(environment),
        clock,
        log: log.log,
        codec,
        board: Board::new(),
        share: Share::ALL,
        metrics: Metrics::new(env!("CARGO_PKG_VERSION"), "command"),
    })
}

async fn warehouse(shared: &Shared) -> anyhow::Result<clickhouse::Client> {
    let Shared { config, environment, metrics, .. } = shared;
    let warehouse = Warehouse::start(config, environment, metrics, false, &Tasks::new()).await?;
    Ok(warehouse.client())
}

/// Tests the credentials of the providers of the settings and the environment.
pub(crate) async fn check(
    config: &Config,
    environment: &Environment,
    provider: Option<&str>,
    json: bool,
) -> anyhow::Result<()> {
    let snapshot = seed::providers(config, environment)?;
    let only = provider.map(ProviderId::from);
    if let Some(only) = only.as_ref().filter(|only| !snapshot.providers.contains_key(only)) {
        let known: Vec<&str> = snapshot.providers.keys().map(ProviderId::as_str).collect();
        bail!("no provider {only} is configured; there are: {}", known.join(", "));
    }
    let upstream = seed::upstream_config(config, environment);
    let checked = check::check(&snapshot, &upstream, only.as_ref(), Clock::system().now()).await?;
    if checked.is_empty() {
        bail!(
            "no provider is configured: set a key such as OPENAI_API_KEY, or name one in the settings"
        );
    }
    tell(&checked, json, |one: &Checked| {
        let how = if one.works { "works" } else { "fails" };
        format!("{}/{}: {how}: {}", one.provider, one.credential, one.says)
    })?;
    let failing = checked.iter().filter(|one| !one.works).count();
    if failing == 0 {
        Ok(())
    } else {
        bail!("{failing} of {} credentials do not work", checked.len())
    }
}

/// Makes a new token and a new sign-in link for the owner.
pub(crate) async fn bootstrap(config: Config, environment: Environment) -> anyhow::Result<()> {
    let shared = shared(config, environment).await?;
    let path = Secrets::new(&shared.config.data).owner_token_path()?;
    let link = crate::control::restore_owner(&shared, &path).await?;
    let address = shared.config.signin.link(&own::url(&shared.config), link.expose());
    let path = path.display();
    writeln!(
        std::io::stdout(),
        "the owner's token is in {path}\nsign in as owner, once and within an hour: {address}"
    )?;
    Ok(())
}

/// Moves money of an account.
pub(crate) async fn credits(
    config: Config,
    environment: Environment,
    command: Credits,
) -> anyhow::Result<()> {
    let Credits::Grant { account, amount, command, reason } = command;
    let shared = shared(config, environment).await?;
    let credit = Credit {
        command: command.clone(),
        account: account.as_str().into(),
        kind: CreditKind::Grant,
        amount: amount.parse().context("--amount")?,
        actor: "cli".into(),
        reason,
    };
    append(&shared, Topic::Credits, &account, &credit).await?;
    writeln!(std::io::stdout(), "sent: {} USD to {account} as command {command}", credit.amount)?;
    Ok(())
}

/// Derives a processor's results again and compares.
pub(crate) async fn replay(
    config: Config,
    environment: Environment,
    processor: Replayed,
    json: bool,
) -> anyhow::Result<()> {
    let shared = shared(config, environment).await?;
    let deps = shared.deps();
    let mut reports = Vec::new();
    for partition in 0..shared.log.partitions(Topic::Usage) {
        match processor {
            Replayed::Billing => reports.push(replay::billing(&deps, partition).await?),
            Replayed::Health => {
                reports.push(replay::health(&deps, partition, shared.config.health).await?);
            }
            Replayed::Sink => {
                let client = warehouse(&shared).await?;
                reports.push(replay::sink::<sink::Usages>(&deps, &client, partition).await?);
                reports.push(replay::sink::<sink::Attempts>(&deps, &client, partition).await?);
                reports.push(replay::sink::<sink::Entries>(&deps, &client, partition).await?);
                reports.push(replay::sink::<sink::Balances>(&deps, &client, partition).await?);
                reports.push(replay::sink::<sink::Healths>(&deps, &client, partition).await?);
            }
        }
    }
    if processor == Replayed::Sink {
        let client = warehouse(&shared).await?;
        reports.push(replay::sink::<sink::Audits>(&deps, &client, 0).await?);
        reports.push(replay::sink::<sink::Changes>(&deps, &client, 0).await?);
    }
    tell(&reports, json, |report: &Report| {
        let compared: u64 = report.compared.values().sum();
        format!(
            "{}/{}: {} records, {compared} values compared, {} different",
            report.processor, report.partition, report.records, report.different
        )
    })?;
    if reports.iter().all(Report::is_same) {
        Ok(())
    } else {
        bail!("the replay differs from what is live")
    }
}

/// Counts every event in every place where it must be.
pub(crate) async fn verify(
    config: Config,
    environment: Environment,
    json: bool,
) -> anyhow::Result<()> {
    let shared = shared(config, environment).await?;
    let client = warehouse(&shared).await?;
    let mut verdicts = Vec::new();
    for partition in 0..shared.log.partitions(Topic::Usage) {
        verdicts.push(replay::verify(&shared.deps(), &client, partition).await?);
    }
    tell(&verdicts, json, |verdict: &Verdict| {
        let wrong =
            if verdict.is_sound() { "all is well".to_owned() } else { verdict.wrong.join("; ") };
        format!(
            "partition {}: {} events, {} charged, {} in suspense, {} dead, {} rows: {wrong}",
            verdict.partition,
            verdict.events,
            verdict.charged,
            verdict.suspended,
            verdict.dead,
            verdict.rows
        )
    })?;
    if verdicts.iter().all(Verdict::is_sound) { Ok(()) } else { bail!("something does not add up") }
}

fn tell<T: Serialize>(items: &[T], json: bool, line: impl Fn(&T) -> String) -> anyhow::Result<()> {
    let text = if json {
        serde_json::to_string_pretty(items)?
    } else {
        items.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

/// Ships what a gateway that is gone has left.
pub(crate) async fn outbox(
    config: Config,
    environment: Environment,
    command: OutboxCommand,
) -> anyhow::Result<()> {
    let OutboxCommand::Ship { folder } = command;
    if !folder.is_dir() {
        bail!("{} is not a folder", folder.display());
    }
    let shared = shared(config, environment).await?;
    let outbox = crate::gateway::open_outbox(&shared, &folder)?;
    let tasks = Tasks::new();
    crate::gateway::ship(&shared, &outbox, &tasks);
    let done = outbox.drain(Duration::from_secs(300)).await;
    let stats = outbox.stats();
    tasks.stop();
    tasks.drained(Duration::from_secs(10)).await;
    if !done {
        bail!(
            "{} records could not be shipped: {}",
            stats.unshipped,
            stats.failing.unwrap_or_default()
        );
    }
    writeln!(std::io::stdout(), "shipped {} records; the folder can be removed", stats.shipped)?;
    Ok(())
}
