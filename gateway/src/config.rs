//! What an operator's file says of providers, models, keys and accounts: a seed.
//!
//! Until the control plane exists the seed fills the [`Snapshot`](crate::control::Snapshot)
//! directly, behind the same interface.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use runtime::config::{Bytes, Time};
use runtime::secret::SecretRef;
use serde::{Deserialize, Serialize};

use crate::control::KeyHash;
use crate::control::catalogue::Catalogue;
use crate::routing::local::Rules;
use crate::routing::{Share, Strategy};

/// What fills the first snapshot.
#[derive(Clone, Debug, Default)]
pub struct Seed {
    /// What happens to calls of metered accounts for models without a price; prepaid accounts are
    /// always refused.
    pub unpriced: Unpriced,
    /// Providers, those that the environment names among them.
    pub providers: Vec<ProviderSeed>,
    /// Models by the name that callers use, beside those of the price lists.
    pub models: Vec<ModelSeed>,
    /// API keys.
    pub keys: Vec<KeySeed>,
    /// How keys are hashed.
    pub key_hash: KeyHash,
    /// Accounts; a key's account that is not listed is metered.
    pub accounts: Vec<AccountSeed>,
    /// What is known of models.
    pub catalogue: Arc<Catalogue>,
}

/// Bounds on what a caller may send and how long it may take.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest request body.
    pub body: Bytes,
    /// Largest whole answer of a provider; streams have no such bound.
    pub answer: Bytes,
    /// Longest time for a request body to arrive.
    pub body_time: Time,
    /// Longest time that a caller may take none of an answer that waits for it.
    pub write_time: Time,
    /// Longest time for a whole call, all attempts together.
    pub call_time: Time,
    /// Output tokens held, and sent upstream, for a call that names no maximum, where its account is prepaid or its
    /// cost is bounded.
    pub default_max_output: i64,
    /// Longest time to finish open calls at shutdown.
    pub drain_time: Time,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: Bytes(32 << 20),
            answer: Bytes(64 << 20),
            body_time: Time(Duration::from_secs(30)),
            write_time: Time(Duration::from_secs(60)),
            call_time: Time(Duration::from_secs(600)),
            default_max_output: 4096,
            drain_time: Time(Duration::from_secs(30)),
        }
    }
}

/// The outbox between the request path and the log.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutboxConfig {
    /// Size of one preallocated file.
    pub segment: Bytes,
    /// Size of all; past it new calls are refused with 503, never unbilled.
    pub limit: Bytes,
    /// What an answer survives: `process` (kill -9) or `host` (power loss; waits for the disk).
    pub durability: Durability,
}

impl Default for OutboxConfig {
    fn default() -> Self {
        Self { segment: Bytes(64 << 20), limit: Bytes(1 << 30), durability: Durability::Process }
    }
}

/// What an answer survives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// The death of the process.
    Process,
    /// Power loss.
    Host,
}

/// How providers are reached.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamConfig {
    /// More certificate authorities, PEM.
    pub ca_file: Option<PathBuf>,
    /// Proxy for https addresses, such as `http://proxy:3128`; `HTTPS_PROXY` when not set.
    pub https_proxy: Option<String>,
    /// Hosts that are reached without it, separated by commas; `NO_PROXY` when not set.
    pub no_proxy: Option<String>,
    /// Media that callers name by address, for providers that want them in the request.
    pub media: MediaConfig,
}

/// How long a gateway leaves alone what fails before its eyes, and how many second tries it spends.
/// What each is about, and where the defaults are from: [`Rules`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoutingConfig {
    /// The first ejection; each one in a row lasts twice as long.
    pub eject: Time,
    /// The longest ejection.
    pub eject_most: Time,
    /// The longest rate limit that is believed.
    pub limited_most: Time,
    /// In so long weight comes back after an ejection.
    pub slow_start: Time,
    /// Second tries at the same target, percent of its calls.
    pub repeat_percent: u32,
    /// Calls that go on to a target that is not well, percent of all.
    pub failover_percent: u32,
    /// So many a second may go on, however few calls there are.
    pub failover_floor: u32,
}

impl Default for RoutingConfig {
    fn default() -> Self {
        let rules = Rules::default();
        Self {
            eject: Time(rules.eject),
            eject_most: Time(rules.eject_most),
            limited_most: Time(rules.limited_most),
            slow_start: Time(rules.slow_start),
            repeat_percent: rules.repeats.percent,
            failover_percent: rules.moves.percent,
            failover_floor: rules.moves.floor / SHARE_SECONDS,
        }
    }
}

/// Budgets look back on so many seconds.
const SHARE_SECONDS: u32 = 10;

impl From<RoutingConfig> for Rules {
    fn from(config: RoutingConfig) -> Self {
        let rules = Self::default();
        Self {
            eject: config.eject.get(),
            eject_most: config.eject_most.get(),
            limited_most: config.limited_most.get(),
            slow_start: config.slow_start.get(),
            repeats: Share { percent: config.repeat_percent, ..rules.repeats },
            moves: Share {
                percent: config.failover_percent,
                floor: config.failover_floor.saturating_mul(SHARE_SECONDS),
            },
            ..rules
        }
    }
}

/// How providers are asked for their models.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiscoveryConfig {
    /// Whether they are asked at all.
    pub enabled: bool,
    /// How often.
    pub every: Time,
}

impl Default for DiscoveryConfig {
    fn default() -> Self {
        Self { enabled: true, every: Time(Duration::from_secs(60 * 60)) }
    }
}

