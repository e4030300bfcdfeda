//! Money is integer.
//!
//! Prices are in [`Nano`] per million units, so units × price is an exact count of 1e-15: the
//! unit of [`Amount`]. Nothing is rounded on the way.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 1e-15 of a US dollar per unit of the last digit; the scale of the journal.
pub const AMOUNT_SCALE: u32 = 15;
const AMOUNT_ONE: i128 = 10_i128.pow(AMOUNT_SCALE);
/// [`Amount`] units in one [`Nano`].
const PER_NANO: i128 = 1_000_000;
/// The journal's columns are `Decimal(38, 15)`.
const AMOUNT_MAX: i128 = 10_i128.pow(38) - 1;

/// An exact amount of money, in 1e-15 USD. Always within 38 decimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i128);

/// Money in 1e-9 USD: holds, and prices per million units.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nano(pub i64);

/// What is wrong with a text or number of money.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Not a decimal number.
    #[error("{0:?} is not a decimal number such as 2.50")]
    Syntax(String),
    /// More decimals than the unit has.
    #[error("{0:?} has more than {1} decimals")]
    Decimals(String, u32),
    /// Too large.
    #[error("the amount is out of range")]
    Range,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount of `units` × 1e-15 USD.
    ///
    /// # Errors
    /// [`Error::Range`] past 38 digits.
    pub const fn from_units(units: i128) -> Result<Self, Error> {
        if units > AMOUNT_MAX || units < -AMOUNT_MAX { Err(Error::Range) } else { Ok(Self(units)) }
    }

    /// The amount in 1e-15 USD.
    pub const fn units(self) -> i128 {
        self.0
    }

    /// Adds.
    ///
    /// # Errors
    /// [`Error::Range`] past 38 digits.
    pub fn checked_add(self, other: Self) -> Result<Self, Error> {
        self.0.checked_add(other.0).map_or(Err(Error::Range), Self::from_units)
    }

    /// Subtracts.
    ///
    /// # Errors
    /// [`Error::Range`] past 38 digits.
    pub fn checked_sub(self, other: Self) -> Result<Self, Error> {
        self.0.checked_sub(other.0).map_or(Err(Error::Range), Self::from_units)
    }

    /// The amount with the other sign.
    pub const fn negated(self) -> Self {
        Self(-self.0) // the range is symmetric
    }

    /// The amount in nano, rounded up: never less than the amount. Holds are taken this way.
    ///
    /// # Errors
    /// [`Error::Range`] past what an `i64` holds (9.2 thousand million USD).
    pub fn to_nano_up(self) -> Result<Nano, Error> {
        let up = self.0.div_euclid(PER_NANO) + i128::from(self.0.rem_euclid(PER_NANO) != 0);
        i64::try_from(up).map(Nano).map_err(|_| Error::Range)
    }

    /// The amount in nano, rounded down: never more than the amount. What may be spent is taken
    /// this way.
    ///
    /// # Errors
    /// [`Error::Range`] past what an `i64` holds.
    pub fn to_nano_down(self) -> Result<Nano, Error> {
        i64::try_from(self.0.div_euclid(PER_NANO)).map(Nano).map_err(|_| Error::Range)
    }
}

impl From<Nano> for Amount {
    fn from(nano: Nano) -> Self {
        Self(i128::from(nano.0) * PER_NANO)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0.to_be_bytes())
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = serde_bytes::ByteArray::<16>::deserialize(from)?;
        Self::from_units(i128::from_be_bytes(bytes.into_array())).map_err(serde::de::Error::custom)
    }
}

fn write_decimal(f: &mut fmt::Formatter<'_>, units: i128, one: i128, scale: u32) -> fmt::Result {
    let sign = if units < 0 { "-" } else { "" };
    let (whole, rest) =
        (units.unsigned_abs() / one.unsigned_abs(), units.unsigned_abs() % one.unsigned_abs());
    let decimals = format!("{rest:0width$}", width = scale as usize);
    let decimals = decimals.trim_end_matches('0');
    write!(f, "{sign}{whole}.{decimals:0<2}")
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, self.0, AMOUNT_ONE, AMOUNT_SCALE)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} USD")
    }
}

impl fmt::Display for Nano {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, i128::from(self.0), 1_000_000_000, 9)
    }
}

impl fmt::Debug for Nano {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} USD")
    }
}

fn parse_decimal(text: &str, scale: u32) -> Result<i128, Error> {
    let syntax = || Error::Syntax(text.chars().take(40).collect());
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(decimals) || digits.ends_with('.') {
        return Err(syntax());
    }
    let decimals = decimals.trim_end_matches('0');
    let missing = scale
        .checked_sub(u32::try_from(decimals.len()).map_err(|_| syntax())?)
        .ok_or_else(|| Error::Decimals(text.chars().take(40).collect(), scale))?;
    let units = format!("{whole}{decimals}")
        .parse::<i128>()
        .ok()
        .and_then(|digits| digits.checked_mul(10_i128.pow(missing)))
        .ok_or(Error::Range)?;
    Ok(if negative { -units } else { units })
}

impl FromStr for Amount {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::from_units(parse_decimal(text, AMOUNT_SCALE)?)
    }
}

impl FromStr for Nano {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        i64::try_from(parse_decimal(text, 9)?).map(Nano).map_err(|_| Error::Range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        for (text, units, printed) in [
            ("0", 0, "0.00"),
            ("2.5", 2_500_000_000_000_000, "2.50"),
            ("-0.000000000000001", -1, "-0.000000000000001"),
            ("10.10", 10_100_000_000_000_000, "10.10"),
        ] {
            let amount: Amount = text.parse().unwrap();
            assert_eq!((amount.units(), amount.to_string().as_str()), (units, printed), "{text}");
        }
    }

    #[test]
    fn refuses() {
        for text in ["", "-", ".5", "1.", "1e3", "1,5", " 1", "+1", "--1", "1.2.3", "٣"] {
            assert!(matches!(text.parse::<Amount>(), Err(Error::Syntax(_))), "{text}");
        }
        assert!(matches!("0.0000000001".parse::<Nano>(), Err(Error::Decimals(_, 9))));
        assert_eq!("9".repeat(40).parse::<Amount>(), Err(Error::Range));
        assert_eq!(Amount(AMOUNT_MAX).checked_add(Amount(1)), Err(Error::Range));
    }

    #[test]
    fn rounds_holds_up_and_rights_down() {
        for (units, down, up) in
            [(0, 0, 0), (1, 0, 1), (-1, -1, 0), (1_000_000, 1, 1), (1_000_001, 1, 2)]
        {
            let amount = Amount(units);
            assert_eq!(
                (amount.to_nano_down(), amount.to_nano_up()),
                (Ok(Nano(down)), Ok(Nano(up)))
            );
        }
    }
}
