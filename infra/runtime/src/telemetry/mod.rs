//! What operators see: log lines on stderr, numbers at `/metrics`, traces over OTLP.
//!
//! None of them holds a prompt, an answer, a secret, or a name that callers choose.

pub mod metrics;
pub mod trace;

use std::fmt;

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people; coloured on a terminal.
    #[default]
    Pretty,
    /// One JSON object per line.
    Json,
}

/// What is logged, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// How lines look.
    pub format: Format,
    /// Directives by target, such as `info` or `gateway=debug,info`.
    pub filter: String,
    /// Colours in [`Format::Pretty`].
    pub color: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { format: Format::Pretty, filter: "info".into(), color: false }
    }
}

/// Why logging can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter can't be read.
    #[error(
        "log filter {filter:?}: {source}: give something like \"info\" or \"gateway=debug,info\""
    )]
    Filter {
        /// As it was given.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// It was started before.
    #[error("logging was started before")]
    Started,
}

/// Starts logging of the whole process, to stderr.
///
/// # Errors
/// All of [`Error`].
pub fn init(options: &Options) -> Result<(), Error> {
    subscriber(options, std::io::stderr)?.try_init().map_err(|_| Error::Started)
}

type Subscriber = Box<dyn tracing::Subscriber + Send + Sync>;

fn subscriber<W>(options: &Options, to: W) -> Result<Subscriber, Error>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder()
        .parse(&options.filter)
        .map_err(|source| Error::Filter { filter: options.filter.clone(), source })?;
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(to);
    Ok(match options.format {
        Format::Pretty => Box::new(registry.with(lines.with_ansi(options.color))),
        Format::Json => Box::new(registry.with(lines.json().flatten_event(true))),
    })
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pretty => "pretty",
            Self::Json => "json",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, filter: &str) -> String {
        let lines = Lines::default();
        let to = lines.clone();
        let options = Options { format, filter: filter.into(), color: false };
        let subscriber = subscriber(&options, move || to.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("call", id = 7);
            span.in_scope(|| tracing::info!(port = 8787, "listening"));
            tracing::debug!("detail");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_lines_are_objects() {
        let text = logged(Format::Json, "info");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "listening");
        assert_eq!(line["port"], 8787);
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["span"]["id"], 7);
    }

    #[test]
    fn the_filter_counts() {
        assert_eq!(logged(Format::Pretty, "info").lines().count(), 1);
        assert_eq!(logged(Format::Pretty, "debug").lines().count(), 2);
        assert_eq!(logged(Format::Pretty, "off"), "");
    }

    #[test]
    fn a_bad_filter_is_refused_with_an_example() {
        let options = Options { filter: "gateway=loud".into(), ..Options::default() };
        let error = subscriber(&options, io::sink).map(drop).unwrap_err().to_string();
        assert!(error.contains("gateway=loud") && error.contains("gateway=debug,info"), "{error}");
    }
}
