//! Sessions that outlive a request (`session_id`): temporary tables, SET and USE stay until the session has been idle too long.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::Role;
use super::super::engine::Engine;
use super::super::exception::{Code, Exception};
use super::super::ffi::Connection;
use super::request::SessionAsk;

/// No client in use keeps more than a handful; a leak must not eat the engine's memory.
const MOST: usize = 256;

type Key = (Role, String);

struct Slot {
    /// Absent while a request uses it.
    session: Option<Connection>,
    expires: Instant,
}

/// All open sessions.
#[derive(Default)]
pub(crate) struct Sessions {
    slots: Mutex<HashMap<Key, Slot>>,
}

impl Sessions {
    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        // A panic while it was held left a whole map: every step is one insert or remove.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the session that is asked for; it is locked until [`Sessions::give_back`] or [`Sessions::forget`].
    pub(crate) fn take(
        &self,
        engine: &Engine,
        role: Role,
        ask: &SessionAsk,
    ) -> Result<Connection, Exception> {
        let key = (role, ask.id.clone());
        let expires = Instant::now() + ask.timeout;
        {
            let mut slots = self.slots();
            let full = slots.len() >= MOST;
            match slots.get_mut(&key) {
                Some(slot) => match slot.session.take() {
                    Some(session) => {
                        slot.expires = expires;
                        return Ok(session);
                    }
                    None => {
                        return Err(Exception::new(
                            Code::SessionLocked,
                            format_args!("Session {} is locked by a concurrent client", ask.id),
                        ));
                    }
                },
                None if ask.check => {
                    return Err(Exception::new(
                        Code::SessionNotFound,
                        format_args!("Session {} not found", ask.id),
                    ));
                }
                None if full => {
                    return Err(Exception::new(
                        Code::TooManyQueries,
                        format_args!(
                            "{MOST} sessions are open, which is the limit; let one expire or reuse it"
                        ),
                    ));
                }
                None => {
                    slots.insert(key.clone(), Slot { session: None, expires });
                }
            }
        }
        engine.session(role, &ask.mark(role)).map_err(|text| {
            self.slots().remove(&key);
            Exception::from(text)
        })
    }

    /// Returns a session after its request.
    pub(crate) fn give_back(&self, role: Role, ask: &SessionAsk, session: Connection) {
        let expires = Instant::now() + ask.timeout;
        self.slots().insert((role, ask.id.clone()), Slot { session: Some(session), expires });
    }

    /// Ends a session whose state is not known any more.
    pub(crate) fn forget(&self, role: Role, ask: &SessionAsk) {
        self.slots().remove(&(role, ask.id.clone()));
    }

    /// Drops what has expired, from time to time until cancelled.
    pub(crate) async fn reap(&self) {
        loop {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let now = Instant::now();
            let mut ended = Vec::new();
            self.slots().retain(|_, slot| {
                let keep = slot.expires > now || slot.session.is_none();
                if !keep {
                    ended.extend(slot.session.take());
                }
                keep
            });
            // Closing waits for the engine; not under the lock.
            tokio::task::block_in_place(|| drop(ended));
        }
    }

    /// Drops all, at the end.
    pub(crate) fn close(&self) {
        let all = std::mem::take(&mut *self.slots());
        drop(all);
    }
}
