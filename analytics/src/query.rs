//! Named queries: one per file of `queries/`.

use std::collections::BTreeMap;

/// A query by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Query {
    /// Its name.
    pub name: &'static str,
    /// Its text, with parameters such as `{account:String}`.
    pub sql: &'static str,
}

macro_rules! queries {
    ($($name:literal),* $(,)?) => {
        &[$(Query { name: $name, sql: include_str!(concat!("../queries/", $name, ".sql")) }),*]
    };
}

/// All named queries.
pub const QUERIES: &[Query] = queries![
    "attempts_by_target",
    "calls_by_hour",
    "spend_by_day",
    "spend_by_meter",
    "statement",
    "trail",
    "unbilled",
    "uptime",
];

/// Why a query gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no query of this name.
    #[error("no query is named {0:?}")]
    Unknown(String),
    /// A parameter is missing, or is not one.
    #[error("query {query} takes the parameters {wanted:?}, got {given:?}")]
    Parameters {
        /// Which query.
        query: &'static str,
        /// What it takes.
        wanted: Vec<&'static str>,
        /// What was given.
        given: Vec<String>,
    },
    /// ClickHouse refused or is away.
    #[error(transparent)]
    ClickHouse(#[from] clickhouse::error::Error),
}

impl Query {
    /// The query of this name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn find(name: &str) -> Result<Self, Error> {
        let found = QUERIES.iter().find(|query| query.name == name);
        found.copied().ok_or_else(|| Error::Unknown(name.to_owned()))
    }

    /// What it tells, in one line.
    pub fn about(&self) -> &'static str {
        let first = self.sql.lines().next().unwrap_or_default();
        first.trim_start_matches("--").trim()
    }

    /// Its parameters, in order of first use.
    pub fn parameters(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for part in self.sql.split('{').skip(1) {
            let name = part.split_once(':').map(|(name, _)| name);
            names.extend(name.filter(|name| !names.contains(name)));
        }
        names
    }

    /// Runs it and returns the answer in a ClickHouse format, such as `JSONEachRow`.
    ///
    /// # Errors
    /// [`Error::Parameters`] or [`Error::ClickHouse`].
    pub async fn run(
        &self,
        client: &clickhouse::Client,
        parameters: &BTreeMap<String, String>,
        format: &str,
    ) -> Result<Vec<u8>, Error> {
        let wanted = self.parameters();
        let fits = wanted.len() == parameters.len()
            && wanted.iter().all(|name| parameters.contains_key(*name));
        if !fits {
            let given = parameters.keys().cloned().collect();
            return Err(Error::Parameters { query: self.name, wanted, given });
        }
        let mut query = client.query_raw(self.sql);
        for (name, value) in parameters {
            query = query.param(name, value);
        }
        let mut answer = query.fetch_bytes(format)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.next().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_query() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("queries");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let known: Vec<_> = QUERIES.iter().map(|query| format!("{}.sql", query.name)).collect();
        assert_eq!(files, known);
        for query in QUERIES {
            assert!(query.about().ends_with('.'), "{} says what it tells", query.name);
        }
    }

    #[test]
    fn parameters_are_read_from_the_text() {
        assert_eq!(Query::find("statement").unwrap().parameters(), ["account", "from", "to"]);
        assert!(matches!(Query::find("nope"), Err(Error::Unknown(_))));
    }
}
