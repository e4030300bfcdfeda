//! A node's control plane: takes commands, follows the topic, and keeps the snapshot that calls see.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway::control::{Current, KeyHash, Snapshot};
use runtime::clock::Micros;
use runtime::log::{self, Limit, Log, NewRecord, Outgoing, Record, Span};
use runtime::task::CancellationToken;
use runtime::telemetry::metrics::Metrics;
use schemas::event::Control;
use schemas::topics::Topic;
use schemas::wire::{self, Codec};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::timeout;
use uuid::Uuid;

use crate::checkpoint;
use crate::compile::{
    Compiled, Opened, OpenedSecret, Problem, Surroundings, compile, signing_subject, subject_of,
};
use crate::entity::{Body, Held, Kind, Misfit};
use crate::intake::webhook_subject;
use crate::state::{Entity, Outcome, State};
use crate::validate::{Refused, check_body, check_delete, check_id, check_owners};
use crate::vault::{self, Subject, Vault};

/// How long a command waits until its own node has applied it.
const APPLIED: Duration = Duration::from_secs(10);
/// One read of the topic.
const PAGE: Limit = Limit { records: 5_000, bytes: 4 << 20, wait: Duration::from_secs(20) };
/// The pause after an error, before the same position is read again.
const BACKOFF: Duration = Duration::from_millis(500);
/// Records between checkpoints.
const CHECKPOINT_EVERY: u64 = 1_000;
/// The largest body of an entity.
const MAX_BODY: usize = 256 << 10;
/// Who seeds.
pub const SEED: &str = "seed";
/// The secret that keys are hashed with.
pub const KEY_HASH: &str = "key-hash";
/// The secret that sessions are signed with.
pub const SESSION_KEY: &str = "session-key";

/// A change that somebody wants.
#[derive(Clone, Debug)]
pub struct Command {
    /// Of which kind.
    pub kind: Kind,
    /// Of which entity.
    pub id: String,
    /// The version that it is about; whatever it is, when not given.
    pub expected: Option<i64>,
    /// What it says from now on; `None` deletes it.
    pub body: Option<Value>,
    /// Why, in their words.
    pub reason: Option<String>,
}

/// Who wants it.
#[derive(Clone, Debug, Default)]
pub struct Who {
    /// Their name.
    pub actor: String,
    /// Their network address.
    pub address: Option<String>,
    /// The request that it comes with.
    pub request: Option<String>,
    /// Their own id of the command, so that it is done once however often it is sent.
    pub command: Option<String>,
}

/// What became of a command.
#[derive(Clone, Debug)]
pub struct Done {
    /// In the order of the log.
    pub outcome: Outcome,
    /// The entity as the command left it, also when others have changed it since.
    pub entity: Option<Entity>,
}

/// Why a command did not come to an outcome.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It makes no sense now.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A secret can't be sealed.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// The log is away.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// Whether the command counts is not known: send it again with the same idempotency key.
    #[error("whether the command counts is not known: {0}")]
    Unknown(String),
    /// It can't be encoded.
    #[error("encoding: {0}")]
    Encode(#[from] wire::Error),
}

impl From<Misfit> for Error {
    fn from(misfit: Misfit) -> Self {
        Self::Refused(misfit.into())
    }
}

/// What a plane works with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Its codec.
    pub codec: Codec,
    /// Seals and opens secrets.
    pub vault: Vault,
    /// What this node knows beside what is configured.
    pub local: Surroundings,
    /// Where the fold is kept between starts.
    pub checkpoint: Option<PathBuf>,
    /// What operators see of it.
    pub metrics: Metrics,
}

/// The control plane of a node.
#[derive(Debug)]
pub struct Plane {
    options: Options,
    state: RwLock<State>,
    opened: Mutex<Opened>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Done>>>,
    current: Arc<Current>,
    problems: Mutex<Vec<Problem>>,
    kept: Mutex<u64>,
    /// One snapshot is made at a time, so that none takes the place of a newer one.
    publishing: tokio::sync::Mutex<Publishing>,
    /// Whether calls name the prices of what is configured: not before it is seeded.
    serving: AtomicBool,
}

