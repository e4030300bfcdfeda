//! The composition root: which roles run in this process, and what is embedded in it.

mod audit;
pub mod cli;
pub mod clickhouse;
mod codec;
mod commands;
pub mod config;
mod control;
mod door;
pub mod embedded;
mod explain;
pub mod gateway;
mod listen;
mod log;
mod models;
mod node;
mod operator;
mod own;
mod peer;
mod probe;
mod probing;
mod remote;
pub mod role;
pub mod secrets;
mod seed;
pub mod serve;
mod sql;
mod status;
mod uptime;
mod webhooks;
mod welcome;

use std::io::Write as _;

use anyhow::Context as _;
use runtime::task::CancellationToken;
use runtime::telemetry;

use crate::cli::{Cli, Command, Models, Providers};
use crate::config::{Config, Environment, LogFormat};
use crate::role::Role;

/// Does what the command line says.
///
/// # Errors
/// In words for the person who typed it.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    if let Some(Command::Clickhouse { options: Some(options) }) = &cli.command {
        return Ok(embedded::clickhouse::run(options, CancellationToken::new())?);
    }
    let environment: Environment = runtime::config::environment().into_iter().collect();
    let config = config::load(cli.config.as_deref(), &environment)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime could not be started")?;
    runtime.block_on(dispatch(cli.command.unwrap_or(Command::Serve), config, environment))
}

async fn dispatch(
    command: Command,
    config: Config,
    environment: Environment,
) -> anyhow::Result<()> {
    match command {
        Command::Serve => serve(config, environment, &Role::ALL, true).await,
        Command::Gateway => serve(config, environment, &[Role::Gateway], false).await,
        Command::Billing => serve(config, environment, &[Role::Billing], false).await,
        Command::Health => serve(config, environment, &[Role::Health], false).await,
        Command::Sink => serve(config, environment, &[Role::Sink], false).await,
        Command::Clickhouse { .. } => serve(config, environment, &[], true).await,
        Command::Sql { query, format } => {
            sql::run(&config, &environment, &query, format.as_deref()).await
        }
        Command::Probe => probe::run(&config).await,
        Command::Config => {
            let text = toml::to_string(&config).context("the settings can't be printed")?;
            Ok(std::io::stdout().write_all(text.as_bytes())?)
        }
        Command::Providers(Providers::Entities(command)) => {
            remote::entities(&config, &environment, "providers", command).await
        }
        Command::Providers(Providers::Check { provider, json }) => {
            commands::check(&config, &environment, provider.as_deref(), json).await
        }
        Command::Models(Models::Entities(command)) => {
            remote::entities(&config, &environment, "models", command).await
        }
        Command::Models(Models::Sync { catalogue, to, provider, dry_run }) => {
            models::sync(&config, &catalogue, to.as_deref(), &provider, dry_run)
        }
        Command::Keys(command) => remote::keys(&config, &environment, command).await,
        Command::Projects(command) => {
            remote::entities(&config, &environment, "projects", command).await
        }
        Command::Accounts(command) => {
            remote::entities(&config, &environment, "accounts", command).await
        }
        Command::Prices(command) => {
            remote::entities(&config, &environment, "prices", command).await
        }
        Command::Users(command) => remote::users(&config, &environment, command).await,
        Command::Bindings(command) => {
            remote::entities(&config, &environment, "bindings", command).await
        }
        Command::Credentials(command) => {
            remote::entities(&config, &environment, "credentials", command).await
        }
        Command::Limits(command) => remote::bounds(&config, &environment, "limits", command).await,
        Command::Budgets(command) => {
            remote::bounds(&config, &environment, "budgets", command).await
        }
        Command::Webhooks(command) => {
            remote::entities(&config, &environment, "webhooks", command).await
        }
        Command::Apply { file, prune, yes, reason } => {
            remote::apply(&config, &environment, &file, prune, yes, reason).await
        }
        Command::ExportConfig => remote::export(&config, &environment).await,
        Command::Bootstrap => commands::bootstrap(config, environment).await,
        Command::Rewrap => remote::rewrap(&config, &environment).await,
        Command::Completions { shell } => {
            let mut command = <Cli as clap::CommandFactory>::command();
            clap_complete::generate(shell, &mut command, "hub", &mut std::io::stdout());
            Ok(())
        }
        Command::Route(cli::Route::Explain { asked, json }) => {
            let told =
                explain::run(&remote::Remote::new(&config, &environment)?, &asked, json).await?;
            Ok(std::io::stdout().write_all(told.as_bytes())?)
        }
        Command::Credits(command) => commands::credits(config, environment, command).await,
        Command::Replay { processor, json } => {
            commands::replay(config, environment, processor, json).await
        }
        Command::Verify { json } => commands::verify(config, environment, json).await,
        Command::Audit(command) => audit::run(config, environment, command).await,
        Command::Outbox(command) => commands::outbox(config, environment, command).await,
    }
}

/// Runs roles until the process is told to stop.
async fn serve(
    config: Config,
    environment: Environment,
    roles: &[Role],
    whole: bool,
) -> anyhow::Result<()> {
    telemetry::init(&telemetry::Options {
        format: match config.telemetry.format {
            LogFormat::Pretty => telemetry::Format::Pretty,
            LogFormat::Json => telemetry::Format::Json,
        },
        filter: config.telemetry.filter.clone(),
        color: std::io::IsTerminal::is_terminal(&std::io::stderr()),
    })?;
    let (data, signin) = (config.data.clone(), config.signin.clone());
    // from here on a signal means an orderly stop, however far the start has come
    let told_to_stop = told_to_stop()?;
    tokio::pin!(told_to_stop);
    let running = tokio::select! {
        running = serve::start(config, environment, roles, whole) => running?,
        () = &mut told_to_stop => return Ok(()),
    };
    welcome::print(&running, &data, &signin, roles)?;
    told_to_stop.await;
    tracing::info!("stopping");
    running.stop().await;
    Ok(())
}

/// Waits for SIGTERM or Ctrl-C; both are caught from now on, not from the first poll.
fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
