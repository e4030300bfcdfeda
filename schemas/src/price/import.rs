//! Catalogues that others keep, as rows of a price list: LiteLLM's `model_prices_and_context_window.json` (USD per
//! token) and models.dev's `api.json` (USD per million tokens).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A row of a price list: columns that are empty say nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Row {
    /// The provider.
    pub provider: String,
    /// Its model.
    pub model: String,
    /// Holds above so many input tokens; empty for 0.
    pub above_input: String,
    /// USD per million tokens, by the column's name.
    pub prices: BTreeMap<&'static str, String>,
}

/// What a catalogue holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Imported {
    /// Its rows.
    pub rows: Vec<Row>,
    /// What could not be taken, and why.
    pub skipped: Vec<(String, &'static str)>,
}

/// What is wrong with a catalogue.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not JSON.
    #[error("the catalogue is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Neither of the known forms.
    #[error(
        "the catalogue is neither LiteLLM's (litellm_provider per model) nor models.dev's (models per provider)"
    )]
    Unknown,
}

/// Names of providers there and here.
const PROVIDERS: [(&str, &str); 12] = [
    ("bedrock_converse", "bedrock"),
    ("amazon-bedrock", "bedrock"),
    ("google", "gemini"),
    ("volcengine", "doubao"),
    ("together_ai", "together"),
    ("togetherai", "together"),
    ("fireworks_ai", "fireworks"),
    ("fireworks-ai", "fireworks"),
    ("ollama_chat", "ollama"),
    ("moonshotai", "moonshot"),
    ("text-completion-openai", "openai"),
    ("azure_ai", "azure"),
];

/// Reads a catalogue in either form.
///
/// # Errors
/// [`Error`].
pub fn import(text: &str) -> Result<Imported, Error> {
    let entries: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
    let mut imported = Imported::default();
    let mut known = false;
    for (name, entry) in &entries {
        if let Ok(provider) = serde_json::from_str::<DevProvider<'_>>(entry.get()) {
            known = true;
            let prices = |model: &DevModel<'_>| model.cost.as_ref().map(DevCost::prices);
            for (id, model) in &provider.models {
                imported.take(&provider_here(name), id, prices(model), Vec::new());
            }
        } else if let Some(model) = LiteModel::read(entry) {
            known = true;
            // an example that says what the fields mean
            if name == "sample_spec" {
                continue;
            }
            // `provider/model` there names what is `model` of the provider here
            let id = name.strip_prefix(&format!("{}/", model.provider)).unwrap_or(name);
            imported.take(&provider_here(&model.provider), id, model.prices(0), model.steps());
        }
    }
    if known { Ok(imported) } else { Err(Error::Unknown) }
}

fn provider_here(name: &str) -> String {
    let found = PROVIDERS.iter().find(|(there, _)| *there == name);
    found.map_or(name, |(_, here)| here).to_owned()
}

type Columns = Result<BTreeMap<&'static str, String>, &'static str>;

impl Imported {
    fn take(
        &mut self,
        provider: &str,
        model: &str,
        prices: Option<Columns>,
        steps: Vec<(u64, Columns)>,
    ) {
        let first = [(0, prices.unwrap_or(Err("it has no price")))];
        for (above, prices) in first.into_iter().chain(steps) {
            match prices {
                Ok(prices) => self.rows.push(Row {
                    provider: provider.to_owned(),
                    model: model.to_owned(),
                    above_input: if above == 0 { String::new() } else { above.to_string() },
                    prices,
                }),
                Err(why) => self.skipped.push((format!("{provider}/{model}"), why)),
            }
        }
    }
}

#[derive(Deserialize)]
struct DevProvider<'a> {
    #[serde(borrow)]
    models: BTreeMap<String, DevModel<'a>>,
}

#[derive(Deserialize)]
struct DevModel<'a> {
    #[serde(borrow, default)]
    cost: Option<DevCost<'a>>,
}

#[derive(Deserialize)]
struct DevCost<'a> {
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cache_read: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cache_write: Option<&'a RawValue>,
}

impl DevCost<'_> {
    fn prices(&self) -> Columns {
        columns(
            [
                ("input", self.input),
                ("output", self.output),
                ("input_cached", self.cache_read),
                ("cache_write", self.cache_write),
            ],
            0,
        )
    }
}

struct LiteModel<'a> {
    provider: String,
    fields: BTreeMap<String, &'a RawValue>,
}

impl<'a> LiteModel<'a> {
    fn read(entry: &'a RawValue) -> Option<Self> {
        let fields: BTreeMap<String, &RawValue> = serde_json::from_str(entry.get()).ok()?;
        let provider = serde_json::from_str(fields.get("litellm_provider")?.get()).ok()?;
        Some(Self { provider, fields })
    }

    fn prices(&self, above: u64) -> Option<Columns> {
        let step =
            if above == 0 { String::new() } else { format!("_above_{}k_tokens", above / 1000) };
        let field = |name: &str| self.fields.get(format!("{name}{step}").as_str()).copied();
        let input = field("input_cost_per_token")?;
        Some(columns(
            [
                ("input", Some(input)),
                ("output", field("output_cost_per_token")),
                ("input_cached", field("cache_read_input_token_cost")),
                ("cache_write", field("cache_creation_input_token_cost")),
            ],
            6,
        ))
    }

