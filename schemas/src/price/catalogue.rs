//! Price lists as CSV: the shipped one and an operator's own.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{PriceBook, Prices};
use crate::event::Meter;
use crate::ids::{ModelId, ProviderId};
use crate::money::Nano;

/// What is wrong with a price list.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not CSV of the right columns.
    #[error("price list: {0}")]
    Csv(#[from] csv::Error),
    /// A field does not hold what it should.
    #[error("price list line {line}: {field} is {value:?}: {wanted}")]
    Field {
        /// Line of the file, from 1.
        line: u64,
        /// The column.
        field: &'static str,
        /// What it holds.
        value: String,
        /// What it should hold.
        wanted: String,
    },
}

/// Where a price is from. It is no part of the book: the same prices from elsewhere are the same book.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Source {
    /// Who says so; empty when the list does not tell.
    pub source: String,
    /// When it said so, such as `2026-11-23` or `2026-06`; empty when the list does not tell.
    pub date: String,
}

/// Where the prices of each model of each list are from.
pub type Sources = BTreeMap<ProviderId, BTreeMap<ModelId, Source>>;

/// Prices of tokens and characters are USD per million, those of an image, a request and a second are USD for one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    provider: ProviderId,
    model: ModelId,
    #[serde(default)]
    above_input: String,
    #[serde(default)]
    hours: String,
    #[serde(default)]
    input: String,
    #[serde(default)]
    input_cached: String,
    #[serde(default)]
    cache_write: String,
    #[serde(default)]
    cache_write_long: String,
    #[serde(default)]
    output: String,
    #[serde(default)]
    output_image: String,
    #[serde(default)]
    image: String,
    #[serde(default)]
    reported: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    date: String,
    #[serde(default)]
    #[expect(dead_code, reason = "for the people who read the file")]
    note: String,
    #[serde(default)]
    input_audio: String,
    #[serde(default)]
    output_audio: String,
    #[serde(default)]
    character: String,
    #[serde(default)]
    second: String,
    #[serde(default)]
    request: String,
}

/// The catalogue compiled in.
///
/// # Errors
/// Never, as a test shows; the type is [`parse`]'s.
pub fn shipped() -> Result<PriceBook, Error> {
    parse(include_str!("../../catalogue.csv"))
}

/// Where the prices of the catalogue compiled in are from.
///
/// # Errors
/// Never, as a test shows; the type is [`sources`]'s.
pub fn shipped_sources() -> Result<Sources, Error> {
    sources(include_str!("../../catalogue.csv"))
}

/// Reads a price list with the columns of the shipped one; columns may be left out, and empty ones at the end of a line.
///
/// # Errors
/// [`Error`] names the line and the column.
pub fn parse(text: &str) -> Result<PriceBook, Error> {
    let mut book = PriceBook::default();
    for (line, row) in rows(text)? {
        let prices = read(&row, line)?;
        book.prices.entry(row.provider).or_default().entry(row.model).or_default().push(prices);
    }
    Ok(book)
}

/// Reads where the prices of a list are from: what the first line of a model says.
///
/// # Errors
/// [`Error`] names the line and the column.
pub fn sources(text: &str) -> Result<Sources, Error> {
    let mut sources = Sources::new();
    for (line, Row { provider, model, source, date, .. }) in rows(text)? {
        if !is_date(&date) {
            let wanted = "a date such as 2026-11-23, or a month such as 2026-11".into();
            return Err(Error::Field { line, field: "date", value: date, wanted });
        }
        let list = sources.entry(provider).or_default();
        list.entry(model).or_insert(Source { source, date });
    }
    Ok(sources)
}

/// Whether it is a day, a month, or nothing.
fn is_date(text: &str) -> bool {
    let digits =
        |part: &str, count| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
    let mut parts = text.split('-');
    text.is_empty()
        || (parts.next().is_some_and(|year| digits(year, 4))
            && parts.next().is_some_and(|month| digits(month, 2))
            && parts.next().is_none_or(|day| digits(day, 2))
            && parts.next().is_none())
}

/// The lines of a list, each with its number. Columns that are empty at the end of a line may be left out.
fn rows(text: &str) -> Result<Vec<(u64, Row)>, Error> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let headers = reader.headers()?.clone();
    let rows = reader.records().map(|record| {
        let mut record = record?;
        (record.len()..headers.len()).for_each(|_| record.push_field(""));
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() > headers.len() {
            let value = record.iter().next_back().unwrap_or_default().chars().take(40).collect();
            let wanted = format!("a line has at most {} fields, as the first", headers.len());
            return Err(Error::Field { line, field: "the last field", value, wanted });
        }
        Ok((line, record.deserialize(Some(&headers))?))
    });
    rows.collect()
}

/// The price of a million units, from one as people write it: USD per million tokens or characters, USD for one
/// image, request or second.
///
/// # Errors
/// What would be right.
pub fn per_million_units(meter: Meter, text: &str) -> Result<Nano, String> {
    let price: Nano = text.parse().map_err(|error: crate::money::Error| error.to_string())?;
    let one = matches!(meter, Meter::Image | Meter::Second | Meter::Request);
    let scale = if one { 1_000_000 } else { 1 };
    let price = (price.0 >= 0).then(|| price.0.checked_mul(scale)).flatten();
    price.map(Nano).ok_or_else(|| "a price is 0 or more, below 9 thousand USD".into())
}

