//! The Rust types of the Avro schemas in `avro/`: same names, same order of fields.
//!
//! A field that is added gets a default in the `.avsc` and `#[serde(default)]` here, so that
//! old and new readers both work.

mod account;
mod call;
mod operator;
mod processor;

pub use account::{Balance, Credit, CreditKind, EntryKind, Included, Lease, Ledger, Line, Posting};
pub use call::{
    Attempt, AttemptError, Charge, Meter, Operation, Outcome, Purpose, Quantity, Tick, Usage,
};
pub use operator::{Audit, Control, Limit};
pub use processor::{
    Dead, ErrorCount, Health, HealthState, Minute, Slice, State, StateItem, SubjectKind,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Hash(pub [u8; 32]);

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        serde_bytes::ByteArray::<32>::deserialize(from).map(|bytes| Self(bytes.into_array()))
    }
}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// A symbol of an Avro enum, before it is known which.
struct Symbol<F>(F);

impl<'de, T, F: Fn(&str) -> T> serde::de::DeserializeSeed<'de> for Symbol<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<T, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl<T, F: Fn(&str) -> T> serde::de::Visitor<'_> for Symbol<F> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a symbol")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        Ok(self.0(text))
    }
}

/// Names of Avro enum symbols, for logs, metrics and tables; and the reader, which takes a symbol
/// that it does not know as `Other`.
///
/// Avro's own default for unknown symbols works on the reader's schema; the reader here goes
/// straight from the writer's schema to the Rust type.
macro_rules! symbols {
    ($name:ident { $($variant:ident = $symbol:literal),* $(,)? }) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Reader;

                impl<'de> serde::de::Visitor<'de> for Reader {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(stringify!($name))
                    }

                    fn visit_enum<A: serde::de::EnumAccess<'de>>(
                        self,
                        from: A,
                    ) -> Result<$name, A::Error> {
                        let known = |symbol: &str| match symbol {
                            $($symbol => $name::$variant,)*
                            _ => $name::Other,
                        };
                        let (value, rest) = from.variant_seed($crate::event::Symbol(known))?;
                        serde::de::VariantAccess::unit_variant(rest)?;
                        Ok(value)
                    }
                }
                from.deserialize_enum(stringify!($name), &[$($symbol),*], Reader)
            }
        }

        impl $name {
            /// All symbols, in the order of the schema.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The symbol as the schema spells it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $symbol),* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use symbols;
