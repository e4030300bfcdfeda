//! Usage and credits in; journal entries and balances out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use runtime::log::{Header, Record};
use schemas::event::{
    Balance, Credit, CreditKind, EntryKind, Hash, Ledger, Line, State, StateItem, Usage,
};
use schemas::ids::{AccountId, CallId, Origin, PriceVersion};
use schemas::money::Amount;
use schemas::partition::partition_of;
use schemas::price::{PriceBook, RateError};
use schemas::topics::Topic;
use schemas::wire::{self, Codec, HEADER};
use sha2::{Digest as _, Sha256};

use super::account::{Movement, include, moved, unused};
use super::journal::{postings, seal};
use super::{Books, Calls};
use crate::pipeline::{Fold, Output, Place, Refusal, Sighting, Verdict, Wait, header};

/// What billing reads.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A settled call.
    Usage(Box<Usage>),
    /// A command.
    Credit(Credit),
}

/// The accounts of one partition and what decides over the next event.
#[derive(Debug)]
pub struct Billing {
    partition: u32,
    partitions: u32,
    books: Books,
    /// The book that was used last: most events name the same.
    book: Option<(PriceVersion, Arc<PriceBook>)>,
    accounts: HashMap<AccountId, Balance>,
    changed: Vec<AccountId>,
    changed_set: HashSet<AccountId>,
    calls: Calls,
    commands: HashMap<String, Hash>,
}

/// What an entry says beside its place in the chain.
struct Draft {
    kind: EntryKind,
    call: Option<CallId>,
    command: Option<String>,
    price_version: Option<PriceVersion>,
    lines: Vec<Line>,
    movement: Movement,
    /// The account on the other side.
    other: &'static str,
}

impl Billing {
    /// The fold of partition `partition` of `partitions`, with no accounts.
    pub fn new(partition: u32, partitions: u32, books: Books) -> Self {
        Self {
            partition,
            partitions,
            books,
            book: None,
            accounts: HashMap::new(),
            changed: Vec::new(),
            changed_set: HashSet::new(),
            calls: Calls::default(),
            commands: HashMap::new(),
        }
    }

    /// Remembers calls in place of none.
    pub fn with_calls(self, calls: Calls) -> Self {
        Self { calls, ..self }
    }

    /// Puts an account as its balance record holds it.
    pub fn restore_account(&mut self, balance: Balance) {
        self.accounts.insert(balance.account.clone(), balance);
    }

    /// Puts a command that was done, under the key of its state item.
    pub fn restore_command(&mut self, key: String, digest: Hash) {
        self.commands.insert(key, digest);
    }

    /// All accounts, in no order.
    pub fn accounts(&self) -> impl Iterator<Item = &Balance> {
        self.accounts.values()
    }

    /// The commands that were done: key of the state item and digest of the body.
    pub const fn commands(&self) -> &HashMap<String, Hash> {
        &self.commands
    }

    fn usage(&mut self, place: &Place, usage: Usage, out: &mut Output) -> Verdict {
        if let Err(why) = self.owns(&usage.account) {
            return Verdict::Reject(why);
        }
        if self.calls.knows(&usage.call) {
            let reason = format!("call {} was charged before", usage.call);
            return Verdict::Reject(Refusal::new("second_settlement", reason));
        }
        let Some(book) = self.book(&usage.price_version) else {
            return Verdict::Wait(Wait::Price(usage.price_version));
        };
        let mut lines = Vec::new();
        let mut total = Amount::ZERO;
        for charge in &usage.charges {
            let rated = match book.rate(charge, usage.admitted_at) {
                Ok(rated) => rated,
                Err(error) => return Verdict::Reject(unpriced(&error)),
            };
            total = match total.checked_add(rated.total) {
                Ok(total) => total,
                Err(error) => return Verdict::Reject(Refusal::new("range", error.to_string())),
            };
            lines.extend(rated.lines);
        }
        let draft = Draft {
            kind: EntryKind::Usage,
            call: Some(usage.call),
            command: None,
            price_version: Some(usage.price_version),
            lines,
            movement: Movement::Spend(total),
            other: "revenue",
        };
        match self.post(place, usage.account, draft, out) {
            Ok(()) => Verdict::Emit,
            Err(why) => Verdict::Reject(why),
        }
    }

    fn credit(&mut self, place: &Place, credit: Credit, out: &mut Output) -> Verdict {
        match self.command(place, credit, out) {
            Ok(()) => Verdict::Emit,
            Err(why) => Verdict::Reject(why),
        }
    }

