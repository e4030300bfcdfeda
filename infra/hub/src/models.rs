//! `hub models`: price lists out of catalogues that others keep.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use schemas::price::{Imported, Row, import, parse_catalogue};

use crate::config::Config;

/// The columns of a price list that a catalogue knows.
const PRICES: [&str; 4] = ["input", "input_cached", "cache_write", "output"];

/// A line of a price list: provider, model, `above_input`, `hours`.
type Name = [String; 4];

/// Does what the command says.
///
/// # Errors
/// A file can't be read or written, or holds something else.
pub(crate) fn sync(
    config: &Config,
    catalogue: &Path,
    to: Option<&Path>,
    provider: &[String],
    dry_run: bool,
) -> anyhow::Result<()> {
    let Some(to) = to.or(config.prices_file.as_deref()) else {
        bail!("which price list? name it with --to, or set prices_file");
    };
    let named = || catalogue.display().to_string();
    let text = std::fs::read_to_string(catalogue).with_context(named)?;
    let mut imported = import(&text).with_context(named)?;
    let wanted = |name: &str| provider.is_empty() || provider.iter().any(|only| only == name);
    imported.rows.retain(|row| wanted(&row.provider));
    imported.skipped.retain(|(model, _)| wanted(model.split('/').next().unwrap_or_default()));
    let before = match std::fs::read_to_string(to) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).context(to.display().to_string()),
    };
    let (after, changes) = merge(&before, &imported).context(to.display().to_string())?;
    parse_catalogue(&after).context("the merged list can't be read")?;
    let mut out = std::io::stdout().lock();
    for line in &changes {
        writeln!(out, "{line}")?;
    }
    if !dry_run {
        replace(to, &after).with_context(|| to.display().to_string())?;
    }
    let done = if dry_run { "would change" } else { "changed" };
    writeln!(
        out,
        "{}: {} lines {done}, {} models without a usable price skipped",
        to.display(),
        changes.len(),
        imported.skipped.len()
    )?;
    Ok(())
}

/// The file is the old one or the new one, whatever happens.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension("csv.new");
    std::fs::write(&beside, text)?;
    std::fs::rename(beside, path)
}

/// The list with the catalogue's prices: lines that the catalogue does not name stay as they are, and of those that
/// it does the columns that it knows are replaced. Gives a line per change.
fn merge(before: &str, imported: &Imported) -> anyhow::Result<(String, Vec<String>)> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(before.as_bytes());
    let mut columns: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    let needed = ["provider", "model", "above_input"].into_iter().chain(PRICES);
    for column in needed {
        if !columns.iter().any(|known| known == column) {
            columns.push(column.to_owned());
        }
    }
    let mut lines: BTreeMap<Name, BTreeMap<String, String>> = BTreeMap::new();
    for record in reader.records() {
        // empty fields at the end of a line may be left out
        let values = record?;
        let values = values.iter().map(str::to_owned).chain(std::iter::repeat(String::new()));
        let line: BTreeMap<String, String> = columns.iter().cloned().zip(values).collect();
        lines.insert(name_of(&line), line);
    }
    let mut changes = Vec::new();
    for row in &imported.rows {
        let mut line: BTreeMap<String, String> =
            row.prices.iter().map(|(name, price)| ((*name).to_owned(), price.clone())).collect();
        line.insert("provider".to_owned(), row.provider.clone());
        line.insert("model".to_owned(), row.model.clone());
        line.insert("above_input".to_owned(), row.above_input.clone());
        let known = lines.entry(name_of(&line)).or_default();
        let change = told(row, known);
        for column in PRICES {
            known.remove(column);
        }
        if change.is_some() {
            // these were of the price that was there
            known.remove("source");
            known.remove("date");
        }
        known.extend(line);
        changes.extend(change);
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&columns)?;
    for line in lines.values() {
        writer.write_record(
            columns.iter().map(|column| line.get(column).map_or("", String::as_str)),
        )?;
    }
    Ok((String::from_utf8(writer.into_inner()?)?, changes))
}

fn name_of(line: &BTreeMap<String, String>) -> Name {
    ["provider", "model", "above_input", "hours"]
        .map(|column| line.get(column).cloned().unwrap_or_default())
}

/// What the row changes of the line that is there.
fn told(row: &Row, known: &BTreeMap<String, String>) -> Option<String> {
    let is_new = known.is_empty();
    let changed: Vec<String> = PRICES
        .iter()
        .filter_map(|column| {
            let before = known.get(*column).map_or("", String::as_str);
            let after = row.prices.get(column).map_or("", String::as_str);
            match (is_new, before == after) {
                (_, true) => None,
                (true, _) => Some(format!("{column} {after}")),
                (false, _) => Some(format!("{column} {before:?} -> {after:?}")),
            }
        })
        .collect();
    let above = match row.above_input.as_str() {
        "" => String::new(),
        above => format!(" above {above}"),
    };
    let sign = if is_new { '+' } else { '~' };
    (!changed.is_empty())
        .then(|| format!("{sign} {}/{}{above}: {}", row.provider, row.model, changed.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_is_merged_and_the_second_time_nothing_changes() {
        let before =
            "provider,model,input,output,note,source\nopenai,gpt-a,1,2,ours,them\nown,m,3,4,,me\n";
        let catalogue = r#"{"gpt-a": {"litellm_provider": "openai", "input_cost_per_token": 2e-06, "output_cost_per_token": 2e-06},
                            "gpt-b": {"litellm_provider": "openai", "input_cost_per_token": 1e-06, "output_cost_per_token": 5e-06}}"#;
        let imported = import(catalogue).unwrap();
        let (after, changes) = merge(before, &imported).unwrap();
        assert_eq!(
            changes,
            ["~ openai/gpt-a: input \"1\" -> \"2\"", "+ openai/gpt-b: input 1, output 5"]
        );
        let lines: Vec<&str> = after.lines().collect();
        assert_eq!(
            lines,
            [
                "provider,model,input,output,note,source,above_input,input_cached,cache_write",
                "openai,gpt-a,2,2,ours,,,,",
                "openai,gpt-b,1,5,,,,,",
                "own,m,3,4,,me,,,",
            ]
        );
        assert_eq!(merge(&after, &imported).unwrap(), (after.clone(), Vec::new()));
        let made = merge("", &imported).unwrap().0;
        assert!(parse_catalogue(&made).unwrap().find(&"openai".into(), &"gpt-b".into()).is_some());
    }
}
