//! What is known of models: a table as CSV, the shipped one and an operator's own over it. Pure.
//!
//! What is not known is `None`, which is not "no": a model that nobody describes is served all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::ids::{ModelId, ProviderId};
use schemas::price::{Source, Sources};
use serde::Deserialize;

/// What is wrong with a table of models.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not CSV of the right columns.
    #[error("models: {0}")]
    Csv(#[from] csv::Error),
    /// A field does not hold what it should.
    #[error("models line {line}: {field} is {value:?}: {wanted}")]
    Field {
        /// Line of the file, from 1.
        line: u64,
        /// The column.
        field: &'static str,
        /// What it holds.
        value: String,
        /// What it should hold.
        wanted: &'static str,
    },
}

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// Its name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// By its name.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
            }

            const KNOWN: &'static str = concat!("some of", $(" ", $text,)*);
        }
    };
}

words! {
    /// A kind of what goes in or comes out.
    Modality {
        /// Text.
        Text = "text",
        /// Images.
        Image = "image",
        /// Sound.
        Audio = "audio",
        /// Films.
        Video = "video",
        /// Documents, such as PDFs.
        File = "file",
        /// Vectors.
        Embedding = "embedding",
    }
}

words! {
    /// Something that a model can do or not.
    Feature {
        /// Answers piece by piece.
        Stream = "stream",
        /// Calls tools.
        Tools = "tools",
        /// Calls several at once.
        ParallelTools = "parallel_tools",
        /// Holds its answer to a JSON schema.
        JsonSchema = "json_schema",
        /// Answers in JSON.
        JsonObject = "json_object",
        /// Thinks before it answers.
        Reasoning = "reasoning",
        /// Input that was there before is cheaper.
        Cache = "cache",
    }
}

/// What is known of a model.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// The most input tokens.
    pub context: Option<i64>,
    /// The most output tokens.
    pub max_output: Option<i64>,
    /// All kinds of what it takes.
    pub input: Option<BTreeSet<Modality>>,
    /// All kinds of what it gives.
    pub output: Option<BTreeSet<Modality>>,
    /// What it is known to do, or known not to.
    pub features: BTreeMap<Feature, bool>,
    /// Who says so.
    pub source: String,
    /// When.
    pub date: String,
}

impl Facts {
    /// Whether it takes such; `None` when nobody says.
    pub fn takes(&self, modality: Modality) -> Option<bool> {
        self.input.as_ref().map(|input| input.contains(&modality))
    }

    /// Whether it gives such; `None` when nobody says.
    pub fn gives(&self, modality: Modality) -> Option<bool> {
        self.output.as_ref().map(|output| output.contains(&modality))
    }

    /// Whether it can do this; `None` when nobody says.
    pub fn can(&self, feature: Feature) -> Option<bool> {
        self.features.get(&feature).copied()
    }

    /// What holds for this one and another alike, as far as either is known: a call may come to
    /// either of them.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        let less = |a: Option<i64>, b: Option<i64>| a.into_iter().chain(b).min();
        self.context = less(self.context, other.context);
        self.max_output = less(self.max_output, other.max_output);
        self.input = both(self.input, other.input.as_ref());
        self.output = both(self.output, other.output.as_ref());
        for (feature, can) in &other.features {
            self.features.entry(*feature).and_modify(|known| *known &= can).or_insert(*can);
        }
        self
    }
}

fn both<T: Ord + Clone>(a: Option<BTreeSet<T>>, b: Option<&BTreeSet<T>>) -> Option<BTreeSet<T>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.intersection(b).cloned().collect()),
        (a, b) => a.or_else(|| b.cloned()),
    }
}

/// What is known of models, and where their prices are from.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// By provider, then name; a trailing `*` stands for any ending.
    models: BTreeMap<ProviderId, BTreeMap<String, Arc<Facts>>>,
    prices: Sources,
}