    fn command(&mut self, place: &Place, credit: Credit, out: &mut Output) -> Result<(), Refusal> {
        self.owns(&credit.account)?;
        if credit.command.is_empty() {
            return Err(Refusal::new("command", "the command has no id"));
        }
        let digest = digest(out.codec(), &credit)?;
        let key = command_key(&credit.account, &credit.command);
        match self.commands.get(&key) {
            Some(done) if *done == digest => return Ok(()),
            Some(_) => {
                let reason = format!("command {} was done with another body", credit.command);
                return Err(Refusal::new("command_reused", reason));
            }
            None => {}
        }
        let sign = credit.amount.cmp(&Amount::ZERO);
        let fits = match credit.kind {
            CreditKind::Grant | CreditKind::TopUp => sign.is_gt(),
            CreditKind::Refund | CreditKind::Expiry => sign.is_lt(),
            CreditKind::Adjustment => sign.is_ne(),
            CreditKind::Other => false,
        };
        if !fits {
            let reason = format!("{} of {} is not possible", credit.kind, credit.amount);
            return Err(Refusal::new("credit", reason));
        }
        let item = State {
            item: StateItem::Command,
            topic: place.input.topic.name().to_owned(),
            partition: i32::try_from(place.input.partition).unwrap_or(i32::MAX),
            log_id: String::new(),
            offset: i64::try_from(place.offset).unwrap_or(i64::MAX),
            origin: None,
            seq: 0,
            missing: Vec::new(),
            command: Some(credit.command.clone()),
            digest: digest.0.to_vec(),
        };
        let draft = Draft {
            kind: EntryKind::Credit,
            call: None,
            command: Some(credit.command),
            price_version: None,
            lines: Vec::new(),
            movement: Movement::Credit(credit.amount),
            other: "credits",
        };
        self.post(place, credit.account, draft, out)?;
        let state = Topic::State.at(self.partition);
        out.push(state, format!("{NAME}/{key}"), &item).map_err(|error| unencodable(&error))?;
        self.commands.insert(key, digest);
        Ok(())
    }

    /// Appends an entry to the account's journal; on refusal nothing has changed.
    fn post(
        &mut self,
        place: &Place,
        account: AccountId,
        draft: Draft,
        out: &mut Output,
    ) -> Result<(), Refusal> {
        let fresh;
        let before = match self.accounts.get(&account) {
            Some(balance) => balance,
            None => {
                fresh = unused(account.clone());
                &fresh
            }
        };
        let range = || Refusal::new("range", "the account's money is out of range");
        let [balance, granted, spent] = moved(before, draft.movement).map_err(|_| range())?;
        let account_seq = before.account_seq.checked_add(1).ok_or_else(range)?;
        let mut entry = Ledger {
            account: account.clone(),
            account_seq,
            prev_hash: before.hash,
            hash: Hash::default(),
            cause_topic: place.input.topic.name().to_owned(),
            cause_partition: i32::try_from(place.input.partition).map_err(|_| range())?,
            cause_offset: i64::try_from(place.offset).map_err(|_| range())?,
            kind: draft.kind,
            call: draft.call,
            command: draft.command,
            at: place.at.0,
            price_version: draft.price_version,
            lines: draft.lines,
            postings: postings(draft.other, draft.movement.to_customer()),
            balance,
        };
        let value = seal(out.codec(), &mut entry).map_err(|error| unencodable(&error))?;
        let key = Bytes::copy_from_slice(account.as_str().as_bytes());
        let mut headers = Vec::new();
        if let (EntryKind::Usage, Some(call)) = (entry.kind, entry.call) {
            headers.push(Header { name: "call", value: Bytes::copy_from_slice(&call.0) });
            self.calls.add(call);
        }
        out.push_value(Topic::Ledger.at(self.partition), key, value, headers);
        let state = self.accounts.entry(account.clone()).or_insert_with(|| unused(account.clone()));
        (state.balance, state.granted, state.spent) = (balance, granted, spent);
        (state.account_seq, state.hash, state.at) = (account_seq, entry.hash, place.at.0);
        if let Some(sighting) = place.sighting {
            include(state, sighting.origin, sighting.included.cast_signed());
            self.close_gap(sighting);
        }
        self.touch(account);
        Ok(())
    }

    /// A late event closes a gap for all accounts that its origin used.
    fn close_gap(&mut self, sighting: Sighting) {
        if !sighting.late {
            return;
        }
        let (origin, seq) = (sighting.origin, sighting.included.cast_signed());
        let uses = |balance: &&mut Balance| uses(balance, origin);
        let stale = self.accounts.values_mut().filter(uses);
        let mut stale: Vec<_> = stale
            .filter_map(|balance| include(balance, origin, seq).then(|| balance.account.clone()))
            .collect();
        stale.sort();
        stale.into_iter().for_each(|account| self.touch(account));
    }

    fn touch(&mut self, account: AccountId) {
        if self.changed_set.insert(account.clone()) {
            self.changed.push(account);
        }
    }

    fn owns(&self, account: &AccountId) -> Result<(), Refusal> {
        let partition = partition_of(account.as_str().as_bytes(), self.partitions);
        if partition == self.partition {
            return Ok(());
        }
        let reason = format!("account {account} belongs to partition {partition}");
        Err(Refusal::new("partition", reason))
    }