fn read(row: &Row, line: u64) -> Result<Prices, Error> {
    let refuse = |field, value: &str, wanted: String| Error::Field {
        line,
        field,
        value: value.chars().take(40).collect(),
        wanted,
    };
    let per_million = [
        ("input", Meter::Input, &row.input),
        ("input_cached", Meter::InputCached, &row.input_cached),
        ("cache_write", Meter::CacheWrite, &row.cache_write),
        ("cache_write_long", Meter::CacheWriteLong, &row.cache_write_long),
        ("output", Meter::Output, &row.output),
        ("output_image", Meter::OutputImage, &row.output_image),
        ("image", Meter::Image, &row.image),
        ("input_audio", Meter::InputAudio, &row.input_audio),
        ("output_audio", Meter::OutputAudio, &row.output_audio),
        ("character", Meter::Character, &row.character),
        ("second", Meter::Second, &row.second),
        ("request", Meter::Request, &row.request),
    ];
    let mut rates = BTreeMap::new();
    for (field, meter, text) in per_million {
        if text.is_empty() {
            continue;
        }
        let price = per_million_units(meter, text).map_err(|why| refuse(field, text, why))?;
        rates.insert(meter, price);
    }
    let above_input =
        match row.above_input.as_str() {
            "" => 0,
            text => text.parse().ok().filter(|tokens| *tokens >= 0).ok_or_else(|| {
                refuse("above_input", text, "a number of tokens, 0 or more".into())
            })?,
        };
    let hours = row.hours.split_whitespace().map(|span| {
        span.split_once('-')
            .and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)))
            .filter(|(from, to)| from < to && *to <= 24)
            .ok_or_else(|| refuse("hours", span, "hours of the day such as 1-4".into()))
    });
    let hours = hours.collect::<Result<_, _>>()?;
    let reported = match row.reported.as_str() {
        "" | "false" => false,
        "true" => true,
        text => return Err(refuse("reported", text, "true or false".into())),
    };
    Ok(Prices { above_input, hours, rates, reported })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_catalogue_is_read() {
        let book = shipped().unwrap();
        assert!(book.find(&"openai".into(), &"gpt-4o-mini".into()).is_some());
        assert!(book.find(&"demo".into(), &"demo".into()).is_some());
        assert!(book.find(&"openai".into(), &"no-such-model".into()).is_none());
        assert_eq!(book.version(), book.clone().version());
        let again: PriceBook = serde_json::from_slice(&book.to_json()).unwrap();
        assert_eq!(again, book);
    }

    #[test]
    fn prices_are_of_a_million_or_of_one() {
        let text = "provider,model,input,second,request,character\na,m,1,0.0001,0,15\na,n,2\n";
        let book = parse(text).unwrap();
        let rates = |model: &str| {
            let rows = book.find(&"a".into(), &model.into()).unwrap();
            rows[0].rates.iter().map(|(meter, price)| (*meter, price.0)).collect::<Vec<_>>()
        };
        assert_eq!(
            rates("m"),
            [
                (Meter::Input, 1_000_000_000),
                (Meter::Request, 0),
                (Meter::Second, 100_000_000_000),
                (Meter::Character, 15_000_000_000),
            ]
        );
        assert_eq!(rates("n"), [(Meter::Input, 2_000_000_000)]);
    }

    #[test]
    fn sources_are_told_for_every_price() {
        let (book, sources) = (shipped().unwrap(), shipped_sources().unwrap());
        for (provider, models) in &book.prices {
            for model in models.keys() {
                let source = &sources[provider][model];
                // these two have no vendor who lists a price
                let own = provider.as_str() == "demo" || model.as_str() == "*";
                let known = !source.source.is_empty() && !source.date.is_empty();
                assert!(known || own, "{provider} {model}");
            }
        }
        for (date, fits) in [("", true), ("2026-11", true), ("2026-11-23", true), ("soon", false)] {
            let text = format!("provider,model,input,date\na,m,1,{date}\n");
            assert_eq!(super::sources(&text).is_ok(), fits, "{date}");
        }
    }

    #[test]
    fn bad_rows_name_line_and_column() {
        for (row, wanted) in [
            ("a,m,,,1.0000000001", "line 2: input is"),
            ("a,m,,,-1", "line 2: input is"),
            ("a,m,x,,1", "line 2: above_input is"),
            ("a,m,,4-1,1", "line 2: hours is"),
            ("a,m,,25,1", "line 2: hours is"),
            ("a,m,,,1,2", "line 2: the last field is"),
        ] {
            let text = format!("provider,model,above_input,hours,input\n{row}\n");
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{row}: {error}");
        }
        assert!(
            parse("provider,model,colour\na,m,red\n").unwrap_err().to_string().contains("colour")
        );
    }
}
