//! What is bounded for organisation, project, account, user, key and model: rates, calls at a time,
//! the cost of a call, and budgets.
//!
//! ```text
//! snapshot: Rules ─► Bounds of a call ─► reserve ─► Reserved … settle: trades the bound for what was used
//!                        │ counters                      │
//!                        ▼                               ▼
//!                       Book ◄── hear ── hub.limits.v1 ◄── say: own consumption, every 200 ms
//! ```
//!
//! - All bounds of a call must have room, so the tightest wins.
//! - A call takes no lock that is not that of a counter which it uses, and does no I/O.
//! - Each gateway publishes what it used since it started (rates), has in flight, or spent in a window
//!   (budgets): cumulative, so that nothing is counted twice however often it is read.

mod book;
mod bucket;
mod calendar;
mod counter;
mod flying;
mod others;
mod rate;
mod reserve;
mod rule;
mod share;
mod shown;
mod spend;

pub use book::{Book, Line, TOLD};
pub use bucket::MOST as MOST_TOKENS;
pub use calendar::{Period, rfc3339};
pub use counter::{Counter, Used};
pub use reserve::{Bounds, Refused, Reserved};
pub use rule::{Caller, Measure, Rule, Rules, Scope};
pub use share::{Publisher, hear, record};
pub use shown::Shown;
pub use spend::Standing;
