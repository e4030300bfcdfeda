//! Formats and dialects, as tables over what vendors document.
//!
//! `formats/<wire>/`: how a provider is asked and its answer read.
//! - `written.json`: what is asked, and the request to the vendor.
//! - `passed.json`: a client's request in the same format, and what of it changes.
//! - `<vendor>.<name>.json` and `.raw`: an answer as it came, what it says and amounts to; `.shown`, where a client of the same
//!   format is not shown all of it.
//! - `errors.json`: refusals and what they mean.
//!
//! `dialects/<dialect>/`: how a client asks and is answered.
//! - `requests.json`: a client's request and what it asks for.
//! - `answers.json`: an answer's deltas, and what the client is shown of them.
//!
//! - `listed.json`: pages of providers' lists of their models.
//! - `lacks.json` (beside the folders): what a promised provider does not have.
//!
//! `matrix/`: the same request in each dialect, at each format; `matrix/errors.json` is of refusals.
//!
//! `gateway/PROVIDERS.md` is written from what of all this passed.
//!
//! Each case names its source: the vendor's document, or the file of its SDK.
#![cfg(test)]

mod amazon;
mod damage;
mod dialects;
mod formats;
#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a library of its own")]
mod fuzz;
mod matrix;
mod promised;
mod refused;
mod rig;
mod signed;
