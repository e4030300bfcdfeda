//! ClickHouse, embedded or elsewhere.

use std::path::PathBuf;

use anyhow::ensure;
use runtime::secret::SecretRef;
use serde::{Deserialize, Serialize};

/// ClickHouse, embedded or elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClickhouseConfig {
    /// Where the embedded engine listens.
    pub listen: String,
    /// The embedded engine's library, `libchdb.so`.
    pub library: Option<PathBuf>,
    /// Address of a ClickHouse server to use instead of the embedded engine.
    pub url: Option<String>,
    /// Certificates of the authorities that its own comes from, PEM, beside the system's.
    pub ca: Option<PathBuf>,
    /// Who makes the tables and writes them.
    pub user: String,
    /// The password.
    pub password: Option<SecretRef>,
    /// Who asks by `hub sql`.
    pub reader_user: String,
    /// The password.
    pub reader_password: Option<SecretRef>,
    /// The cluster of one shard on whose replicas the tables are kept, as the servers name it.
    pub cluster: Option<String>,
}

impl Default for ClickhouseConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8123".into(),
            library: None,
            url: None,
            ca: None,
            user: "hub".into(),
            password: None,
            reader_user: "reader".into(),
            reader_password: None,
            cluster: None,
        }
    }
}

impl ClickhouseConfig {
    /// What the types of the fields alone do not say.
    ///
    /// # Errors
    /// Names the field and what would be right.
    pub fn check(&self) -> anyhow::Result<()> {
        let Some(url) = &self.url else {
            let of_a_server = [
                ("ca", self.ca.is_some()),
                ("reader_password", self.reader_password.is_some()),
                ("cluster", self.cluster.is_some()),
            ];
            for (name, given) in of_a_server {
                ensure!(
                    !given,
                    "clickhouse.{name} is of a server of your own: give clickhouse.url (HUB_CLICKHOUSE_URL), too"
                );
            }
            return Ok(());
        };
        let parsed = url::Url::parse(url).ok().filter(|url| {
            let plain = url.username().is_empty() && url.password().is_none();
            matches!(url.scheme(), "http" | "https") && url.has_host() && plain
        });
        ensure!(
            parsed.is_some_and(|url| url.query().is_none() && url.fragment().is_none()),
            "clickhouse.url must be an address such as https://clickhouse:8443, with no user, password or query"
        );
        ensure!(
            self.ca.is_none() || url.starts_with("https://"),
            "clickhouse.ca is given, but clickhouse.url = {url:?} is not https"
        );
        ensure!(
            self.cluster
                .as_ref()
                .is_none_or(|name| !name.is_empty() && !name.contains(['\'', '\\'])),
            "clickhouse.cluster must be a name such as hub, or a macro of the servers such as {{cluster}}"
        );
        Ok(())
    }
}
