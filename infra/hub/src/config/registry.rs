//! Where schema ids come from: the hub's own table, or a registry.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use runtime::registry::Options;
use runtime::secret::SecretRef;
use serde::{Deserialize, Serialize};

use super::Environment;

/// A schema registry.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegistryConfig {
    /// Address of Confluent's API; the hub's own table of ids when not given. Decided before the
    /// first event: ids are in all of them.
    pub url: Option<String>,
    /// Who asks, when the registry wants to know.
    pub user: Option<String>,
    /// Their password.
    pub password: Option<SecretRef>,
    /// Certificate authorities that are trusted beside the system's, PEM.
    pub ca: Option<PathBuf>,
}

impl RegistryConfig {
    /// What the type alone does not say.
    ///
    /// # Errors
    /// Names the field and what would be right.
    pub fn check(&self) -> anyhow::Result<()> {
        let given = [
            ("user", self.user.is_some()),
            ("password", self.password.is_some()),
            ("ca", self.ca.is_some()),
        ];
        for (name, given) in given {
            ensure!(
                !given || self.url.is_some(),
                "registry.{name} is set, but registry.url (HUB_REGISTRY_URL) is not: set it to the address of the registry"
            );
        }
        ensure!(
            self.user.is_some() == self.password.is_some(),
            "registry.user and registry.password go together: give both or none"
        );
        Ok(())
    }

    /// How the registry is opened, if there is one.
    ///
    /// # Errors
    /// The password can't be read.
    pub fn options(
        &self,
        kept: &Path,
        prefix: &str,
        environment: &Environment,
    ) -> anyhow::Result<Option<Options>> {
        let Some(url) = &self.url else {
            return Ok(None);
        };
        let password = self.password.as_ref();
        let password =
            password.map(|reference| reference.resolve(|name| environment.get(name).cloned()));
        let password = password.transpose().context("registry.password")?;
        Ok(Some(Options {
            login: self.user.clone().zip(password),
            ca: self.ca.clone(),
            prefix: prefix.to_owned(),
            ..Options::new(url, kept)
        }))
    }
}
