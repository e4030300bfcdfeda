//! Where traces go, as OpenTelemetry's variables say.

use std::collections::BTreeMap;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::secret::Secret;

/// Where traces go.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The whole address, such as `http://127.0.0.1:4318/v1/traces`.
    pub endpoint: String,
    /// Headers of each request; values may be keys.
    pub headers: Vec<(String, Secret)>,
    /// What is said of this process: `service.name` and its like.
    pub resource: BTreeMap<String, String>,
    /// Share of calls that are recorded when no caller decides, 0 to 1.
    pub ratio: f64,
    /// Longest time that a span waits for others.
    pub delay: Duration,
    /// Longest time for one request.
    pub timeout: Duration,
}

/// Why traces can't be sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A variable that can't be read.
    #[error("{variable}: {found:?} is not {wanted}")]
    Variable {
        /// The variable.
        variable: &'static str,
        /// Its value.
        found: String,
        /// What would be right.
        wanted: &'static str,
    },
    /// Headers that can't be read; they may hold keys and are not repeated.
    #[error("{0} is not a list such as name=value,name=value")]
    Headers(&'static str),
    /// There can be no HTTP client.
    #[error("no client for traces: {0}")]
    Client(reqwest::Error),
}

impl Settings {
    /// Settings from OpenTelemetry's variables and the configured endpoint, which counts for
    /// more. `None` when neither names an endpoint, or `OTEL_SDK_DISABLED` is true.
    ///
    /// Read are `OTEL_EXPORTER_OTLP_[TRACES_]ENDPOINT`, `…_HEADERS`, `…_TIMEOUT`, `…_PROTOCOL`
    /// (only `http/protobuf`), `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`,
    /// `OTEL_TRACES_SAMPLER_ARG` and `OTEL_BSP_SCHEDULE_DELAY`.
    ///
    /// # Errors
    /// [`Error::Variable`] or [`Error::Headers`].
    pub fn read(
        endpoint: Option<&str>,
        version: &str,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, Error> {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        if env("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let base = endpoint.map(str::to_owned).or_else(|| env("OTEL_EXPORTER_OTLP_ENDPOINT"));
        let base = base.map(|base| format!("{}/v1/traces", base.trim_end_matches('/')));
        let own = env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").filter(|_| endpoint.is_none());
        let Some(endpoint) = own.or(base) else {
            return Ok(None);
        };
        if !(endpoint.starts_with("http://") || endpoint.starts_with("https://")) {
            return Err(Error::Variable {
                variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
                found: endpoint,
                wanted: "an address such as http://127.0.0.1:4318",
            });
        }
        let first = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| env(name).map(|value| (name, value)))
        };
        let protocol = first(["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"]);
        if let Some((variable, found)) = protocol
            && found != "http/protobuf"
        {
            return Err(Error::Variable { variable, found, wanted: "http/protobuf" });
        }
        let headers =
            match first(["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"]) {
                Some((variable, text)) => pairs(&text).ok_or(Error::Headers(variable))?,
                None => Vec::new(),
            };
        let resource = match env("OTEL_RESOURCE_ATTRIBUTES") {
            Some(text) => pairs(&text).ok_or(Error::Headers("OTEL_RESOURCE_ATTRIBUTES"))?,
            None => Vec::new(),
        };
        let mut resource: BTreeMap<String, String> = resource.into_iter().collect();
        resource.entry("service.version".into()).or_insert_with(|| version.to_owned());
        match env("OTEL_SERVICE_NAME") {
            Some(name) => drop(resource.insert("service.name".into(), name)),
            None => drop(resource.entry("service.name".into()).or_insert_with(|| "hub".into())),
        }
        let ratio = env("OTEL_TRACES_SAMPLER_ARG").map_or(Ok(1.0), |found| {
            let ratio = found.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
            ratio.ok_or(Error::Variable {
                variable: "OTEL_TRACES_SAMPLER_ARG",
                found,
                wanted: "a share from 0 to 1",
            })
        })?;
        let timeout = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
        Ok(Some(Self {
            endpoint,
            headers: headers.into_iter().map(|(name, value)| (name, value.into())).collect(),
            resource,
            ratio,
            delay: millis(first(["OTEL_BSP_SCHEDULE_DELAY"; 2]), 5_000)?,
            timeout: millis(first(timeout), 10_000)?,
        }))
    }
}

fn millis(given: Option<(&'static str, String)>, default: u64) -> Result<Duration, Error> {
    let millis = match given {
        None => default,
        Some((variable, found)) => match found.parse() {
            Ok(millis) => millis,
            Err(_) => {
                return Err(Error::Variable {
                    variable,
                    found,
                    wanted: "a number of milliseconds",
                });
            }
        },
    };
    Ok(Duration::from_millis(millis))
}

/// `name=value,name=value`, values percent-encoded.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let items = text.split(',').filter(|item| !item.trim().is_empty());
    let pair = |item: &str| {
        let (name, value) = item.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((name.trim().to_owned(), value.into_owned()))
    };
    items.map(pair).collect()
}
