//! Events made of what the gateway knows of a call, with their texts cut so that a record's size
//! is bounded before the upstream call.

use std::collections::BTreeMap;
use std::sync::Arc;

use runtime::clock::Micros;
use schemas::event::{
    Attempt, AttemptError, Charge, Meter, Operation, Outcome, Purpose, Quantity, Usage,
};
use schemas::ids::{
    CallId, CredentialId, ModelId, Origin, ProviderId, SubjectId, credential_subject,
};

use super::{Admission, AttemptReport};
use crate::routing::Target;

/// Attempts of one call that have a promised place in the outbox: the attempt loop makes no more.
/// The events of more are written while there is room beside all promises, and then dropped.
pub const MAX_ATTEMPTS: usize = 8;

/// Longest name of a provider or credential in an event.
pub(super) const NAME: usize = 64;
/// Longest name of a model.
pub(super) const MODEL: usize = 200;
/// Longest name of a credential's health subject.
pub(super) const SUBJECT: usize = 2 * NAME + 16;
/// Longest code of what went wrong.
const CODE: usize = 64;
/// Longest name of an end user or client application.
const PERSON: usize = 128;
/// Most tags, and the longest name and value of one.
const TAGS: (usize, usize, usize) = (8, 64, 256);

/// Avro's longest `long`, and the length before a text.
const LONG: usize = 10;
const LENGTH: usize = 2;
/// The largest charge: three names, a quantity per meter, two flags, a cost.
const CHARGE: usize = 2 * (NAME + LENGTH)
    + (MODEL + LENGTH)
    + Meter::ALL.len() * (LENGTH + LONG)
    + 2 * LENGTH
    + 2
    + LONG;
/// What a settled event may have more than the one that was written at admission.
pub(super) const SETTLED_MORE: usize = MAX_ATTEMPTS * CHARGE + CODE + LENGTH + 8 * LONG;
/// The largest framed attempt event.
pub(super) const ATTEMPT: usize = 5 + 2 * 16 + 2 * (NAME + LENGTH) + (MODEL + LENGTH) + 10 * LONG;

/// The text up to `most` bytes, cut between characters.
pub(super) fn cut(text: &Arc<str>, most: usize) -> Arc<str> {
    match text.get(..floor(text, most)) {
        Some(start) if start.len() < text.len() => start.into(),
        _ => Arc::clone(text),
    }
}

fn cut_string(text: String, most: usize) -> String {
    let at = floor(&text, most);
    let mut text = text;
    text.truncate(at);
    text
}

