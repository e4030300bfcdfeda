//! Reads: a few connections, used on blocking threads, each for one short read transaction.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::log::{Error, Result};

use super::file::LogFile;

/// Connections for reading; opened when first needed.
#[derive(Debug)]
pub(super) struct Pool {
    file: Arc<LogFile>,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Pool {
    pub(super) fn new(file: Arc<LogFile>, connections: usize) -> Self {
        let permits = Arc::new(Semaphore::new(connections.max(1)));
        Self { file, idle: Mutex::default(), permits }
    }

    /// Runs `read` with a connection on a blocking thread. It runs to its end even if the caller
    /// goes away.
    pub(super) async fn run<T, F>(self: &Arc<Self>, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    {
        let closed = |_| Error::Unavailable("the log is closed".to_owned());
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(closed)?;
        let pool = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut conn = pool.take()?;
            let answer = read(&mut conn);
            if !matches!(answer, Err(Error::Unavailable(_))) {
                pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
            }
            answer
        });
        task.await.map_err(|error| Error::Unavailable(format!("a read was cut off: {error}")))?
    }

    fn take(&self) -> Result<Connection> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(conn) => self.file.check().map(|()| conn),
            None => self.file.connect(),
        }
    }
}