/// What was made for the last snapshot.
#[derive(Debug, Default)]
struct Publishing {
    compiled: Compiled,
    /// The version of the price book that this node told last, which it need not have read back yet.
    told: Option<String>,
}

impl Plane {
    /// Reads everything that was configured up to now.
    ///
    /// # Errors
    /// The log can't be read, or an event is of a schema that is not known yet.
    pub async fn open(options: Options) -> Result<Arc<Self>, Error> {
        let id = options.log.id(Topic::Control).0;
        let kept = options.checkpoint.as_deref().map(|path| checkpoint::load(path, &id));
        let mut state = match kept.transpose() {
            Ok(state) => state.flatten().unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, "the checkpoint is not used; the control topic is read whole");
                State::default()
            }
        };
        let at = Topic::Control.at(0);
        let ends = options.log.ends(at).await?;
        if state.next > ends.end {
            tracing::warn!("the checkpoint is ahead of the log; the control topic is read whole");
            state = State::default();
        }
        let kept = state.next;
        let from = state.next.max(ends.start);
        let mut span = Span::open(&*options.log, at, from, ends.end).await?;
        while let Some(records) = span.page().await? {
            for record in &records {
                fold(&mut state, &options.codec, record)?;
            }
        }
        state.next = span.next().max(state.next);
        let (snapshot, _) =
            compile(&State::default(), &options.local, &KeyHash::default(), &Opened::new());
        let plane = Arc::new(Self {
            options,
            state: RwLock::new(state),
            opened: Mutex::default(),
            waiting: Mutex::default(),
            current: Arc::new(Current::new(snapshot)),
            problems: Mutex::default(),
            kept: Mutex::new(kept),
            publishing: tokio::sync::Mutex::default(),
            serving: AtomicBool::new(false),
        });
        plane.publish().await;
        Ok(plane)
    }

    /// From now on calls are served: they name prices, so the log is told of them.
    pub async fn serve(&self) {
        self.serving.store(true, Ordering::Release);
        self.publish().await;
    }

    /// What calls see.
    pub fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current)
    }

    /// What is configured.
    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log, and its codec.
    pub fn log(&self) -> (&dyn Log, &Codec) {
        (&*self.options.log, &self.options.codec)
    }

    /// Seals and opens secrets.
    pub const fn vault(&self) -> &Vault {
        &self.options.vault
    }

    /// What this node knows beside what is configured.
    pub const fn local(&self) -> &Surroundings {
        &self.options.local
    }

    /// What is configured and can't be used here, and why.
    pub fn problems(&self) -> Vec<Problem> {
        lock(&self.problems).clone()
    }

    /// How keys are hashed; zeros until the secret is there.
    pub fn key_hash(&self) -> KeyHash {
        self.own_bytes(KEY_HASH).map(|bytes| KeyHash::new(&bytes)).unwrap_or_default()
    }

    /// What sessions are signed with, once it is there.
    pub fn session_key(&self) -> Option<[u8; 32]> {
        self.own_bytes(SESSION_KEY)
    }

    fn own_bytes(&self, name: &str) -> Option<[u8; 32]> {
        self.opened(&own_subject(name))
            .ok()
            .and_then(|secret| crate::key::from_hex(secret.expose()))
    }

    /// The secret of this subject, once it was opened.
    ///
    /// # Errors
    /// It does not open, in words; or is not there.
    pub fn opened(&self, subject: &Subject) -> Result<runtime::secret::Secret, String> {
        let opened = lock(&self.opened);
        let none = || Err(format!("there is no secret {}", subject.of));
        opened.get(subject).map_or_else(none, |it| it.secret.clone())
    }

    /// Checks commands against what is configured, with those before them in the list done.
    ///
    /// # Errors
    /// [`Refused`]: the first that makes no sense.
    pub fn check(&self, commands: &[Command]) -> Result<Vec<Control>, Refused> {
        let mut state = None;
        let mut events = Vec::new();
        for (index, command) in commands.iter().enumerate() {
            let event = match &state {
                Some(state) => self.event(state, command)?,
                None => self.event(&self.state(), command)?,
            };
            if index + 1 < commands.len() {
                let state = state.get_or_insert_with(|| self.state().clone());
                let (next, at) = (state.next, state.at);
                state.apply(&Control { expected_version: None, ..event.clone() }, next, at);
            }
            events.push(event);
        }
        Ok(events)
    }

    fn event(&self, state: &State, command: &Command) -> Result<Control, Refused> {
        let Command { kind, id, expected, body, reason } = command;
        let (kind, version) = (*kind, state.version(kind.as_str(), id));
        let read = match body {
            None => {
                check_delete(state, kind, id)?;
                None
            }
            Some(value) => {
                check_id(kind, id)?;
                let body = Body::from_command(kind, value)?;
                check_body(state, &self.options.local, id, &body)?;
                Some(body)
            }
        };
        check_owners(state, kind, id, read.as_ref())?;
        let json = read.map(|body| body.to_json()).transpose();
        let json = json.map_err(|error| Misfit::new("", error.to_string()))?;
        let bytes = json.map(|json| json.to_string().into_bytes()).unwrap_or_default();
        if bytes.len() > MAX_BODY {
            return Err(Misfit::new("", format!("at most {MAX_BODY} bytes")).into());
        }
        Ok(Control {
            kind: kind.as_str().into(),
            id: id.clone(),
            version: version.saturating_add(1),
            expected_version: *expected,
            deleted: body.is_none(),
            body: bytes,
            reason: reason.clone(),
            ..Control::default()
        })
    }

    /// Does commands, each for itself, and returns once this node has applied them.
    ///
    /// # Errors
    /// None is done when one is refused; else as [`Plane::append`].
    pub async fn submit(&self, commands: Vec<Command>, who: &Who) -> Result<Vec<Done>, Error> {
        let events = self.check(&commands)?;
        self.append(events, who).await
    }

    /// Appends events as they are and waits for what becomes of each.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Encode`].
    pub async fn append(&self, events: Vec<Control>, who: &Who) -> Result<Vec<Done>, Error> {
        let mut outgoing = Vec::new();
        let mut answers = Vec::new();
        for (index, event) in events.into_iter().enumerate() {
            let command = match &who.command {
                Some(command) => format!("{}/{command}/{index}", who.actor),
                None => Uuid::now_v7().to_string(),
            };
            let event = Control {
                actor: who.actor.clone(),
                address: who.address.clone(),
                request: who.request.clone(),
                command: Some(command.clone()),
                ..event
            };
            outgoing.push(self.record(&event)?);
            let (tell, told) = oneshot::channel();
            lock(&self.waiting).insert(command.clone(), tell);
            answers.push((command, told));
        }
        let appended = self.options.log.append(outgoing).await;
        let mut outcomes = Vec::new();
        let mut failed = appended.err().map(|error| error.to_string());
        for (command, told) in answers {
            if failed.is_none() {
                match timeout(APPLIED, told).await {
                    Ok(Ok(done)) => {
                        outcomes.push(done);
                        continue;
                    }
                    Ok(Err(_)) => failed = Some("it is told to another".to_owned()),
                    Err(_) => failed = Some("it was not read back in time".to_owned()),
                }
            }
            lock(&self.waiting).remove(&command);
        }
        failed.map_or(Ok(outcomes), |why| Err(Error::Unknown(why)))
    }

    /// Follows the topic until cancelled.
    pub async fn follow(self: Arc<Self>, token: CancellationToken) {
        while !token.is_cancelled() {
            let ended = tokio::select! {
                () = token.cancelled() => break,
                ended = self.read_on() => ended,
            };
            if let Err(error) = ended {
                tracing::warn!(%error, "following the control topic stopped; trying again");
            }
            tokio::select! {
                () = token.cancelled() => break,
                () = tokio::time::sleep(BACKOFF) => {}
            }
        }
        self.keep(0);
    }

    async fn read_on(&self) -> Result<(), Error> {
        let from = self.state().next;
        let mut reader = self.options.log.reader(Topic::Control.at(0), from).await?;
        loop {
            let page = reader.next(PAGE).await?;
            if page.records.is_empty() {
                continue;
            }
            let mut outcomes = Vec::new();
            let mut failed = None;
            let mut only_books = true;
            {
                let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
                for record in &page.records {
                    match fold(&mut state, &self.options.codec, record) {
                        Ok(Some((control, outcome))) => {
                            only_books &= control.kind == Kind::PriceBook.as_str();
                            let waited =
                                |command: &String| lock(&self.waiting).contains_key(command);
                            if let Some(command) = control.command.filter(waited) {
                                let entity = state.entity(&control.kind, &control.id).cloned();
                                outcomes.push((command, Done { outcome, entity }));
                            }
                        }
                        Ok(None) => {}
                        Err(error) => {
                            failed = Some(error);
                            break;
                        }
                    }
                }
            }
            if !only_books {
                self.publish().await;
            }
            for (command, done) in outcomes {
                if let Some(tell) = lock(&self.waiting).remove(&command) {
                    let gone = tell.send(done).is_err();
                    tracing::trace!(gone, "a command is applied");
                }
            }
            self.keep(CHECKPOINT_EVERY);
            if let Some(error) = failed {
                return Err(error);
            }
        }
    }

    /// Makes the snapshot of the state, and swaps it in.
    async fn publish(&self) {
        let mut publishing = self.publishing.lock().await;
        let Publishing { compiled, told } = &mut *publishing;
        let began = Instant::now();
        if self.open_secrets().await {
            compiled.secrets_changed();
        }
        let key_hash = self.key_hash();
        let (snapshot, problems, position) = {
            let (state, opened) = (self.state(), lock(&self.opened));
            let (snapshot, problems) =
                compiled.update(&state, &self.options.local, &key_hash, &opened);
            (snapshot, problems, state.next)
        };
        let count = problems.len();
        for problem in &problems {
            if !lock(&self.problems).contains(problem) {
                tracing::warn!(
                    entity = problem.entity,
                    why = problem.why,
                    "configured, but not used"
                );
            }
        }
        *lock(&self.problems) = problems;
        let serving = self.serving.load(Ordering::Acquire);
        if serving && let Err(error) = self.publish_book(&snapshot, told).await {
            tracing::warn!(%error, "the price book could not be published; billing waits for it");
        }
        self.current.configure(snapshot);
        self.options.metrics.control().swapped(began.elapsed(), position, count);
    }

    /// Tells the log of the price book before calls name it, if it does not know this version.
    async fn publish_book(
        &self,
        snapshot: &Snapshot,
        told: &mut Option<String>,
    ) -> Result<(), Error> {
        let version = snapshot.price_version.as_str();
        let known = self.state().get(Kind::PriceBook, version).is_some();
        if known || told.as_deref() == Some(version) {
            return Ok(());
        }
        let book = Control {
            kind: Kind::PriceBook.as_str().into(),
            id: version.into(),
            version: 1,
            expected_version: Some(0),
            body: snapshot.prices.to_json(),
            actor: "hub".into(),
            reason: Some("prices in force from now on".into()),
            ..Control::default()
        };
        self.options.log.append(vec![self.record(&book)?]).await?;
        *told = Some(version.into());
        Ok(())
    }

    /// An event on its way, under the key of its entity.
    fn record(&self, event: &Control) -> Result<Outgoing, wire::Error> {
        let key = format!("{}/{}", event.kind, event.id);
        let value = Some(Bytes::from(self.options.codec.to_vec(event)?));
        let record = NewRecord { key: key.into(), value, headers: Vec::new() };
        Ok(Outgoing { to: Topic::Control.at(0), record })
    }

    /// What calls would have seen at a moment: what was configured by then, without what providers list.
    ///
    /// # Errors
    /// The log can't be read.
    pub async fn at(&self, at: Micros) -> Result<Snapshot, Error> {
        let control = Topic::Control.at(0);
        let (mut state, mut span) =
            (State::default(), Span::whole(&*self.options.log, control).await?);
        while let Some(records) = span.page().await? {
            for record in records.iter().take_while(|record| record.at <= at) {
                fold(&mut state, &self.options.codec, record)?;
            }
            if records.last().is_some_and(|record| record.at > at) {
                break;
            }
        }
        let opened = self.open_sealed(sealed(&state)).await;
        Ok(compile(&state, &self.options.local, &self.key_hash(), &opened).0)
    }

    /// Opens what is sealed and was not opened yet, and forgets what is gone. Whether something opens that
    /// did not, or the other way round, though it is as it was.
    async fn open_secrets(&self) -> bool {
        let wanted = sealed(&self.state());
        let now = self.open_sealed(wanted).await;
        let mut opened = lock(&self.opened);
        let other = now.iter().any(|(subject, new)| {
            let before = opened.get(subject).filter(|old| old.sealed == new.sealed);
            before.is_some_and(|old| old.secret.is_ok() != new.secret.is_ok())
        });
        *opened = now;
        other
    }

    async fn open_sealed(&self, wanted: Vec<(Subject, vault::Sealed)>) -> Opened {
        let known: Opened = lock(&self.opened).clone();
        let mut opened = Opened::new();
        for (subject, sealed) in wanted {
            let secret = match known.get(&subject) {
                Some(OpenedSecret { secret: Ok(secret), sealed: of }) if *of == sealed.sealed => {
                    Ok(secret.clone())
                }
                _ => self.options.vault.open(&subject, &sealed).await.map_err(|e| e.to_string()),
            };
            opened.insert(subject, OpenedSecret { sealed: sealed.sealed, secret });
        }
        opened
    }

    /// Keeps the fold, if it has gone on by so many records since it was kept.
    fn keep(&self, every: u64) {
        let Some(path) = &self.options.checkpoint else { return };
        let state = self.state();
        let mut kept = lock(&self.kept);
        if state.next <= *kept || state.next - *kept < every {
            return;
        }
        let id = self.options.log.id(Topic::Control).0;
        match checkpoint::save(path, &state, &id) {
            Ok(()) => *kept = state.next,
            Err(error) => tracing::warn!(%error, "no checkpoint"),
        }
    }
}

