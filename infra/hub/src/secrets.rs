//! What is made at random at first start, into 0600 files of the data folder.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use runtime::secret::{Secret, read_or_make};

use crate::embedded::clickhouse::{Role, password};

/// The secrets of a data folder.
#[derive(Clone, Debug)]
pub struct Secrets {
    data: PathBuf,
}

impl Secrets {
    /// Those of this folder.
    pub fn new(data: &Path) -> Self {
        Self { data: data.to_owned() }
    }

    /// Where the client key is.
    pub fn client_key_path(&self) -> PathBuf {
        self.data.join("secrets").join("client-key")
    }

    /// Where the master key is, in a folder that is there.
    ///
    /// # Errors
    /// The folder can't be made.
    pub fn master_key_path(&self) -> anyhow::Result<PathBuf> {
        self.path("master-key")
    }

    /// Where the owner's token is, in a folder that is there.
    ///
    /// # Errors
    /// The folder can't be made.
    pub fn owner_token_path(&self) -> anyhow::Result<PathBuf> {
        self.path("owner-token")
    }

    fn path(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.data.join("secrets");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("can't make {}", folder.display()))?;
        Ok(folder.join(name))
    }

    /// The client key, made when there is none.
    ///
    /// # Errors
    /// The file can't be read or made, or others may read it.
    pub fn client_key(&self) -> anyhow::Result<Secret> {
        let (secret, _) = read_or_make(&self.path("client-key")?, 32)?;
        Ok(secret)
    }

    /// Where the embedded ClickHouse keeps its data and passwords.
    pub fn clickhouse_folder(&self) -> PathBuf {
        self.data.join("clickhouse")
    }

    /// The password of a user of the embedded ClickHouse, made when there is none.
    ///
    /// # Errors
    /// The file can't be read or made.
    pub fn clickhouse(&self, role: Role) -> anyhow::Result<Secret> {
        let folder = self.clickhouse_folder();
        password(&folder, role).with_context(|| format!("passwords in {}", folder.display()))
    }
}
