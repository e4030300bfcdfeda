//! What crosses a process boundary: topics, Avro events, ids, money and the price book.
//!
//! Pure and a leaf: no I/O, no clock, no sibling. Everything that is written to the log or read
//! from it is described here once, for gateways, processors and tools alike.
//!
//! | module | holds |
//! | --- | --- |
//! | [`topics`] | the table of topics: name, partitions, what is kept |
//! | [`partition`] | which partition a key belongs to |
//! | [`ids`] | newtypes for call, origin, account, target … |
//! | [`money`] | [`money::Amount`] (1e-15) and [`money::Nano`] (1e-9) |
//! | [`audit`] | the seal of an audit record |
//! | [`sketch`] | quantiles of times from counts that can be added up |
//! | [`event`] | the Rust types of the Avro schemas in `avro/` |
//! | [`wire`] | Confluent framing and the encoder/decoder |
//! | [`price`] | the price book and the one multiplication of units and price |

pub mod audit;
pub mod event;
pub mod ids;
pub mod money;
pub mod partition;
pub mod price;
pub mod sketch;
pub mod topics;
pub mod wire;
