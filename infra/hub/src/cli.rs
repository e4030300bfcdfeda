//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::embedded::clickhouse::ServerOptions;
use crate::explain::Asked;
use crate::remote::{Bounds, Entities, Keys, Users};

/// A self-hosted AI gateway.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// The settings, a TOML file; HUB_ variables go over it.
    #[arg(long, global = true, env = "HUB_CONFIG")]
    pub config: Option<PathBuf>,
    /// What to do; `serve` when not given.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Everything in one process: gateway, billing, health, sink, and the embedded ClickHouse.
    Serve,
    /// The gateway alone.
    Gateway,
    /// The billing processor alone.
    Billing,
    /// The health processor alone.
    Health,
    /// The writer of ClickHouse's tables alone.
    Sink,
    /// The embedded ClickHouse alone: as configured, or as the options say.
    Clickhouse {
        /// How a supervisor starts it.
        #[command(flatten)]
        options: Option<ServerOptions>,
    },
    /// Asks ClickHouse, as its read-only user.
    Sql {
        /// The query.
        query: String,
        /// Any of ClickHouse's formats; a table when not given.
        #[arg(long)]
        format: Option<String>,
    },
    /// Asks the hub process of these settings whether it is ready; fails with the reason if not.
    Probe,
    /// Prints the settings in force, and checks them.
    Config,
    /// Providers and their credentials.
    #[command(subcommand)]
    Providers(Providers),
    /// Models and their prices.
    #[command(subcommand)]
    Models(Models),
    /// Where calls go.
    #[command(subcommand)]
    Route(Route),
    /// API keys.
    #[command(subcommand)]
    Keys(Keys),
    /// What keys belong to.
    #[command(subcommand)]
    Projects(Entities),
    /// Who pays.
    #[command(subcommand)]
    Accounts(Entities),
    /// What models cost, in place of what price lists say.
    #[command(subcommand)]
    Prices(Entities),
    /// People.
    #[command(subcommand)]
    Users(Users),
    /// Roles of people.
    #[command(subcommand)]
    Bindings(Entities),
    /// Secrets of providers; the id is provider.name.
    #[command(subcommand)]
    Credentials(Entities),
    /// Rates, calls at a time and the cost of a call, bounded.
    #[command(subcommand)]
    Limits(Bounds),
    /// Money that is bounded by day or month.
    #[command(subcommand)]
    Budgets(Bounds),
    /// Who is told when a budget reaches a threshold.
    #[command(subcommand)]
    Webhooks(Entities),
    /// Makes the configuration what a file says, YAML or JSON: tells what would change, and does it with --yes.
    Apply {
        /// The file; - for standard input.
        #[arg(short, long)]
        file: PathBuf,
        /// What is not in the file goes, of the collections that it has.
        #[arg(long)]
        prune: bool,
        /// Makes the changes.
        #[arg(long)]
        yes: bool,
        /// Why, for the history.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Prints the whole configuration as `apply` takes it, secrets aside.
    ExportConfig,
    /// Makes a new token and a new one-time sign-in link for the owner, in place of those that were lost.
    Bootstrap,
    /// Wraps all secrets by the current master key, so that older ones are not needed any more.
    Rewrap,
    /// Prints completions for a shell.
    Completions {
        /// Which.
        shell: clap_complete::Shell,
    },
    /// Moves money of an account.
    #[command(subcommand)]
    Credits(Credits),
    /// Derives a processor's results again from the log, beside the live ones, and compares.
    Replay {
        /// Which processor.
        processor: Replayed,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Counts events in log, ledger and tables: nothing lost, nothing twice.
    Verify {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Who signed in, was refused, used or was shown a secret, or took the configuration out.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// The outbox of a gateway that will not start again.
    #[command(subcommand)]
    Outbox(OutboxCommand),
}

/// The audit trail.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Checks that no record of the trail, and no change of the configuration that it seals, was
    /// altered, removed or moved; fails and names the first that was.
    Verify {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints the last records.
    List {
        /// How many.
        #[arg(long, default_value_t = 100)]
        last: usize,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Providers and their credentials.
#[derive(Debug, Subcommand)]
pub enum Providers {
    /// What can be done with entities of every kind.
    #[command(flatten)]
    Entities(Entities),
    /// Tests each credential with the cheapest real request and says what is wrong with it.
    Check {
        /// The provider; all when not given.
        provider: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Models and their prices.
#[derive(Debug, Subcommand)]
pub enum Models {
    /// What can be done with entities of every kind.
    #[command(flatten)]
    Entities(Entities),
    /// Merges a catalogue into a price list: LiteLLM's model_prices_and_context_window.json, or
    /// models.dev's api.json. A running hub reads the list at its next start.
    Sync {
        /// The catalogue.
        catalogue: PathBuf,
        /// The price list; `prices_file` of the settings when not given. It is made when it is not there.
        #[arg(long)]
        to: Option<PathBuf>,
        /// Only these providers, as they are called here.
        #[arg(long)]
        provider: Vec<String>,
        /// Says what would change, and changes nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Where calls go.
#[derive(Debug, Subcommand)]
pub enum Route {
    /// Asks the running gateway of these settings which targets a call would be sent to, which were
    /// considered, and why.
    Explain {
        /// The call.
        #[command(flatten)]
        asked: Asked,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Moves money of an account.
#[derive(Debug, Subcommand)]
pub enum Credits {
    /// Adds to the account (or takes away, when negative).
    Grant {
        /// Whose.
        #[arg(long)]
        account: String,
        /// USD, such as 10 or -2.50.
        #[arg(long, allow_hyphen_values = true)]
        amount: String,
        /// Your id of the command: the same id with the same body is done once.
        #[arg(long)]
        command: String,
        /// Why, for the journal.
        #[arg(long)]
        reason: Option<String>,
    },
}

/// The outbox of a gateway that will not start again.
#[derive(Debug, Subcommand)]
pub enum OutboxCommand {
    /// Ships what is left in the folder to the log, settling lost calls.
    Ship {
        /// The outbox folder.
        folder: PathBuf,
    },
}

/// What can be derived again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Replayed {
    /// Journal and balances.
    Billing,
    /// Health of targets and credentials.
    Health,
    /// ClickHouse's tables.
    Sink,
}
