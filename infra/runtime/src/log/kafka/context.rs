//! What clients of the brokers tell: log lines, troubles, and what became of records.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::ProducerContext;
use tokio::sync::oneshot;

use crate::log::Offset;

/// The last trouble that a client of this log told of: why something does not answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard(Arc<Mutex<Option<Trouble>>>);

/// What a client complained about.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) code: Option<Code>,
    pub(super) text: String,
}

impl Trouble {
    /// Whether waiting can't help: we are refused, or speak another protocol.
    pub(super) fn is_final(&self) -> bool {
        matches!(
            self.code,
            Some(
                Code::Authentication
                    | Code::SaslAuthenticationFailed
                    | Code::SSL
                    | Code::ClusterAuthorizationFailed
                    | Code::TopicAuthorizationFailed
            )
        )
    }
}

impl Heard {
    pub(super) fn note(&self, code: Option<Code>, text: &str) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // why we are refused says more than that all are gone then
        let keeps = heard.as_ref().is_some_and(Trouble::is_final);
        if !keeps || code.is_some_and(|code| code != Code::AllBrokersDown) {
            *heard = Some(Trouble { code, text: text.to_owned() });
        }
    }

    pub(super) fn last(&self) -> Option<Trouble> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For the end of an error: what was heard, if anything.
    pub(super) fn because(&self) -> String {
        self.last().map_or_else(String::new, |trouble| format!(": {}", trouble.text))
    }

    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The context of every client.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) heard: Heard,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        // a cluster that is away is told once by who needs it, not by each client at each try
        tracing::debug!(target: "kafka", ?level, fac, "{text}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "kafka", %error, "{reason}");
        self.heard.note(error.rdkafka_error_code(), reason);
    }
}

impl ConsumerContext for Context {}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Slot>;

    fn delivery(&self, result: &DeliveryResult<'_>, slot: Box<Slot>) {
        let told = match result {
            Ok(message) => Ok(u64::try_from(message.offset()).unwrap_or(0)),
            Err((error, _)) => Err(error.clone()),
        };
        slot.batch.told(slot.at, told);
    }
}

/// Records that were handed over together.
pub(super) struct Batch(Mutex<Told>);

struct Told {
    offsets: Vec<Offset>,
    left: usize,
    done: Option<oneshot::Sender<Result<Vec<Offset>, KafkaError>>>,
}

/// A record's place in its batch.
#[derive(Debug)]
pub(super) struct Slot {
    batch: Arc<Batch>,
    at: usize,
}

/// Offsets of all, or the first error of any.
pub(super) type Delivered = oneshot::Receiver<Result<Vec<Offset>, KafkaError>>;

impl Batch {
    /// A batch of so many records, at least one.
    pub(super) fn new(records: usize) -> (Arc<Self>, Delivered) {
        let (done, delivered) = oneshot::channel();
        let told = Told { offsets: vec![0; records], left: records, done: Some(done) };
        (Arc::new(Self(Mutex::new(told))), delivered)
    }

    pub(super) fn slot(self: &Arc<Self>, at: usize) -> Box<Slot> {
        Box::new(Slot { batch: Arc::clone(self), at })
    }

    fn told(&self, at: usize, told: Result<Offset, KafkaError>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.left = state.left.saturating_sub(1);
        let answer = match told {
            Err(error) => Some(Err(error)),
            Ok(offset) => {
                if let Some(place) = state.offsets.get_mut(at) {
                    *place = offset;
                }
                (state.left == 0).then(|| Ok(std::mem::take(&mut state.offsets)))
            }
        };
        if let Some((answer, done)) = answer.and_then(|answer| Some((answer, state.done.take()?))) {
            drop(done.send(answer)); // who has stopped waiting needs no answer
        }
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Batch")
    }
}
