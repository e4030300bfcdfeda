//! The contract of any log, on a file; each handle is one that another process could have.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use runtime::clock::Clock;
use runtime::log::Log;
use runtime::log::contract::Fixture;
use runtime::log::local::{LocalLog, Options};
use tempfile::TempDir;

struct LocalFixture(TempDir);

impl LocalFixture {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("log.db")
    }
}

#[async_trait]
impl Fixture for LocalFixture {
    async fn open(&self) -> Arc<dyn Log> {
        LocalLog::open(&self.path(), Options::new(2, Clock::system())).unwrap()
    }

    async fn remake(&self) {
        for entry in std::fs::read_dir(self.0.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
}

runtime::log_contract!(LocalFixture::new());
