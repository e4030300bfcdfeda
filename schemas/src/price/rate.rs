//! The one multiplication of units and price. Integers only.

use super::{PriceBook, Prices};
use crate::event::{Charge, Line, Meter};
use crate::ids::{ModelId, ProviderId};
use crate::money::{Amount, Nano};

/// Why a charge can't be priced.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The book has no price for the model.
    #[error("no price for {provider}/{model}")]
    NoPrice {
        /// Whose model.
        provider: ProviderId,
        /// Which model.
        model: ModelId,
    },
    /// The model has prices, but none for this meter or what it falls back to.
    #[error("{provider}/{model} has no price for {meter}")]
    NoMeter {
        /// Whose model.
        provider: ProviderId,
        /// Which model.
        model: ModelId,
        /// Which meter.
        meter: Meter,
    },
    /// A negative quantity, or more than 38 digits of money.
    #[error("units or amount out of range")]
    Range,
}

/// A priced charge.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rated {
    /// A line per quantity.
    pub lines: Vec<Line>,
    /// Their sum.
    pub total: Amount,
}

impl PriceBook {
    /// Prices a charge of a call that was admitted at `admitted_at` (microseconds since the epoch).
    ///
    /// # Errors
    /// [`Error`]: never a price of zero in silence.
    pub fn rate(&self, charge: &Charge, admitted_at: i64) -> Result<Rated, Error> {
        let mut rated = Rated::default();
        let total = self.visit(charge, admitted_at, |line| {
            rated.lines.push(Line {
                provider: charge.provider.to_string(),
                model: charge.model.to_string(),
                meter: line.meter.to_owned(),
                units: line.units,
                price_nano: line.price.0,
                amount: line.amount,
            });
        })?;
        rated.total = total;
        Ok(rated)
    }

    /// What [`PriceBook::rate`] sums to, without the lines.
    ///
    /// # Errors
    /// As [`PriceBook::rate`].
    pub fn cost(&self, charge: &Charge, admitted_at: i64) -> Result<Amount, Error> {
        self.visit(charge, admitted_at, |_| ())
    }

    fn visit(
        &self,
        charge: &Charge,
        admitted_at: i64,
        mut each: impl FnMut(Priced),
    ) -> Result<Amount, Error> {
        if charge.quantities.iter().any(|quantity| quantity.units < 0) {
            return Err(Error::Range);
        }
        let prices = self.find(&charge.provider, &charge.model).ok_or_else(|| Error::NoPrice {
            provider: charge.provider.clone(),
            model: charge.model.clone(),
        })?;
        let input = charge.quantities.iter().filter(|quantity| is_input(quantity.meter));
        let input = input.fold(0_i64, |sum, quantity| sum.saturating_add(quantity.units));
        let prices = applicable(prices, input, admitted_at);
        if let (true, Some(nano)) =
            (prices.is_some_and(|prices| prices.reported), charge.reported_nano)
        {
            if nano < 0 {
                return Err(Error::Range);
            }
            // as if a million units had been sold at the reported cost
            let amount = Amount::from(Nano(nano));
            each(Priced { meter: "reported", units: 1_000_000, price: Nano(nano), amount });
            return Ok(amount);
        }
        let mut total = Amount::ZERO;
        for quantity in charge.quantities.iter().filter(|quantity| quantity.units > 0) {
            let price = prices.and_then(|prices| price_of(prices, quantity.meter));
            let price = price.ok_or_else(|| Error::NoMeter {
                provider: charge.provider.clone(),
                model: charge.model.clone(),
                meter: quantity.meter,
            })?;
            let amount = multiply(quantity.units, price)?;
            total = total.checked_add(amount).map_err(|_| Error::Range)?;
            each(Priced { meter: quantity.meter.as_str(), units: quantity.units, price, amount });
        }
        Ok(total)
    }
}

struct Priced {
    meter: &'static str,
    units: i64,
    price: Nano,
    amount: Amount,
}

/// Units × price per million, exact: nano × 1e-6 is the unit of [`Amount`].
fn multiply(units: i64, price: Nano) -> Result<Amount, Error> {
    Amount::from_units(i128::from(units) * i128::from(price.0)).map_err(|_| Error::Range)
}

