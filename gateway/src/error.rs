//! What went wrong with a call: what failed, whose fault, what to try. Status codes live in
//! `http::error` alone.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Who must do something about it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// The caller.
    Caller,
    /// The provider.
    Provider,
    /// The hub or who runs it.
    Us,
}

/// What failed. The list is closed; the codes are stable.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// The body is not JSON, or not an object.
    MalformedBody,
    /// A field has the wrong type or value.
    InvalidField,
    /// A field that can't be honoured.
    UnsupportedField,
    /// A required field is missing.
    MissingField,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The body took too long.
    BodyTimeout,
    /// The content type is not JSON.
    ContentType,
    /// No key was sent.
    MissingKey,
    /// The key is not known, or disabled.
    InvalidKey,
    /// The key may not do this.
    Forbidden,
    /// The prepaid account can't pay for the call.
    NoCredit,
    /// A limit of rates, or of calls at a time, has no room.
    RateLimited,
    /// A budget has no room.
    BudgetSpent,
    /// The call may cost more than a call may.
    TooExpensive,
    /// The model is not served here.
    UnknownModel,
    /// The route does not exist.
    UnknownRoute,
    /// The route exists, but not with this method.
    Method,
    /// The model has no price, and policy refuses such calls.
    NoPrice,
    /// The outbox is full: a call could not be accounted for.
    OutboxFull,
    /// The hub is starting or stopping.
    NotReady,
    /// All targets failed.
    ProviderFailed,
    /// All targets refused for load.
    ProviderBusy,
    /// No target answered in time.
    ProviderTimeout,
    /// The provider refused the request as the caller's fault.
    ProviderRefused,
    /// The stream broke after content was given.
    Truncated,
    /// A bug.
    Internal,
}

impl Kind {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::MalformedBody => "malformed_body",
            Self::InvalidField => "invalid_field",
            Self::UnsupportedField => "unsupported_field",
            Self::MissingField => "missing_field",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTimeout => "body_timeout",
            Self::ContentType => "unsupported_content_type",
            Self::MissingKey => "missing_api_key",
            Self::InvalidKey => "invalid_api_key",
            Self::Forbidden => "forbidden",
            Self::NoCredit => "insufficient_credit",
            Self::RateLimited => "rate_limit_exceeded",
            Self::BudgetSpent => "insufficient_quota",
            Self::TooExpensive => "cost_limit_exceeded",
            Self::UnknownModel => "model_not_found",
            Self::UnknownRoute => "route_not_found",
            Self::Method => "method_not_allowed",
            Self::NoPrice => "no_price",
            Self::OutboxFull => "outbox_full",
            Self::NotReady => "not_ready",
            Self::ProviderFailed => "provider_failed",
            Self::ProviderBusy => "provider_busy",
            Self::ProviderTimeout => "provider_timeout",
            Self::ProviderRefused => "provider_refused",
            Self::Truncated => "truncated",
            Self::Internal => "internal_error",
        }
    }

    /// Who must do something about it.
    pub const fn fault(self) -> Fault {
        match self {
            Self::MalformedBody
            | Self::InvalidField
            | Self::UnsupportedField
            | Self::MissingField
            | Self::BodyTooLarge
            | Self::BodyTimeout
            | Self::ContentType
            | Self::MissingKey
            | Self::InvalidKey
            | Self::Forbidden
            | Self::NoCredit
            | Self::RateLimited
            | Self::BudgetSpent
            | Self::TooExpensive
            | Self::UnknownModel
            | Self::UnknownRoute
            | Self::Method
            | Self::ProviderRefused => Fault::Caller,
            Self::ProviderFailed | Self::ProviderBusy | Self::ProviderTimeout | Self::Truncated => {
                Fault::Provider
            }
            Self::NoPrice | Self::OutboxFull | Self::NotReady | Self::Internal => Fault::Us,
        }
    }
}

/// Why a call ends without the answer it wanted.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What failed.
    pub kind: Kind,
    /// For the caller: what is wrong and what would be right. Never holds content or secrets.
    pub message: Cow<'static, str>,
    /// The field it is about.
    pub field: Option<Arc<str>>,
    /// When the caller may try again.
    pub retry_after: Option<Duration>,
    /// The status, body and words with which the provider refused, where it is the caller's fault.
    pub passed: Option<Box<Passed>>,
}

/// A provider's own refusal.
#[derive(Clone)]
pub struct Passed {
    /// HTTP status.
    pub status: u16,
    /// Content type.
    pub content_type: Option<http::HeaderValue>,
    /// Body.
    pub body: bytes::Bytes,
    /// What it says in words, for a client of another format.
    pub message: String,
    /// The client speaks the provider's format: the body is passed on as it is.
    pub is_own: bool,
}

impl std::fmt::Debug for Passed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passed").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Error {
    /// An error of this kind.
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), field: None, retry_after: None, passed: None }
    }

    /// What the caller is told: the provider's own words, where it refused.
    pub fn told(&self) -> &str {
        let passed = self.passed.as_deref().map(|passed| passed.message.as_str());
        passed.filter(|message| !message.is_empty()).unwrap_or(&self.message)
    }

    /// The same error, about a field.
    #[must_use]
    pub fn at(mut self, field: impl Into<Arc<str>>) -> Self {
        self.field = Some(field.into());
        self
    }
}
