//! What is found inside an answer of status 200: usage, and failures.

use schemas::event::AttemptError;
use serde_json::value::RawValue;

use super::usage::enter;
use super::wire::{self, Usage};
use crate::providers::compat::Vendor;
use crate::providers::{Failure, failure};
use crate::reply::Tally;

/// Enters a usage object that says something: some providers send nulls on the way, and some zeros
/// for models that they do not count.
pub(super) fn enter_if_said(usage: Option<&RawValue>, vendor: &Vendor, tally: &mut Tally) {
    let usage: Option<Usage> = usage.and_then(|usage| serde_json::from_str(usage.get()).ok()?);
    if let Some(usage) = usage {
        let said = [usage.prompt_tokens, usage.completion_tokens];
        if said.into_iter().flatten().any(|tokens| tokens > 0) {
            enter(&usage, vendor, tally);
        }
    }
}

/// A failure told inside an answer of status 200. Something was answered already, so asking the
/// same target again is not the first thing to try.
pub(super) fn failure_inside(vendor: &Vendor, body: &[u8]) -> Failure {
    let said = wire::error(body);
    let status = said.code.parse().ok().filter(|code| (400..=599).contains(code));
    let error = match (status, said.kind.as_str(), said.code.as_str()) {
        (Some(status), ..) => failure::meaning(vendor, status, &said),
        (None, "invalid_request_error", _) | (None, _, "invalid-argument" | "invalid_request") => {
            failure::meaning(vendor, 400, &said)
        }
        (None, _, code) if code.starts_with("rate_limit") => AttemptError::RateLimit,
        (None, ..) => failure::meaning(vendor, 500, &said),
    };
    Failure::told(error, &said).elsewhere()
}

/// Whether a finish reason is a failure.
pub(super) fn failed(vendor: &Vendor, finish: &str) -> bool {
    vendor.failed_finish.iter().any(|bad| bad == finish)
}
