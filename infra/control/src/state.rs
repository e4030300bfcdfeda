//! The fold of `hub.control.v1`: what is configured, and who was first.
//!
//! The rules are few and never change, so that an old history folds the same under new code, and
//! on every node:
//!
//! 1. A command whose id was applied in the last 24 hours of log time (and among the last 100,000)
//!    is not applied again.
//! 2. A change with an expected version counts only if the entity is at that version; 0 is that of
//!    an entity that never was. A deleted entity keeps its version.
//! 3. Any other change counts, and raises the version by one.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use runtime::clock::Micros;
use runtime::log::Offset;
use schemas::event::Control;
use sha2::{Digest as _, Sha256};

use crate::entity::{Body, Kind};

/// How long the id of a command is known, microseconds of log time.
const COMMANDS_FOR: i64 = 24 * 60 * 60 * 1_000_000;
/// How many ids of commands are known.
const COMMANDS: usize = 100_000;

/// Who changed something, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Position in the topic.
    pub offset: Offset,
    /// Log-append time.
    pub at: Micros,
    /// Who.
    pub actor: Arc<str>,
    /// Why, in their words.
    pub reason: Option<Arc<str>>,
}

/// An entity as it is now.
#[derive(Clone, PartialEq, Debug)]
pub struct Entity {
    /// Rises by one with each change, from 1.
    pub version: i64,
    /// What it says; `None` when it was deleted.
    pub body: Option<Body>,
    /// The same as the log holds it, so that another version of the hub can read it anew.
    pub raw: Bytes,
    /// When it first was.
    pub created: Stamp,
    /// When it was changed last.
    pub changed: Stamp,
}

/// What became of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It counts; the entity's version now.
    Applied(i64),
    /// The same command was applied before, and made this version.
    Repeated(i64),
    /// The id is that of another command.
    Reused,
    /// Somebody else was first; the entity's version now.
    Conflict(i64),
}

#[derive(Clone, Debug)]
struct Done {
    digest: [u8; 16],
    version: i64,
}

/// Everything that is configured, at one position of the topic.
#[derive(Clone, Debug, Default)]
pub struct State {
    kinds: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Entity>>,
    done: HashMap<Arc<str>, Done>,
    order: VecDeque<(Micros, Arc<str>)>,
    /// Where reading goes on.
    pub next: Offset,
    /// Log-append time of the last record.
    pub at: Micros,
}

impl State {
    /// Folds a change in.
    pub fn apply(&mut self, control: &Control, offset: Offset, at: Micros) -> Outcome {
        self.next = offset.saturating_add(1);
        self.at = at;
        self.forget(at);
        let digest = digest(control);
        if let Some(done) = control.command.as_deref().and_then(|id| self.done.get(id)) {
            return if done.digest == digest {
                Outcome::Repeated(done.version)
            } else {
                Outcome::Reused
            };
        }
        let now = self.version(&control.kind, &control.id);
        if control.expected_version.is_some_and(|expected| expected != now) {
            return Outcome::Conflict(now);
        }
        let version = now.saturating_add(1);
        self.put(control, version, offset, at);
        if let Some(command) = &control.command {
            let id: Arc<str> = command.as_str().into();
            self.remember(id, Done { digest, version }, at);
        }
        Outcome::Applied(version)
    }

    fn put(&mut self, control: &Control, version: i64, offset: Offset, at: Micros) {
        let stamp = Stamp {
            offset,
            at,
            actor: control.actor.as_str().into(),
            reason: control.reason.as_deref().map(Into::into),
        };
        let kind: Option<Kind> = control.kind.parse().ok();
        // price books are large, and read by who prices
        let kept = kind != Some(Kind::PriceBook) && !control.deleted;
        let raw = if kept { Bytes::copy_from_slice(&control.body) } else { Bytes::new() };
        let of = self.kinds.entry(control.kind.as_str().into()).or_default();
        let before = of.remove(control.id.as_str());
        let body = match (control.deleted, kind) {
            (true, _) => None,
            (false, Some(kind)) => Some(Body::from_log(kind, &control.body)),
            (false, None) => Some(Body::Unknown),
        };
        let created = match before {
            Some(Entity { created, body: Some(_), .. }) => created,
            _ => stamp.clone(),
        };
        let entity = Entity { version, body, raw, created, changed: stamp };
        of.insert(control.id.as_str().into(), entity);
    }

