//! Commands on the audit trail.

use std::collections::VecDeque;
use std::io::Write as _;

use anyhow::{Context as _, bail};
use control::audit::{Report, verify};
use runtime::log::{Record, Span};
use schemas::event::Audit;
use schemas::topics::Topic;
use serde_json::{Value, json};

use crate::cli::AuditCommand;
use crate::commands::shared;
use crate::config::{Config, Environment};
use crate::serve::Shared;

/// Does what the command line says with the audit trail.
pub(crate) async fn run(
    config: Config,
    environment: Environment,
    command: AuditCommand,
) -> anyhow::Result<()> {
    let shared = shared(config, environment).await?;
    let (text, end) = match command {
        AuditCommand::Verify { json } => {
            let report = verify(&*shared.log, &shared.codec).await.context("reading the log")?;
            let text = if json { serde_json::to_string_pretty(&report)? } else { tell(&report) };
            (text, wrong(&report))
        }
        AuditCommand::List { last, json } => {
            let entries = list(&shared, last).await?;
            let lines = || entries.iter().map(line).collect::<Vec<_>>().join("\n");
            let text = if json { serde_json::to_string_pretty(&entries)? } else { lines() };
            (text, None)
        }
    };
    writeln!(std::io::stdout(), "{text}")?;
    end.map_or(Ok(()), |why| bail!(why))
}

/// A report in words.
fn tell(report: &Report) -> String {
    let mut lines = Vec::new();
    for chain in &report.chains {
        let end = if chain.closed { "closed" } else { "open: it runs, or was killed" };
        lines.push(format!(
            "{}: {} records, head {} ({end})",
            chain.origin, chain.records, chain.head
        ));
    }
    lines.push(format!(
        "{} audit records in {} chains ({} sent twice); {} changes, {} of them sealed by the trail",
        report.records,
        report.chains.len(),
        report.repeated,
        report.changes,
        report.sealed_changes
    ));
    lines.extend(report.bad.iter().map(|bad| {
        let (topic, offset, why) = (bad.topic, bad.offset, &bad.why);
        format!("{topic} offset {offset}: {why}")
    }));
    if report.is_sound() {
        lines.push("everything is as it was written".to_owned());
    }
    lines.join("\n")
}

fn wrong(report: &Report) -> Option<String> {
    let first = report.bad.first()?;
    let (topic, offset, why) = (first.topic, first.offset, &first.why);
    Some(format!(
        "{} entries are not as they were written; the first is {topic} offset {offset}: {why}",
        report.wrong
    ))
}

/// The last records, oldest first.
async fn list(shared: &Shared, last: usize) -> anyhow::Result<Vec<Value>> {
    let mut span =
        Span::whole(&*shared.log, Topic::Audit.at(0)).await.context("reading the log")?;
    let mut records: VecDeque<Record> = VecDeque::new();
    while let Some(page) = span.page().await? {
        records.extend(page);
        let beyond = records.len().saturating_sub(last);
        records.drain(..beyond);
    }
    let told = |record: &Record| {
        let value = record.value.as_deref().unwrap_or_default();
        let audit: Audit = match shared.codec.decode(value) {
            Ok(audit) => audit,
            Err(error) => {
                return json!({"offset": record.offset, "unreadable": error.to_string()});
            }
        };
        let part = |part: Option<Vec<u8>>| {
            part.and_then(|part| serde_json::from_slice::<Value>(&part).ok()).unwrap_or(Value::Null)
        };
        json!({
            "offset": record.offset,
            "at_us": audit.at,
            "action": audit.action,
            "entity": audit.entity,
            "actor": audit.actor,
            "address": audit.address,
            "request": audit.request,
            "allowed": audit.allowed,
            "before": part(audit.before),
            "after": part(audit.after),
            "origin": audit.origin.to_string(),
            "seq": audit.seq,
        })
    };
    Ok(records.iter().map(told).collect())
}

fn line(entry: &Value) -> String {
    let text = |name: &str| match entry.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    };
    let fields = ["offset", "at_us", "action", "entity", "actor", "address", "allowed", "after"];
    fields.map(text).join("\t")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use control::audit::{Entry, Trail};
    use runtime::log::{NewRecord, Outgoing};

    use super::*;

    /// The whole way: a data folder with a trail, and one record that somebody put into it.
    #[tokio::test]
    async fn a_sound_trail_passes_and_a_forged_record_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { data: folder.path().to_owned(), ..Config::default() };
        let verify =
            || run(config.clone(), Environment::new(), AuditCommand::Verify { json: false });
        {
            let shared = shared(config.clone(), Environment::new()).await.unwrap();
            let (log, codec) = (Arc::clone(&shared.log), shared.codec.clone());
            let trail = Trail::new(log, codec, shared.clock.clone()).unwrap();
            for _ in 0..3 {
                let (entity, actor) = ("config".to_owned(), "key:owner".to_owned());
                let entry = Entry { action: "config.exported", entity, actor, ..Entry::default() };
                trail.record(entry).await.unwrap();
            }
            verify().await.unwrap();
            let listed = list(&shared, 2).await.unwrap();
            assert_eq!(listed.len(), 2);
            assert!(line(&listed[1]).contains("config.exported\tconfig\tkey:owner"));

            let mut span = Span::whole(&*shared.log, Topic::Audit.at(0)).await.unwrap();
            let records = span.page().await.unwrap().unwrap();
            let mut audit: Audit = shared.codec.decode(records[2].value.as_ref().unwrap()).unwrap();
            (audit.seq, audit.actor) = (4, "key:eve".into());
            let value = shared.codec.to_vec(&audit).unwrap();
            let record =
                NewRecord { key: "config".into(), value: Some(value.into()), headers: Vec::new() };
            let forged = vec![Outgoing { to: Topic::Audit.at(0), record }];
            shared.log.append(forged).await.unwrap();
        }
        let why = verify().await.unwrap_err().to_string();
        assert!(why.contains("the first is hub.audit.v1 offset 3: was altered"), "{why}");
    }
}