    fn book(&mut self, version: &PriceVersion) -> Option<Arc<PriceBook>> {
        match &self.book {
            Some((known, book)) if known == version => Some(Arc::clone(book)),
            Some(_) | None => {
                let book = self.books.get(version)?;
                self.book = Some((version.clone(), Arc::clone(&book)));
                Some(book)
            }
        }
    }
}

impl Fold for Billing {
    type Event = Event;

    fn decode(
        &self,
        codec: &Codec,
        topic: Topic,
        value: &[u8],
    ) -> Result<Option<Event>, wire::Error> {
        Ok(Some(match topic {
            Topic::Credits => Event::Credit(codec.decode(value)?),
            Topic::Usage
            | Topic::Attempts
            | Topic::Control
            | Topic::Ledger
            | Topic::Balances
            | Topic::Health
            | Topic::Limits
            | Topic::Audit
            | Topic::Dead
            | Topic::State => Event::Usage(Box::new(codec.decode(value)?)),
        }))
    }

    fn identity(event: &Event) -> Option<(Origin, i64)> {
        match event {
            Event::Usage(usage) => Some((usage.origin, usage.seq)),
            Event::Credit(_) => None,
        }
    }

    fn apply(&mut self, place: &Place, event: Event, out: &mut Output) -> Verdict {
        match event {
            Event::Usage(usage) => self.usage(place, *usage, out),
            Event::Credit(credit) => self.credit(place, credit, out),
        }
    }

    /// What is refused is posted to `suspense`, with no amount, when its account is known: it is
    /// seen in the account's journal, and the published seqs move past it.
    fn refuse(
        &mut self,
        place: &Place,
        record: &Record,
        _why: &Refusal,
        out: &mut Output,
    ) -> Result<(), wire::Error> {
        let value = record.value.as_deref().unwrap_or_default();
        let (account, call, command) = match self.decode(out.codec(), place.input.topic, value) {
            Ok(Some(Event::Usage(usage))) => (Some(usage.account), Some(usage.call), None),
            Ok(Some(Event::Credit(credit))) => (Some(credit.account), None, Some(credit.command)),
            Ok(None) | Err(_) => (stated_account(record), stated_call(record), None),
        };
        let Some(account) = account.filter(|account| self.owns(account).is_ok()) else {
            if let Some(sighting) = place.sighting {
                self.close_gap(sighting);
            }
            return Ok(());
        };
        let draft = Draft {
            kind: EntryKind::Suspense,
            call,
            command,
            price_version: None,
            lines: Vec::new(),
            movement: Movement::None,
            other: "suspense",
        };
        if let Err(refusal) = self.post(place, account, draft, out) {
            tracing::error!(
                code = refusal.code,
                reason = %refusal.reason,
                "no suspense entry could be posted"
            );
        }
        Ok(())
    }

    fn close(&mut self, out: &mut Output) -> Result<(), wire::Error> {
        self.changed_set.clear();
        for account in std::mem::take(&mut self.changed) {
            if let Some(balance) = self.accounts.get(&account) {
                let key = Bytes::copy_from_slice(account.as_str().as_bytes());
                out.push(Topic::Balances.at(self.partition), key, balance)?;
            }
        }
        Ok(())
    }
}

/// The processor's name.
pub(super) const NAME: &str = "billing";

fn uses(balance: &Balance, origin: Origin) -> bool {
    balance.included.binary_search_by_key(&origin, |included| included.origin).is_ok()
}

fn unpriced(error: &RateError) -> Refusal {
    let code = match error {
        RateError::NoPrice { .. } => "no_price",
        RateError::NoMeter { .. } => "no_meter",
        RateError::Range => "range",
    };
    Refusal::new(code, error.to_string())
}

fn unencodable(error: &wire::Error) -> Refusal {
    Refusal::new("unencodable", error.to_string())
}

/// SHA-256 of a command's body, without the frame.
fn digest(codec: &Codec, credit: &Credit) -> Result<Hash, Refusal> {
    let bytes = codec.to_vec(credit).map_err(|error| unencodable(&error))?;
    Ok(Hash(Sha256::digest(bytes.get(HEADER..).unwrap_or_default()).into()))
}

/// Key of a command's state item, without the processor's prefix. A slash in the account is
/// escaped, so that no two commands share a key.
pub(super) fn command_key(account: &AccountId, command: &str) -> String {
    let account = account.as_str().replace('%', "%25").replace('/', "%2F");
    format!("command/{account}/{command}")
}

fn stated_account(record: &Record) -> Option<AccountId> {
    let account = std::str::from_utf8(header(record, "account")?).ok()?;
    (!account.is_empty()).then(|| account.into())
}

fn stated_call(record: &Record) -> Option<CallId> {
    header(record, "call").and_then(|call| call.try_into().ok()).map(CallId)
}