/// The prices that hold: of those that match, rows with hours before rows without, then the
/// highest threshold.
fn applicable(prices: &[Prices], input: i64, admitted_at: i64) -> Option<&Prices> {
    let hour = u8::try_from(admitted_at.div_euclid(3_600_000_000).rem_euclid(24)).unwrap_or(0);
    let holds = |row: &&Prices| {
        let in_hours =
            row.hours.is_empty() || row.hours.iter().any(|(from, to)| (*from..*to).contains(&hour));
        in_hours && (row.above_input == 0 || input > row.above_input)
    };
    prices.iter().filter(holds).max_by_key(|row| (!row.hours.is_empty(), row.above_input))
}

const fn is_input(meter: Meter) -> bool {
    matches!(
        meter,
        Meter::Input
            | Meter::InputCached
            | Meter::CacheWrite
            | Meter::CacheWriteLong
            | Meter::InputAudio
            | Meter::InputImage
    )
}

/// The price of a meter, or of the dearer meter that it is a part of.
fn price_of(prices: &Prices, meter: Meter) -> Option<Nano> {
    let direct = |meter| prices.rates.get(&meter).copied();
    direct(meter).or_else(|| match meter {
        Meter::InputCached | Meter::InputAudio | Meter::InputImage => direct(Meter::Input),
        Meter::CacheWrite => direct(Meter::Input),
        Meter::CacheWriteLong => direct(Meter::CacheWrite).or_else(|| direct(Meter::Input)),
        Meter::OutputReasoning | Meter::OutputAudio | Meter::OutputImage => direct(Meter::Output),
        Meter::Input
        | Meter::Output
        | Meter::Other
        | Meter::Request
        | Meter::Image
        | Meter::Search
        | Meter::Second
        | Meter::Character => None,
    })
}

/// The most units that a call can be of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Most {
    /// Tokens, however they are read.
    pub input: i64,
    /// Tokens, however they are made.
    pub output: i64,
    /// Images made.
    pub images: i64,
    /// Characters spoken.
    pub characters: i64,
    /// Seconds of media.
    pub seconds: i64,
}