/// How media are fetched that callers name by address.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MediaConfig {
    /// The most bytes of all media of a call.
    pub size: Bytes,
    /// Longest time for all of them.
    pub time: Time,
    /// Hosts, as `name` or `name:port`, that may be fetched from over plain http and though their
    /// addresses are private. None by default: a caller could reach what only the hub can.
    pub trusted: Vec<String>,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self { size: Bytes(20 << 20), time: Time(Duration::from_secs(20)), trusted: Vec::new() }
    }
}

/// What happens to calls for models without a price.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unpriced {
    /// Served, and posted to suspense until a price is found.
    #[default]
    Flag,
    /// Refused.
    Refuse,
}

/// A provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSeed {
    /// Its name here; the first segment of a pinned model.
    pub id: String,
    /// Its row in the table of vendors; the id when not set.
    #[serde(default)]
    pub vendor: Option<String>,
    /// Where it is, when not at the vendor's usual address.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Its credentials; may be empty for providers that want none.
    #[serde(default)]
    pub credentials: Vec<CredentialSeed>,
    /// Models that it serves beside those of its price list.
    #[serde(default)]
    pub models: Vec<String>,
    /// Share of the calls for models that several providers serve.
    #[serde(default = "one")]
    pub weight: u32,
    /// Where it is, such as `eu`: for keys and models that are held to regions.
    #[serde(default)]
    pub region: Option<String>,
    /// Whether it may be at a private address, such as a local Ollama: who writes the settings may say where
    /// providers are. Never at that of a metadata service.
    #[serde(default = "yes")]
    pub allow_private: bool,
}

/// A credential of a provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialSeed {
    /// Its name.
    pub id: String,
    /// The secret: `env:NAME`, `file:PATH`, or itself.
    pub secret: SecretRef,
    /// Raised by hand when the secret behind the reference changes, so that its health starts anew.
    #[serde(default = "one")]
    pub version: u32,
    /// Share of the provider's calls.
    #[serde(default = "one")]
    pub weight: u32,
}

/// A model by the name that callers use.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSeed {
    /// The name. A trailing `*` stands for any ending, which a `*` in a target's model repeats.
    pub name: String,
    /// What serves it. With none, it is another name of its first fallback.
    #[serde(default)]
    pub targets: Vec<TargetSeed>,
    /// How targets of the same priority are ordered that are equally well.
    #[serde(default)]
    pub strategy: Strategy,
    /// Models that are asked when no target of this one answers, in this order. Their own fallbacks
    /// are not.
    #[serde(default)]
    pub fallbacks: Vec<String>,
    /// Whether a call that names one of its providers (`openai/NAME`) may go on to the others.
    #[serde(default)]
    pub pin_fallback: bool,
    /// Regions of providers that its calls must not leave; any when empty.
    #[serde(default)]
    pub regions: Vec<String>,
    /// Prices above which a target is left out.
    #[serde(default)]
    pub max_price: MaxPriceSeed,
    /// Projects for whose keys this holds, in place of what holds for others; all when empty.
    #[serde(default)]
    pub projects: Vec<String>,
}

/// USD per million tokens, such as `"2.50"`; a target without a price is above it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaxPriceSeed {
    /// Of input.
    pub input: Option<String>,
    /// Of output.
    pub output: Option<String>,
}

/// A provider's model.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSeed {
    /// The provider's id.
    pub provider: String,
    /// Its model; the caller's name when not set.
    #[serde(default)]
    pub model: Option<String>,
    /// Share of the calls.
    #[serde(default = "one")]
    pub weight: u32,
    /// Targets of a lower priority are tried only after all of the higher ones.
    #[serde(default)]
    pub priority: u32,
    /// Tags that a call must carry to come here.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Percent of the calls that try it before the others, an end user's all or none; the rest never
    /// come here.
    #[serde(default)]
    pub canary: Option<u8>,
}

/// An API key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySeed {
    /// Its public name, in events and tables.
    pub id: String,
    /// The key itself: `env:NAME`, `file:PATH`. Kept only as its SHA-256.
    #[serde(default)]
    pub secret: Option<SecretRef>,
    /// SHA-256 of the key, 64 hex digits, instead of the secret.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Who pays.
    #[serde(default = "default_name")]
    pub account: String,
    /// What the key belongs to.
    #[serde(default = "default_name")]
    pub project: String,
    /// Models that the key may use; all when empty. A trailing `*` stands for any ending.
    #[serde(default)]
    pub models: Vec<String>,
    /// Origins of pages whose scripts may call with this key, such as `https://app.example.com`, or `*`.
    /// None when empty: a key in a page is known to all who see the page.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Lets Bedrock's clients sign requests with a credential of the hub's own, as they do for AWS. Off when not set.
    #[serde(default)]
    pub aws: Option<AwsSeed>,
    /// Regions of providers that its calls must not leave; any when empty.
    #[serde(default)]
    pub regions: Vec<String>,
}

/// A credential that signs requests (SigV4). AWS knows nothing of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsSeed {
    /// Its public name: letters and digits.
    pub access_key_id: String,
    /// What signs: `env:NAME`, `file:PATH`, or itself; another than the key's. Kept as it is, as
    /// checking a signature takes it.
    pub secret: SecretRef,
}

/// An account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSeed {
    /// Its id.
    pub id: String,
    /// How it pays.
    #[serde(default)]
    pub kind: AccountKind,
    /// USD granted once, when the account is first seen.
    #[serde(default)]
    pub grant: Option<String>,
}

/// How an account pays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// Afterwards, without limit.
    #[default]
    Metered,
    /// Before: a spent account gets 402.
    Prepaid,
}

const fn yes() -> bool {
    true
}

const fn one() -> u32 {
    1
}

fn default_name() -> String {
    "default".into()
}
