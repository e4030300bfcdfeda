//! What `docker-compose.yml` says, read strictly: a field that is not known here is an error.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Compose {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "x-service")]
    _service: Value,
    #[serde(rename = "x-hub")]
    _hub: Value,
    #[serde(rename = "x-environment")]
    _environment: Value,
    #[serde(rename = "x-gateway")]
    _gateway: Value,
    pub(crate) services: BTreeMap<String, Service>,
    pub(crate) configs: BTreeMap<String, Source>,
    pub(crate) networks: BTreeMap<String, Network>,
    pub(crate) volumes: BTreeMap<String, Volume>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Service {
    pub(crate) image: String,
    pub(crate) build: Option<Build>,
    #[serde(default)]
    pub(crate) command: Vec<String>,
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, Value>,
    #[serde(default)]
    pub(crate) configs: Vec<Mount>,
    #[serde(default)]
    pub(crate) volumes: Vec<String>,
    #[serde(default)]
    pub(crate) ports: Vec<String>,
    pub(crate) networks: Vec<String>,
    #[serde(default)]
    pub(crate) depends_on: BTreeMap<String, Need>,
    pub(crate) healthcheck: Healthcheck,
    pub(crate) restart: String,
    pub(crate) user: Option<String>,
    #[serde(default)]
    pub(crate) read_only: bool,
    pub(crate) cap_drop: Vec<String>,
    pub(crate) security_opt: Vec<String>,
    pub(crate) stop_grace_period: Option<String>,
    #[serde(rename = "ulimits")]
    _ulimits: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Build {
    pub(crate) context: String,
    pub(crate) dockerfile: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mount {
    pub(crate) source: String,
    pub(crate) target: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    pub(crate) file: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Network {
    #[serde(default)]
    pub(crate) internal: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Volume {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Need {
    pub(crate) condition: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Healthcheck {
    pub(crate) test: Vec<String>,
    #[serde(rename = "interval")]
    _interval: String,
    #[serde(rename = "timeout")]
    _timeout: String,
    pub(crate) retries: u32,
    #[serde(rename = "start_period")]
    _start_period: String,
}

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A file of the repository.
pub(crate) fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The file.
pub(crate) fn compose() -> Compose {
    serde_saphyr::from_str(&text("docker-compose.yml")).unwrap_or_else(|error| panic!("{error}"))
}

impl Compose {
    /// The services that are built here: the hub's roles.
    pub(crate) fn hubs(&self) -> impl Iterator<Item = (&String, &Service)> {
        self.services.iter().filter(|(_, service)| service.build.is_some())
    }
}

impl Service {
    /// Its variables with what the caller's environment says put in.
    pub(crate) fn variables(
        &self,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<BTreeMap<String, String>, String> {
        let plain = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let one = |(name, value): (&String, &Value)| {
            Ok((name.clone(), interpolate(&plain(value), &lookup)?))
        };
        self.environment.iter().map(one).collect()
    }
}

/// Puts variables in as Compose does: `${NAME:-default}` and `${NAME:?message}`, the two forms that
/// the file uses.
pub(crate) fn interpolate(
    text: &str,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let Some((before, rest)) = text.split_once('$') else {
        return Ok(text.to_owned());
    };
    let (inside, after) = rest
        .strip_prefix('{')
        .and_then(|rest| rest.split_once('}'))
        .unwrap_or_else(|| panic!("{text:?}: only ${{NAME:-default}} and ${{NAME:?message}}"));
    let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
    let value = match (inside.split_once(":-"), inside.split_once(":?")) {
        (Some((name, default)), _) => set(name).unwrap_or_else(|| default.to_owned()),
        (None, Some((name, message))) => set(name).ok_or(format!("{name}: {message}"))?,
        (None, None) => panic!("{text:?} is empty without a word when {inside} is not set"),
    };
    Ok(format!("{before}{value}{}", interpolate(after, lookup)?))
}