fn floor(text: &str, most: usize) -> usize {
    (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The usage event as far as it is known at admission: as a call that was lost at once.
pub(super) fn admitted(admission: Admission, origin: Origin, at: Micros) -> Usage {
    let tags = admission.tags.into_iter().take(TAGS.0);
    let tags: BTreeMap<_, _> =
        tags.map(|(name, value)| (cut_string(name, TAGS.1), cut_string(value, TAGS.2))).collect();
    Usage {
        call: admission.call,
        origin,
        seq: 0,
        account: admission.account,
        project: admission.project,
        key: admission.key,
        user: admission.user.map(|user| cut(&user, PERSON)),
        client: admission.client.map(|client| cut(&client, PERSON)),
        tags,
        operation: admission.operation,
        dialect: admission.dialect.into(),
        streamed: admission.streamed,
        model: ModelId(cut(&admission.model.0, 2 * MODEL)),
        outcome: Outcome::Lost,
        error: None,
        status: 0,
        attempts: 0,
        charges: Vec::new(),
        price_version: admission.price_version,
        admitted_at: at.0,
        ttft_us: None,
        duration_us: 0,
    }
}

/// The stable code of what went wrong, cut.
pub(super) fn code(code: &str) -> Arc<str> {
    code.get(..floor(code, CODE)).unwrap_or_default().into()
}

/// Charges within bounds: one quantity per meter, and, only where there are more than attempts
/// may be made, one charge per target. Units are kept.
pub(super) fn charges(charges: Vec<Charge>) -> Vec<Charge> {
    let many = charges.len() > MAX_ATTEMPTS;
    let mut bounded: Vec<Charge> = Vec::with_capacity(charges.len().min(MAX_ATTEMPTS));
    for mut charge in charges {
        charge.provider = ProviderId(cut(&charge.provider.0, NAME));
        charge.credential = CredentialId(cut(&charge.credential.0, NAME));
        charge.model = ModelId(cut(&charge.model.0, MODEL));
        if has_twins(&charge.quantities) {
            let quantities = std::mem::take(&mut charge.quantities);
            quantities.into_iter().for_each(|quantity| add(&mut charge.quantities, quantity));
        }
        let twin = bounded.iter_mut().filter(|_| many).find(|known| same_target(known, &charge));
        match twin {
            Some(twin) => merge(twin, charge),
            None => bounded.push(charge),
        }
    }
    while bounded.len() > MAX_ATTEMPTS {
        let units = |charge: &Charge| -> i128 {
            let units = charge.quantities.iter().map(|quantity| i128::from(quantity.units));
            units.sum()
        };
        let least = (0..bounded.len()).min_by_key(|at| bounded.get(*at).map(units));
        let dropped = bounded.remove(least.unwrap_or(0));
        tracing::error!(
            ?dropped,
            most = MAX_ATTEMPTS,
            "a call has more charges than it may have attempts"
        );
    }
    bounded
}

fn same_target(one: &Charge, other: &Charge) -> bool {
    (&one.provider, &one.credential, &one.model)
        == (&other.provider, &other.credential, &other.model)
        && one.reported_nano.is_some() == other.reported_nano.is_some()
}

fn merge(into: &mut Charge, charge: Charge) {
    charge.quantities.into_iter().for_each(|quantity| add(&mut into.quantities, quantity));
    into.estimated |= charge.estimated;
    let sum = into.reported_nano.zip(charge.reported_nano);
    into.reported_nano = sum.map(|(one, other)| one.saturating_add(other));
}

fn has_twins(quantities: &[Quantity]) -> bool {
    let mut rest = quantities;
    while let Some((first, others)) = rest.split_first() {
        if others.iter().any(|other| other.meter == first.meter) {
            return true;
        }
        rest = others;
    }
    false
}

fn add(to: &mut Vec<Quantity>, quantity: Quantity) {
    match to.iter_mut().find(|known| known.meter == quantity.meter) {
        Some(known) => known.units = known.units.saturating_add(quantity.units),
        None => to.push(quantity),
    }
}

/// What an estimate of the operation is counted in, beside its tokens of output; tokens of input for all that is read
/// and answered in tokens.
pub(crate) const fn counted_in(operation: Operation) -> Meter {
    match operation {
        Operation::Other | Operation::Chat | Operation::Embeddings => Meter::Input,
        Operation::Image => Meter::Image,
        Operation::Moderation => Meter::Request,
        Operation::Transcription => Meter::Second,
        Operation::Speech => Meter::Character,
    }
}

/// What is owed for a call whose end is not known: its input and the output that was given, if
/// any was.
pub(super) fn estimate(
    operation: Operation,
    target: Option<&Flight>,
    input: i64,
    output: i64,
) -> Vec<Charge> {
    if output <= 0 {
        return Vec::new();
    }
    // without a known target nothing can be priced; billing puts it to suspense, never to zero
    let unknown = Flight::default();
    let target = target.unwrap_or(&unknown);
    let quantity = |meter, units| Quantity { meter, units };
    let meter = counted_in(operation);
    let mut quantities = vec![quantity(meter, input.max(0))];
    if meter == Meter::Input {
        quantities.push(quantity(Meter::Output, output));
    }
    vec![Charge {
        provider: ProviderId(Arc::clone(&target.provider)),
        credential: CredentialId(Arc::clone(&target.credential)),
        model: ModelId(Arc::clone(&target.model)),
        quantities,
        estimated: true,
        reported_nano: None,
    }]
}

/// The target that a call is in flight at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Flight {
    pub(super) provider: Arc<str>,
    pub(super) credential: Arc<str>,
    pub(super) credential_version: i32,
    pub(super) model: Arc<str>,
    pub(super) started_at: i64,
}

impl Default for Flight {
    fn default() -> Self {
        let [provider, credential, model] = [const { "" }; 3].map(Arc::from);
        Self { provider, credential, credential_version: 0, model, started_at: 0 }
    }
}

impl Flight {
    /// The largest in bytes.
    pub(super) const MOST: usize = 12 + 2 * (NAME + 2) + MODEL + 2;

    pub(super) fn of(target: &Target, now: Micros) -> Self {
        Self {
            provider: cut(&target.provider.0, NAME),
            credential: cut(&target.credential.0, NAME),
            credential_version: i32::try_from(target.credential_version).unwrap_or(i32::MAX),
            model: cut(&target.model.0, MODEL),
            started_at: now.0,
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::MOST);
        bytes.extend_from_slice(&self.started_at.to_le_bytes());
        bytes.extend_from_slice(&self.credential_version.to_le_bytes());
        for text in [&self.provider, &self.credential, &self.model] {
            bytes.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (started_at, rest) = bytes.split_first_chunk()?;
        let (version, mut rest) = rest.split_first_chunk()?;
        let mut text = || {
            let (len, after) = rest.split_first_chunk::<2>()?;
            let (text, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
            rest = after;
            std::str::from_utf8(text).ok().map(Arc::from)
        };
        Some(Self {
            provider: text()?,
            credential: text()?,
            credential_version: i32::from_le_bytes(*version),
            model: text()?,
            started_at: i64::from_le_bytes(*started_at),
        })
    }

    /// The event of an attempt that was never seen to end, as its gateway died.
    pub(super) fn unfinished(&self, call: CallId, number: i32, origin: Origin) -> Attempt {
        Attempt {
            origin,
            seq: 0,
            call,
            number,
            purpose: Purpose::Call,
            provider: ProviderId(Arc::clone(&self.provider)),
            credential: CredentialId(Arc::clone(&self.credential)),
            credential_version: self.credential_version,
            model: ModelId(Arc::clone(&self.model)),
            status: 0,
            error: AttemptError::Cancelled,
            retry_after_ms: None,
            started_at: self.started_at,
            ttft_us: None,
            duration_us: 0,
        }
    }

    /// What its attempt event is about, and goes by.
    pub(super) fn subject(&self) -> SubjectId {
        let (provider, credential) =
            (ProviderId(Arc::clone(&self.provider)), CredentialId(Arc::clone(&self.credential)));
        credential_subject(&provider, &credential, self.credential_version.cast_unsigned())
    }
}

/// The event of an attempt.
pub(super) fn attempt(
    report: &AttemptReport,
    call: CallId,
    number: usize,
    origin: Origin,
) -> Attempt {
    let micros =
        |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    let number = i32::try_from(number).unwrap_or(i32::MAX);
    let flight = Flight::of(&report.target, report.started_at);
    Attempt {
        status: i32::from(report.status),
        error: report.error,
        retry_after_ms: report.retry_after.map(|after| micros(after) / 1000),
        ttft_us: report.ttft.map(micros),
        duration_us: micros(report.duration),
        ..flight.unfinished(call, number, origin)
    }
}