impl Catalogue {
    /// The same with another's rows in place of those of the same names.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        for (provider, models) in other.models {
            self.models.entry(provider).or_default().extend(models);
        }
        self.with_prices(other.prices)
    }

    /// The same with the sources of a price list in place of those of the same models.
    #[must_use]
    pub fn with_prices(mut self, sources: Sources) -> Self {
        for (provider, models) in sources {
            self.prices.entry(provider).or_default().extend(models);
        }
        self
    }

    /// What is known of a model: in its provider's own rows first, then in its vendor's; the name
    /// itself before the longest beginning of it.
    pub fn find(
        &self,
        provider: &ProviderId,
        vendor: &str,
        model: &ModelId,
    ) -> Option<&Arc<Facts>> {
        let name = model.as_str();
        let lists = [self.models.get(provider), self.models.get(&ProviderId::from(vendor))];
        lists.into_iter().flatten().find_map(|rows| {
            let starts = rows.iter().filter_map(|(row, facts)| {
                let start = row.strip_suffix('*')?;
                name.starts_with(start).then_some((start.len(), facts))
            });
            rows.get(name).or_else(|| starts.max_by_key(|(length, _)| *length).map(|(_, row)| row))
        })
    }

    /// Where a model's price is from, found as the price itself is.
    pub fn price_source(
        &self,
        provider: &ProviderId,
        vendor: &str,
        model: &ModelId,
    ) -> Option<&Source> {
        let any = ModelId::from("*");
        let lists = [self.prices.get(provider), self.prices.get(&ProviderId::from(vendor))];
        let mut lists = lists.into_iter().flatten();
        lists.find_map(|list| list.get(model).or_else(|| list.get(&any)))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    provider: ProviderId,
    /// One or more names.
    model: String,
    #[serde(default)]
    context: String,
    #[serde(default)]
    max_output: String,
    #[serde(default)]
    input: String,
    #[serde(default)]
    output: String,
    #[serde(default)]
    features: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    date: String,
}

/// The table compiled in.
///
/// # Errors
/// Never, as a test shows; the type is [`parse`]'s.
pub fn shipped() -> Result<Catalogue, Error> {
    parse(include_str!("../../models.csv"))
}

/// Reads a table with the columns of the shipped one; columns may be left out, but for `provider`
/// and `model`.
///
/// # Errors
/// [`Error`] names the line and the column.
pub fn parse(text: &str) -> Result<Catalogue, Error> {
    let mut catalogue = Catalogue::default();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers()?.clone();
    for record in reader.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let row: Row = record.deserialize(Some(&headers))?;
        let facts = Arc::new(read(&row, line)?);
        let models = catalogue.models.entry(row.provider).or_default();
        for name in row.model.split_whitespace() {
            if models.insert(name.to_owned(), Arc::clone(&facts)).is_some() {
                return Err(refused(line, "model", name, "a name that is there once"));
            }
        }
    }
    Ok(catalogue)
}

fn refused(line: u64, field: &'static str, value: &str, wanted: &'static str) -> Error {
    Error::Field { line, field, value: value.chars().take(40).collect(), wanted }
}

