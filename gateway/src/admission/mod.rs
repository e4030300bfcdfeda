//! May this call start now, and what does it hold?

mod accounts;

pub use accounts::{Account, Accounts, Hold, Short};
