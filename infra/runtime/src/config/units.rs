//! Quantities as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time, written as `500ms`, `30s`, `5m`, `2h` or `7d`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub Duration);

/// A number of bytes, written as `64MiB` or as a plain number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

/// What a [`Time`] or a [`Bytes`] can't be read from.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnitError {
    /// No length of time.
    #[error("{0:?} is not a time such as 500ms, 30s, 5m, 2h or 7d")]
    Time(String),
    /// No number of bytes.
    #[error("{0:?} is not a size such as 512KiB, 64MiB, 1GiB or a number of bytes")]
    Bytes(String),
}

/// Smallest first; each in microseconds.
const TIMES: [(&str, u64); 6] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

/// Smallest first; a size is printed in the largest of the binary ones that divides it.
const SIZES: [(&str, u64); 10] = [
    ("", 1),
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// A whole number, a space or none, a unit of the table.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.replace('_', "").parse().ok()?;
    let unit = unit.trim_start();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

impl Time {
    /// So many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// So many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// The length of time.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl Bytes {
    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of bytes in memory; the largest there is where it does not fit.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl From<Time> for Duration {
    fn from(time: Time) -> Self {
        time.0
    }
}

impl FromStr for Time {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse(text, &TIMES)
            .map(|micros| Self(Duration::from_micros(micros)))
            .ok_or_else(|| UnitError::Time(text.to_owned()))
    }
}

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bytes = parse(text, &SIZES).map(Self);
        bytes.ok_or_else(|| UnitError::Bytes(text.to_owned()))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        let whole = |(_, size): &&(&str, u64)| micros.is_multiple_of(u128::from(*size));
        match TIMES.iter().rev().find(whole) {
            Some(_) if micros == 0 => f.write_str("0s"),
            Some((unit, size)) => write!(f, "{}{unit}", micros / u128::from(*size)),
            None => write!(f, "{micros}us"),
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = SIZES.iter().rev().take(4);
        let mut whole = binary.filter(|(_, size)| self.0 != 0 && self.0.is_multiple_of(*size));
        match whole.next() {
            Some((unit, size)) => write!(f, "{}{unit}", self.0 / size),
            None => write!(f, "{}", self.0),
        }
    }
}

macro_rules! written_as_text {
    ($type:ident, $ask:ident, $expects:literal, |$number:ident| $from_number:expr) => {
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Text;
                impl Visitor<'_> for Text {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expects)
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }

                    fn visit_u64<E: Error>(self, $number: u64) -> Result<$type, E> {
                        let value: Option<$type> = $from_number;
                        value.ok_or_else(|| E::invalid_type(Unexpected::Unsigned($number), &self))
                    }

                    fn visit_i64<E: Error>(self, number: i64) -> Result<$type, E> {
                        match u64::try_from(number) {
                            Ok(number) => self.visit_u64(number),
                            Err(_) => Err(E::invalid_value(Unexpected::Signed(number), &self)),
                        }
                    }
                }
                from.$ask(Text)
            }
        }
    };
}
written_as_text!(Time, deserialize_str, "a time such as 500ms, 30s, 5m, 2h or 7d", |_number| None);
written_as_text!(
    Bytes,
    deserialize_any,
    "a size such as 512KiB, 64MiB, 1GiB or a number of bytes",
    |number| Some(Bytes(number))
);
