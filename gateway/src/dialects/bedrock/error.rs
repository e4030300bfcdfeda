//! Errors as the service tells them.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::error::{Error, Fault, Kind};
use crate::streaming::frames;

/// What stands in `x-amzn-errortype`, which is what SDKs go by.
pub(super) const fn code(error: &Error) -> &'static str {
    match error.kind {
        // only of a signature is it said which header is wrong
        Kind::InvalidKey if error.field.is_some() => "InvalidSignatureException",
        Kind::MissingKey | Kind::InvalidKey => "UnrecognizedClientException",
        Kind::Forbidden => "AccessDeniedException",
        Kind::NoCredit | Kind::BudgetSpent => "ServiceQuotaExceededException",
        Kind::UnknownModel => "ResourceNotFoundException",
        Kind::UnknownRoute | Kind::Method => "UnknownOperationException",
        Kind::ProviderBusy | Kind::RateLimited => "ThrottlingException",
        Kind::ProviderTimeout => "ModelTimeoutException",
        Kind::ProviderFailed | Kind::Truncated => "ModelErrorException",
        Kind::OutboxFull | Kind::NotReady => "ServiceUnavailableException",
        _ => match error.kind.fault() {
            Fault::Caller => "ValidationException",
            Fault::Provider => "ModelErrorException",
            Fault::Us => "InternalServerException",
        },
    }
}

/// The error's document.
pub(super) fn body(error: &Error) -> Value {
    json!({"message": error.told()})
}

/// The last frame of a stream that broke.
pub(super) fn frame(error: &Error) -> Bytes {
    let mut out = Vec::new();
    frames::exception("modelStreamErrorException", body(error).to_string().into_bytes(), &mut out);
    out.into()
}