/// The most that a call of at most so many units can cost under any class of the model's prices, rounded up to nano.
/// For holds.
///
/// `None` when the model has no price for any of them (it is then refused or flagged by policy).
pub fn upper_bound(prices: &[Prices], most: &Most) -> Option<Nano> {
    use Meter::{
        CacheWrite, CacheWriteLong, Character, Image, Input, InputAudio, InputCached, InputImage,
        Output, OutputAudio, OutputImage, OutputReasoning, Request, Second,
    };
    let parts: [(&[Meter], i64); 6] = [
        (
            &[Input, InputCached, CacheWrite, CacheWriteLong, InputAudio, InputImage],
            most.input.max(0),
        ),
        (&[Output, OutputReasoning, OutputAudio, OutputImage], most.output.max(0)),
        (&[Image], most.images),
        (&[Character], most.characters),
        (&[Second], most.seconds),
        (&[Request], 1),
    ];
    let mut units: Option<i128> = None;
    for (index, (meters, count)) in parts.into_iter().enumerate() {
        let rates =
            prices.iter().flat_map(|row| meters.iter().filter_map(|meter| row.rates.get(meter)));
        // a price of tokens counts also for a call that may have none of them
        if let Some(price) = rates.max().filter(|_| index < 2 || count > 0) {
            let part = i128::from(count.max(0)) * i128::from(price.0);
            units = Some(units.unwrap_or(0).checked_add(part)?);
        }
    }
    Some(Amount::from_units(units?).and_then(Amount::to_nano_up).unwrap_or(Nano(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::super::shipped;
    use super::*;
    use crate::event::Quantity;

    fn charge(provider: &str, model: &str, quantities: &[(Meter, i64)]) -> Charge {
        Charge {
            provider: provider.into(),
            credential: "main".into(),
            model: model.into(),
            quantities: quantities
                .iter()
                .map(|(meter, units)| Quantity { meter: *meter, units: *units })
                .collect(),
            estimated: false,
            reported_nano: None,
        }
    }

    fn cost(charge: &Charge, hour: i64) -> Result<String, Error> {
        let book = shipped().unwrap();
        let rated = book.rate(charge, hour * 3_600_000_000)?;
        assert_eq!(book.cost(charge, hour * 3_600_000_000), Ok(rated.total));
        Ok(rated.total.to_string())
    }

    #[test]
    fn money_is_integer() {
        use Meter::{Input, InputCached, Output, OutputReasoning};
        for (charge, hour, wanted) in [
            (charge("openai", "gpt-4o-mini", &[(Input, 1000), (Output, 500)]), 0, "0.00045"),
            (charge("openai", "gpt-4o-mini", &[(Input, 1)]), 0, "0.00000015"),
            (
                charge("openai", "gpt-4o-mini", &[(InputCached, 1), (OutputReasoning, 1)]),
                0,
                "0.000000675",
            ),
            (charge("openai", "gpt-6-sol", &[(Input, 272_000)]), 0, "0.544"),
            (charge("openai", "gpt-6-sol", &[(Input, 272_000), (InputCached, 1)]), 0, "1.0880004"),
            (charge("deepseek", "deepseek-v4-pro", &[(Output, 1_000_000)]), 0, "1.98"),
            (charge("deepseek", "deepseek-v4-pro", &[(Output, 1_000_000)]), 1, "3.96"),
            (charge("deepseek", "deepseek-v4-pro", &[(Output, 1_000_000)]), 4, "1.98"),
            (charge("ollama", "whatever", &[(Output, 1_000_000)]), 4, "0.00"),
            (charge("openai", "gpt-4o-mini", &[]), 0, "0.00"),
        ] {
            assert_eq!(cost(&charge, hour).as_deref(), Ok(wanted), "{charge:?}");
        }
    }

    #[test]
    fn no_free_call() {
        let unknown = charge("openai", "nope", &[(Meter::Input, 1)]);
        assert!(matches!(cost(&unknown, 0), Err(Error::NoPrice { .. })));
        let unpriced = charge("openai", "gpt-4o-mini", &[(Meter::Search, 1)]);
        assert!(matches!(cost(&unpriced, 0), Err(Error::NoMeter { meter: Meter::Search, .. })));
        let negative = charge("openai", "gpt-4o-mini", &[(Meter::Input, -1)]);
        assert_eq!(cost(&negative, 0), Err(Error::Range));
    }

    #[test]
    fn reported_cost_is_the_price_where_the_list_says_so() {
        let mut openrouter = charge("openrouter", "some/model", &[(Meter::Input, 10)]);
        assert!(matches!(cost(&openrouter, 0), Err(Error::NoMeter { .. })));
        openrouter.reported_nano = Some(150_000);
        assert_eq!(cost(&openrouter, 0).as_deref(), Ok("0.00015"));
    }

    #[test]
    fn what_is_not_counted_in_tokens_has_a_bound_too() {
        use Meter::{Character, Image, Request, Second};
        let book = shipped().unwrap();
        let most = Most { images: 2, characters: 4_096, seconds: 60, ..Most::default() };
        for (provider, model, meter, units, wanted) in [
            ("openai", "tts-1", Character, 4_096, "0.06144"),
            ("openai", "whisper-1", Second, 60, "0.006"),
            ("openai", "omni-moderation-latest", Request, 1, "0.00"),
            ("doubao", "seedream-4-0", Image, 2, "0.06"),
        ] {
            let owed = charge(provider, model, &[(meter, units)]);
            assert_eq!(cost(&owed, 0).as_deref(), Ok(wanted), "{model}");
            let prices = book.find(&provider.into(), &model.into()).unwrap();
            let bound = upper_bound(prices, &most).unwrap();
            assert!(Amount::from(bound) >= book.cost(&owed, 0).unwrap(), "{model}");
        }
        // a price of other units than the call can be of is none
        let seconds = book.find(&"openai".into(), &"whisper-1".into()).unwrap();
        assert_eq!(upper_bound(seconds, &Most { input: 10, ..Most::default() }), None);
    }

    #[test]
    fn a_hold_is_never_below_the_cost() {
        let book = shipped().unwrap();
        for (provider, models) in &book.prices {
            for (model, prices) in models {
                let most = Most { input: 300_000, output: 5_000, ..Most::default() };
                let Some(bound) = upper_bound(prices, &most) else {
                    continue;
                };
                for meters in [
                    [(Meter::Input, 300_000), (Meter::Output, 5_000)],
                    [(Meter::CacheWriteLong, 300_000), (Meter::OutputReasoning, 5_000)],
                ] {
                    for hour in [0, 2] {
                        let charge = charge(provider.as_str(), model.as_str(), &meters);
                        if let Ok(cost) = book.cost(&charge, hour * 3_600_000_000) {
                            assert!(cost <= Amount::from(bound), "{provider}/{model} {meters:?}");
                        }
                    }
                }
            }
        }
    }
}