fn read(row: &Row, line: u64) -> Result<Facts, Error> {
    let tokens = |field, text: &str| match text {
        "" => Ok(None),
        text => match text.parse() {
            Ok(tokens) if tokens > 0 => Ok(Some(tokens)),
            _ => Err(refused(line, field, text, "a number of tokens, 1 or more")),
        },
    };
    let kinds = |field, text: &str| {
        let kinds = text.split_whitespace().map(|word| {
            Modality::named(word).ok_or_else(|| refused(line, field, word, Modality::KNOWN))
        });
        let kinds: BTreeSet<Modality> = kinds.collect::<Result<_, _>>()?;
        Ok::<_, Error>((!kinds.is_empty()).then_some(kinds))
    };
    if row.model.split_whitespace().next().is_none() {
        return Err(refused(line, "model", &row.model, "a name, or several with spaces between"));
    }
    let features = row.features.split_whitespace().map(|word| {
        let (name, can) = word.strip_prefix('-').map_or((word, true), |name| (name, false));
        let feature = Feature::named(name);
        feature
            .map(|feature| (feature, can))
            .ok_or_else(|| refused(line, "features", word, Feature::KNOWN))
    });
    Ok(Facts {
        context: tokens("context", &row.context)?,
        max_output: tokens("max_output", &row.max_output)?,
        input: kinds("input", &row.input)?,
        output: kinds("output", &row.output)?,
        features: features.collect::<Result<_, _>>()?,
        source: row.source.clone(),
        date: row.date.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(table: &Catalogue, provider: &str, vendor: &str, model: &str) -> Option<Arc<Facts>> {
        table.find(&provider.into(), vendor, &model.into()).cloned()
    }

    #[test]
    fn the_shipped_table_is_read_and_says_where_each_row_is_from() {
        let table = shipped().unwrap();
        for (provider, models) in &table.models {
            for (name, facts) in models {
                assert!(!facts.source.is_empty() && facts.date.len() == 10, "{provider} {name}");
            }
        }
        let facts = known(&table, "openai", "openai", "gpt-4o-mini").unwrap();
        assert_eq!((facts.context, facts.max_output), (Some(128_000), Some(16_384)));
        assert_eq!(facts.takes(Modality::Image), Some(true));
        assert_eq!(facts.takes(Modality::Video), Some(false));
        assert_eq!(facts.can(Feature::Tools), Some(true));
        assert_eq!(facts.can(Feature::Reasoning), Some(false));
        // a name with a date, and a provider that the operator named
        assert_eq!(known(&table, "azure", "openai", "gpt-4o-mini-2024-07-18"), Some(facts));
        assert_eq!(known(&table, "openai", "openai", "gpt-none"), None);
        let vectors = known(&table, "gemini", "gemini", "gemini-embedding-001").unwrap();
        assert_eq!(vectors.gives(Modality::Embedding), Some(true));
        assert_eq!(vectors.can(Feature::Tools), None);
        // every model with a price of its own is described
        for (provider, models) in schemas::price::shipped().unwrap().prices {
            for model in models.keys().filter(|model| model.as_str() != "*") {
                let facts = table.find(&provider, provider.as_str(), model);
                assert!(facts.is_some(), "{provider} {model}");
            }
        }
    }

    #[test]
    fn the_nearest_row_counts_and_an_operators_own_goes_over() {
        let shipped = parse("provider,model,context\nv,a*,1\nv,ab*,2\nv,abc,3\n").unwrap();
        let own = parse("provider,model,context\nv,ab*,4\np,a,5\n").unwrap();
        let both = shipped.clone().with(own);
        for (table, provider, model, context) in [
            (&shipped, "v", "a", 1),
            (&shipped, "v", "abd", 2),
            (&shipped, "v", "abc", 3),
            (&shipped, "p", "abc", 3),
            (&both, "v", "abd", 4),
            (&both, "v", "abc", 3),
            (&both, "p", "a", 5),
            (&both, "p", "ax", 1),
        ] {
            let facts = known(table, provider, "v", model).unwrap();
            assert_eq!(facts.context, Some(context), "{provider} {model}");
        }
    }

    #[test]
    fn several_promise_what_all_can() {
        let table = "provider,model,context,max_output,input,features\n\
                     v,a,10,,text image,tools -cache stream\nv,b,20,5,text,-tools cache\n";
        let table = parse(table).unwrap();
        let [a, b] = ["a", "b"].map(|name| known(&table, "v", "v", name).unwrap());
        let all = (*a).clone().and(&b);
        assert_eq!((all.context, all.max_output), (Some(10), Some(5)));
        assert_eq!(
            (all.takes(Modality::Text), all.takes(Modality::Image)),
            (Some(true), Some(false))
        );
        assert_eq!(all.gives(Modality::Text), None);
        let can = [Feature::Tools, Feature::Cache, Feature::Stream, Feature::Reasoning];
        assert_eq!(can.map(|one| all.can(one)), [Some(false), Some(false), Some(true), None]);
    }

    #[test]
    fn bad_rows_name_line_and_column() {
        for (row, wanted) in [
            ("v,m,many,,,", "line 2: context is \"many\""),
            ("v,m,,0,,", "line 2: max_output is"),
            ("v,m,,,smell,", "line 2: input is \"smell\": some of text image"),
            ("v,m,,,,fly", "line 2: features is \"fly\": some of stream tools"),
            ("v, ,,,,", "line 2: model is"),
            ("v,m m,,,,", "line 2: model is \"m\": a name that is there once"),
        ] {
            let text = format!("provider,model,context,max_output,input,features\n{row}\n");
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{row}: {error}");
        }
        let error = parse("provider,model,colour\nv,m,red\n").unwrap_err().to_string();
        assert!(error.contains("colour"), "{error}");
    }
}
