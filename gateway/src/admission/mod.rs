//! May this call start now, and what does it hold?

mod accounts;
mod admit;
mod hold;

pub use accounts::{Account, Accounts, Hold, Short};
pub use admit::admit;
