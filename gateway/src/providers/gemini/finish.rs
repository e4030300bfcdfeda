//! Why Google's models stop.
//!
//! <https://ai.google.dev/api/generate-content#FinishReason>

use crate::reply::Finish;

/// What a finish reason means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    /// The choice ends.
    Ends(Finish),
    /// The model went wrong: a failure where it gave nothing.
    Wrong,
    /// It says nothing.
    Unsaid,
}

/// The meaning of a reason; Google says `STOP` for calls of tools too.
pub(super) fn meaning(reason: &str, calls: bool) -> Meaning {
    Meaning::Ends(match reason {
        "" | "FINISH_REASON_UNSPECIFIED" => return Meaning::Unsaid,
        "STOP" if calls => Finish::ToolCalls,
        "STOP" => Finish::Stop,
        "MAX_TOKENS" | "CONTINUATION" => Finish::Length,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "LANGUAGE"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "MODEL_ARMOR" => Finish::ContentFilter,
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE"
        | "MALFORMED_RESPONSE"
        | "NO_IMAGE"
        | "IMAGE_OTHER"
        | "OTHER" => return Meaning::Wrong,
        // a reason of tomorrow: the calls are there, and a client must know that it is its turn
        _ if calls => Finish::ToolCalls,
        reason => Finish::Other(reason.to_owned()),
    })
}