    fn remember(&mut self, id: Arc<str>, done: Done, at: Micros) {
        self.order.push_back((at, Arc::clone(&id)));
        self.done.insert(id, done);
        while self.order.len() > COMMANDS {
            self.drop_oldest();
        }
    }

    fn forget(&mut self, now: Micros) {
        let old = |at: Micros| now.0.saturating_sub(at.0) > COMMANDS_FOR;
        while self.order.front().is_some_and(|(at, _)| old(*at)) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, id)) = self.order.pop_front() {
            self.done.remove(&id);
        }
    }

    /// The version of an entity; 0 of one that never was.
    pub fn version(&self, kind: &str, id: &str) -> i64 {
        self.entity(kind, id).map_or(0, |entity| entity.version)
    }

    /// An entity of whatever kind, also when it was deleted.
    pub fn entity(&self, kind: &str, id: &str) -> Option<&Entity> {
        self.kinds.get(kind)?.get(id)
    }

    /// An entity that is there.
    pub fn get(&self, kind: Kind, id: &str) -> Option<&Entity> {
        self.known(kind, id).filter(|entity| entity.body.is_some())
    }

    /// An entity, also when it was deleted.
    pub fn known(&self, kind: Kind, id: &str) -> Option<&Entity> {
        self.entity(kind.as_str(), id)
    }

    /// The entities of a kind that are there, by id.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = (&Arc<str>, &Entity)> {
        let of = self.kinds.get(kind.as_str()).into_iter().flatten();
        of.filter(|(_, entity)| entity.body.is_some())
    }

    /// The entities of a kind that were changed at this position or behind it, deleted ones too, by id.
    pub fn since(&self, kind: Kind, from: Offset) -> impl Iterator<Item = (&Arc<str>, &Entity)> {
        let of = self.kinds.get(kind.as_str()).into_iter().flatten();
        of.filter(move |(_, entity)| entity.changed.offset >= from)
    }

    /// The position behind the last change of an entity of a kind; 0 where there was none.
    pub fn upto(&self, kind: Kind) -> Offset {
        let of = self.kinds.get(kind.as_str()).into_iter().flat_map(BTreeMap::values);
        of.map(|entity| entity.changed.offset.saturating_add(1)).max().unwrap_or(0)
    }

    /// The bodies of a kind.
    pub fn bodies(&self, kind: Kind) -> impl Iterator<Item = (&Arc<str>, &Body)> {
        self.all(kind).filter_map(|(id, entity)| Some((id, entity.body.as_ref()?)))
    }

    /// Every entity of every kind, deleted ones too, as kept.
    pub(crate) fn everything(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>, &Entity)> {
        self.kinds
            .iter()
            .flat_map(|(kind, of)| of.iter().map(move |(id, entity)| (kind, id, entity)))
    }

    /// Puts an entity as it was kept.
    pub(crate) fn restore(&mut self, kind: Arc<str>, id: Arc<str>, entity: Entity) {
        self.kinds.entry(kind).or_default().insert(id, entity);
    }

    /// What the command of this id said, and the version that it made.
    pub(crate) fn done(&self, command: &str) -> Option<([u8; 16], i64)> {
        self.done.get(command).map(|done| (done.digest, done.version))
    }

    /// Ids of commands with their time, digest and version, oldest first.
    pub(crate) fn commands(&self) -> impl Iterator<Item = (Micros, &Arc<str>, [u8; 16], i64)> {
        self.order.iter().filter_map(|(at, id)| {
            self.done.get(id).map(|done| (*at, id, done.digest, done.version))
        })
    }

    /// Puts a command as it was kept; oldest first.
    pub(crate) fn restore_command(
        &mut self,
        at: Micros,
        id: Arc<str>,
        digest: [u8; 16],
        version: i64,
    ) {
        self.remember(id, Done { digest, version }, at);
    }
}

impl PartialEq for State {
    /// Whether the two say the same and will decide the same.
    fn eq(&self, other: &Self) -> bool {
        self.next == other.next && self.kinds == other.kinds && self.commands().eq(other.commands())
    }
}