/// What a secret of the hub's own is of.
pub fn own_subject(name: &str) -> Subject {
    Subject::new(format!("{}/{name}", Kind::Secret), 1)
}

/// Everything that is sealed, and what it is of.
pub fn sealed(state: &State) -> Vec<(Subject, vault::Sealed)> {
    let mut all = Vec::new();
    for (id, body) in state.bodies(Kind::Secret) {
        if let Body::Secret(sealed) = body {
            all.push((own_subject(id), (**sealed).clone()));
        }
    }
    for (id, body) in state.bodies(Kind::Credential) {
        if let Body::Credential(credential) = body
            && let Held::Sealed(sealed) = &credential.secret
        {
            all.push((subject_of(id, credential.secret_version), sealed.clone()));
        }
    }
    for (id, body) in state.bodies(Kind::Key) {
        if let Body::Key(key) = body
            && let Some(Held::Sealed(sealed)) = key.aws.as_ref().map(|aws| &aws.secret)
        {
            all.push((signing_subject(id), sealed.clone()));
        }
    }
    for (id, body) in state.bodies(Kind::Webhook) {
        if let Body::Webhook(webhook) = body
            && let Some(Held::Sealed(sealed)) = &webhook.secret
        {
            all.push((webhook_subject(id), sealed.clone()));
        }
    }
    all
}

/// Folds a record in; nothing when it can never be read.
fn fold(
    state: &mut State,
    codec: &Codec,
    record: &Record,
) -> Result<Option<(Control, Outcome)>, Error> {
    let Some(value) = record.value.as_deref() else {
        return Ok(None);
    };
    match codec.decode::<Control>(value) {
        Ok(control) => {
            let outcome = state.apply(&control, record.offset, record.at);
            Ok(Some((control, outcome)))
        }
        Err(wire::Error::UnknownSchema(id)) if codec.may_learn() => {
            Err(log::Error::Unavailable(format!("schema id {id} is not known yet")).into())
        }
        Err(error) => {
            tracing::error!(%error, offset = record.offset, "a control event can't be read; it is passed over");
            (state.next, state.at) = (record.offset.saturating_add(1), Micros(record.at.0));
            Ok(None)
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
