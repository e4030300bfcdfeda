//! Failover seen from outside: three scripted upstreams, one of which fails in some way and is
//! mended again, under a steady load through one gateway or two.

mod hubs;
mod load;
mod measure;
mod setting;
mod states;
mod way;

pub use hubs::Hubs;
pub use load::{Call, Load};
pub use measure::Measured;
pub use setting::{Gateways, Setting, Times, settings};
pub use states::{States, Transition};
pub use way::{Upstreams, WAYS, Way};
