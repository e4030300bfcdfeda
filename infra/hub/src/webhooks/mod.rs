//! Webhooks of budgets: who is told that a threshold was reached, once a window.
//!
//! One gateway of the cluster tells ([`Book::leads`]): a gateway has all that it takes, what is spent
//! everywhere, the webhooks and what opens their secrets, while a processor knows no configuration. What was
//! told is kept in `hub.limits.v1`, so another gateway, or the next start, does not tell it again. When two
//! think that it is theirs, or one dies before it has noted it, it is told twice under the same id.

mod deliver;
mod notice;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use control::entity::{Body, Event, Kind, Webhook};
use control::intake::webhook_subject;
use control::plane::Plane;
use futures::StreamExt as _;
use gateway::limits::{self, Book};
use gateway::upstream::Beside;
use runtime::clock::{Clock, Micros};
use runtime::log::Log;
use runtime::task::{CancellationToken, Tasks};
use schemas::event::Limit;
use schemas::wire::Codec;

use deliver::{Message, deliver};
use notice::{Notice, due};

pub(crate) use deliver::TIME;

/// How often it is looked what was spent.
const LOOK: Duration = Duration::from_secs(1);
/// So many are told at once.
const AT_ONCE: usize = 4;
/// The pauses between tries, as Standard Webhooks advises; then it is given up.
const PAUSES: [Duration; 7] = {
    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }
    [secs(5), secs(30), secs(120), secs(600), secs(1_800), secs(3_600), secs(7_200)]
};

/// Tells webhooks of what the book counts.
pub(crate) struct Webhooks {
    pub(crate) plane: Arc<Plane>,
    pub(crate) book: Arc<Book>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) codec: Codec,
    pub(crate) clock: Clock,
    pub(crate) beside: Beside,
}

/// A message on its way.
#[derive(Clone, Debug)]
struct Try {
    message: Message,
    failed: usize,
    next: Micros,
    /// It came there, and the log does not know it yet.
    done: bool,
}

type Tries = HashMap<(Arc<str>, String), Try>;

impl Webhooks {
    pub(crate) fn start(self, tasks: &Tasks) {
        let token = tasks.token();
        tasks.spawn("webhooks", self.run(token));
    }

    async fn run(self, token: CancellationToken) {
        let mut tries = Tries::new();
        let tell = async {
            loop {
                tokio::time::sleep(LOOK).await;
                if self.book.leads() {
                    self.tell(&mut tries).await;
                } else {
                    tries.clear();
                }
            }
        };
        tokio::select! {
            () = token.cancelled() => {}
            () = tell => {}
        }
    }

    /// Tells what is due.
    async fn tell(&self, tries: &mut Tries) {
        let now = self.clock.now();
        let notices = due(&self.plane.state(), &self.book, now);
        tries.retain(|(whose, what), _| {
            notices.iter().any(|it| it.whose == *whose && it.what == *what)
        });
        let ready = notices.into_iter().filter_map(|notice| {
            let key = (Arc::clone(&notice.whose), notice.what.clone());
            let known = tries.entry(key).or_insert_with(|| Try {
                message: notice.message(now),
                failed: 0,
                next: now,
                done: false,
            });
            (known.next <= now).then(|| (notice, known.clone()))
        });
        let ready: Vec<_> = ready.collect();
        let told = ready.into_iter().map(async |(notice, known)| {
            let after = self.attempt(&notice, known).await;
            (notice, after)
        });
        let told: Vec<_> = futures::stream::iter(told).buffer_unordered(AT_ONCE).collect().await;
        for (notice, after) in told {
            tries.insert((Arc::clone(&notice.whose), notice.what.clone()), after);
        }
    }

    /// One try.
    async fn attempt(&self, notice: &Notice, mut known: Try) -> Try {
        if !known.done {
            match self.send(&notice.webhook, &known.message).await {
                Ok(()) => known.done = true,
                Err(why) => {
                    let webhook = &notice.webhook;
                    let Some(pause) = PAUSES.get(known.failed) else {
                        tracing::error!(
                            webhook,
                            why,
                            id = known.message.id,
                            "a webhook was given up"
                        );
                        known.done = true;
                        return self.note(notice, known).await;
                    };
                    tracing::warn!(
                        webhook,
                        why,
                        "a webhook was not told; trying again in {pause:?}"
                    );
                    known.failed += 1;
                    let pause = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
                    known.next = Micros(self.clock.now().0.saturating_add(pause));
                    return known;
                }
            }
        }
        self.note(notice, known).await
    }

    async fn send(&self, id: &str, message: &Message) -> Result<(), String> {
        let webhook = {
            let state = self.plane.state();
            match state.get(Kind::Webhook, id).and_then(|entity| entity.body.clone()) {
                Some(Body::Webhook(webhook)) => webhook,
                _ => return Err("it is not there any more".to_owned()),
            }
        };
        let secret = match &webhook.secret {
            Some(_) => Some(self.plane.opened(&webhook_subject(id))?),
            None => None,
        };
        deliver(&self.beside, &webhook, secret.as_ref(), message, self.clock.now()).await
    }

    /// Keeps in the log that it was told.
    async fn note(&self, notice: &Notice, known: Try) -> Try {
        let said = Limit {
            origin: self.book.origin,
            seq: 0,
            scope: Arc::clone(&notice.whose),
            limit: notice.what.as_str().into(),
            used: 1,
            window_at: notice.window_at,
        };
        let record = match limits::record(&self.codec, &*self.log, &said) {
            Ok(record) => record,
            Err(error) => {
                tracing::error!(%error, "that a webhook was told can't be kept");
                return known;
            }
        };
        match self.log.append(vec![record]).await {
            Ok(_) => self.book.tell(&notice.whose, &notice.what, notice.window_at),
            Err(error) => tracing::debug!(%error, "that a webhook was told is kept later"),
        }
        known
    }
}

/// Whether it wants to be told of this.
fn wants(webhook: &Webhook, event: Event) -> bool {
    !webhook.disabled && (webhook.events.is_empty() || webhook.events.contains(&event))
}