    /// Prices that hold above so many input tokens.
    fn steps(&self) -> Vec<(u64, Columns)> {
        let steps = [128_000, 200_000, 256_000, 272_000];
        steps.into_iter().filter_map(|above| Some((above, self.prices(above)?))).collect()
    }
}

fn columns(fields: [(&'static str, Option<&RawValue>); 4], shift: i32) -> Columns {
    let mut prices = BTreeMap::new();
    for (name, value) in fields {
        let Some(value) = value.filter(|value| value.get() != "null") else {
            continue;
        };
        let price = decimal(value.get().trim_matches('"'), shift);
        prices.insert(
            name,
            price.ok_or("a price is negative, or has more than 9 decimals per million")?,
        );
    }
    match prices.contains_key("input") || prices.contains_key("output") {
        true => Ok(prices),
        false => Err("it has no price"),
    }
}

/// A JSON number times ten to the power of `shift`, as a decimal of at most 9 places. Exact: no float is made of it.
fn decimal(number: &str, shift: i32) -> Option<String> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let exponent = exponent.parse::<i32>().ok()?.checked_add(shift)?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 30 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let places = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let digits = digits.trim_start_matches('0');
    let (whole, fraction) = match usize::try_from(places) {
        Ok(places) => {
            if places > 60 {
                return digits.is_empty().then(|| "0".to_owned());
            }
            let padded = format!("{digits:0>width$}", width = places + 1);
            let (whole, fraction) = padded.split_at_checked(padded.len() - places)?;
            (whole.to_owned(), fraction.trim_end_matches('0').to_owned())
        }
        Err(_) => {
            let zeros = usize::try_from(places.checked_neg()?).ok().filter(|zeros| *zeros <= 12)?;
            (format!("{digits}{}", "0".repeat(zeros)), String::new())
        }
    };
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    match fraction.len() {
        0 => Some(whole.to_owned()),
        1..=9 => Some(format!("{whole}.{fraction}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_moved_exactly() {
        for (number, shift, wanted) in [
            ("2.5e-06", 6, Some("2.5")),
            ("1e-05", 6, Some("10")),
            ("0.00000015", 6, Some("0.15")),
            ("1.25e-07", 6, Some("0.125")),
            ("3", 0, Some("3")),
            ("0.30", 0, Some("0.3")),
            ("0", 6, Some("0")),
            ("0.0", 6, Some("0")),
            ("1.5E2", 0, Some("150")),
            ("1e-16", 6, None),
            ("1e-15", 6, Some("0.000000001")),
            ("-1", 0, None),
            ("x", 0, None),
            ("1e999999999999", 0, None),
            ("", 0, None),
        ] {
            assert_eq!(decimal(number, shift).as_deref(), wanted, "{number}");
        }
    }

    fn rows(text: &str) -> (Vec<String>, Vec<String>) {
        let Imported { rows, skipped } = import(text).unwrap();
        let rows = rows.iter().map(|row| {
            let prices: Vec<String> =
                row.prices.iter().map(|(name, price)| format!("{name}={price}")).collect();
            format!("{}/{}>{} {}", row.provider, row.model, row.above_input, prices.join(" "))
        });
        let skipped = skipped.iter().map(|(model, why)| format!("{model}: {why}"));
        (rows.collect(), skipped.collect())
    }

    /// Our own examples in the two forms.
    #[test]
    fn both_forms_are_read() {
        let lite = r#"{
            "sample_spec": {"input_cost_per_token": 0, "litellm_provider": "one of https://docs", "mode": "chat"},
            "gpt-a": {"litellm_provider": "openai", "mode": "chat", "max_input_tokens": 1000, "input_cost_per_token": 2.5e-06,
                      "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1.25e-06},
            "gemini/gemini-a": {"litellm_provider": "gemini", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06,
                      "input_cost_per_token_above_200k_tokens": 2e-06, "output_cost_per_token_above_200k_tokens": 4e-06},
            "dall": {"litellm_provider": "openai", "mode": "image_generation", "output_cost_per_image": 0.04}
        }"#;
        let (found, skipped) = rows(lite);
        assert_eq!(
            found,
            [
                "gemini/gemini-a> input=1 output=2",
                "gemini/gemini-a>200000 input=2 output=4",
                "openai/gpt-a> input=2.5 input_cached=1.25 output=10",
            ]
        );
        assert_eq!(skipped, ["openai/dall: it has no price"]);
        let dev = r#"{"google": {"id": "google", "models": {"gemini-a": {"id": "gemini-a", "cost": {"input": 1.25, "output": 10, "cache_read": 0.31}},
                      "free": {"id": "free"}}}}"#;
        let (found, skipped) = rows(dev);
        assert_eq!(found, ["gemini/gemini-a> input=1.25 input_cached=0.31 output=10"]);
        assert_eq!(skipped, ["gemini/free: it has no price"]);
        for other in ["{}", "{\"a\": 1}", "{\"a\": {}}"] {
            assert!(matches!(import(other), Err(Error::Unknown)), "{other}");
        }
        assert!(matches!(import("[]"), Err(Error::Json(_))));
    }
}