/// What a command says, cut to 128 bits.
pub(crate) fn digest(control: &Control) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in [control.kind.as_bytes(), control.id.as_bytes(), &control.body] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.update([u8::from(control.deleted)]);
    let whole: [u8; 32] = hash.finalize().into();
    let mut cut = [0; 16];
    cut.copy_from_slice(whole.split_at(16).0);
    cut
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn change(id: &str, expected: Option<i64>) -> Control {
        Control {
            kind: "project".into(),
            id: id.into(),
            expected_version: expected,
            body: br#"{"title": "x"}"#.to_vec(),
            actor: "ada".into(),
            ..Control::default()
        }
    }

    fn command(id: &str, name: &str) -> Control {
        Control { command: Some(name.into()), ..change(id, None) }
    }

    #[test]
    fn of_two_who_expect_the_same_version_the_first_wins() {
        let mut state = State::default();
        let outcomes = [Some(0), Some(0), Some(1), Some(1), None, Some(2)]
            .map(|expected| state.apply(&change("a", expected), state.next, Micros(1)));
        use Outcome::*;
        assert_eq!(
            outcomes,
            [Applied(1), Conflict(1), Applied(2), Conflict(2), Applied(3), Conflict(3)]
        );
    }

    #[test]
    fn a_deleted_entity_keeps_its_version() {
        let mut state = State::default();
        state.apply(&change("a", Some(0)), 0, Micros(1));
        let gone = Control { deleted: true, ..change("a", Some(1)) };
        assert_eq!(state.apply(&gone, 1, Micros(2)), Outcome::Applied(2));
        assert!(state.get(Kind::Project, "a").is_none());
        assert_eq!(state.apply(&change("a", Some(0)), 2, Micros(3)), Outcome::Conflict(2));
        assert_eq!(state.apply(&change("a", Some(2)), 3, Micros(4)), Outcome::Applied(3));
        assert_eq!(state.get(Kind::Project, "a").unwrap().created.offset, 3);
    }

    #[test]
    fn a_command_is_done_once_within_a_day() {
        let mut state = State::default();
        let day = COMMANDS_FOR;
        for (at, name, id, outcome) in [
            (0, "one", "a", Outcome::Applied(1)),
            (1, "one", "a", Outcome::Repeated(1)),
            (2, "one", "b", Outcome::Reused),
            (3, "two", "a", Outcome::Applied(2)),
            (day + 1, "one", "a", Outcome::Applied(3)),
        ] {
            assert_eq!(state.apply(&command(id, name), state.next, Micros(at)), outcome, "{at}");
        }
    }

    #[test]
    fn a_conflict_is_not_remembered_as_done() {
        let mut state = State::default();
        let late = Control { expected_version: Some(5), ..command("a", "one") };
        assert_eq!(state.apply(&late, 0, Micros(1)), Outcome::Conflict(0));
        assert_eq!(state.apply(&command("a", "one"), 1, Micros(2)), Outcome::Applied(1));
    }

    #[test]
    fn what_can_not_be_read_counts_all_the_same_and_is_kept_as_it_is() {
        let mut state = State::default();
        state.apply(&change("a", None), 0, Micros(1));
        let odd = Control { body: b"{\"title\": 7}".to_vec(), ..change("a", None) };
        assert_eq!(state.apply(&odd, 1, Micros(2)), Outcome::Applied(2));
        let entity = state.get(Kind::Project, "a").unwrap();
        assert_eq!(entity.body, Some(Body::Unknown));
        assert_eq!(&*entity.raw, b"{\"title\": 7}");
        let other = Control { kind: "of_tomorrow".into(), ..change("a", Some(0)) };
        assert_eq!(state.apply(&other, 2, Micros(3)), Outcome::Applied(1));
        assert_eq!(state.version("of_tomorrow", "a"), 1);
    }

    proptest! {
        /// However the history is cut into two, the same comes out.
        #[test]
        fn a_history_folds_the_same_from_any_point(
            history in prop::collection::vec((0_u8..4, prop::option::of(0_i64..4), prop::option::of(0_u8..6)), 0..60),
            cut in 0_usize..60,
        ) {
            let events: Vec<Control> = history.into_iter().map(|(id, expected, name)| Control {
                command: name.map(|name| name.to_string()),
                ..change(&id.to_string(), expected)
            }).collect();
            let fold = |mut state: State, from: usize, to: usize| {
                let outcomes: Vec<_> = (from..to).map(|at| state.apply(&events[at], at as u64, Micros(at as i64))).collect();
                (state, outcomes)
            };
            let cut = cut.min(events.len());
            let (whole, all) = fold(State::default(), 0, events.len());
            let (half, mut first) = fold(State::default(), 0, cut);
            let kept = crate::checkpoint::encode(&half, "log").unwrap();
            let half = crate::checkpoint::decode(&kept, "log").unwrap();
            let (end, second) = fold(half, cut, events.len());
            first.extend(second);
            prop_assert_eq!(first, all);
            prop_assert!(end == whole);
        }
    }
}
