//! Why a call goes where it goes: what a gateway answers to operators, and `hub route explain`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use admin::Problem;
use anyhow::bail;
use axum::extract::Query;
use clickhouse::Row;
use control::plane::Plane;
use gateway::control::Snapshot;
use gateway::routing::{Condition, Explained, HealthMap, Local, Needs, Wanted, explain};
use http::{Method, Uri};
use runtime::clock::Micros;
use schemas::event::HealthState;
use schemas::ids::{ModelId, ProjectId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::remote::Remote;
use crate::status::Status;

/// A call, as far as the router looks at it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, default)]
pub struct Asked {
    /// The model, as a caller names it.
    pub model: String,
    /// The project of the key.
    #[arg(long)]
    pub project: Option<String>,
    /// Regions that the key is held to, with commas between.
    #[arg(long)]
    pub regions: Option<String>,
    /// Tags of the call, such as `tier=gold,team=search`.
    #[arg(long)]
    pub tags: Option<String>,
    /// What the call needs of a model, such as `images,tools`.
    #[arg(long)]
    pub needs: Option<String>,
    /// About how many input tokens.
    #[arg(long)]
    pub input: Option<i64>,
    /// The most output tokens.
    #[arg(long)]
    pub max_output: Option<i64>,
    /// The caller's end user.
    #[arg(long)]
    pub user: Option<String>,
    /// A number that stands for the beginning of a conversation.
    #[arg(long)]
    pub prefix: Option<u64>,
    /// The chance that the call is given; another one for each question when not given.
    #[arg(long)]
    pub seed: Option<u64>,
    /// By what was configured at this time, such as `2026-11-26 01:30:00` (UTC), and by the health that ClickHouse has
    /// of it; what a process sees itself, and what providers list, is not kept.
    #[arg(long)]
    pub at: Option<String>,
}

/// What answers are made of.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) status: Status,
    /// What was configured when.
    pub(crate) plane: Arc<Plane>,
}

/// The question is not good.
fn wrong(why: impl Into<String>) -> Problem {
    Problem::invalid("query", why)
}

/// `GET /admin/v1/route/explain?model=…`
///
/// # Errors
/// The question is not good, it is not for the caller, nobody serves the model, or what the answer takes is not there.
pub(crate) async fn answer(
    known: &Known,
    asked: &Uri,
    within: Option<&BTreeSet<String>>,
) -> Result<Value, Problem> {
    let asked = Query::<Asked>::try_from_uri(asked).map_err(|error| wrong(error.body_text()))?;
    let mut asked = asked.0;
    if let Some(own) = within {
        // who is of one project asks for its keys
        let project = asked.project.take().or_else(|| own.first().cloned());
        if project.as_ref().is_none_or(|project| !own.contains(project)) {
            return Err(Problem::forbidden("that is none of your projects".into()));
        }
        asked.project = project;
    }
    Ok(serde_json::to_value(explained(known, &asked).await?)?)
}

async fn explained(known: &Known, asked: &Asked) -> Result<Explained, Problem> {
    let Known { status, plane } = known;
    let gateway = status.gateway();
    let gateway = gateway
        .ok_or_else(|| Problem::away("no gateway runs in this process, or it is starting"))?;
    let Some(at) = asked.at.as_deref() else {
        let now = gateway.clock.now();
        let snapshot = gateway.snapshot.load_full();
        return of(&snapshot, asked, &gateway.health.load(), &gateway.local, now);
    };
    let warehouse = status.warehouse();
    let warehouse = warehouse
        .ok_or_else(|| Problem::away("past health is in ClickHouse, and this process has none"))?;
    let unreachable = |error: clickhouse::error::Error| {
        tracing::debug!(%error, "no past health");
        Problem::away(format!("the health of {at:?} can't be had from ClickHouse"))
    };
    let client = warehouse.client();
    let then = moment(&client, at).await.map_err(unreachable)?.ok_or_else(|| {
        Problem::invalid("at", format!("{at:?} is no time; 2026-11-26 01:30:00 (UTC) would be one"))
    })?;
    let health = past(&client, then).await.map_err(unreachable)?;
    let snapshot = plane.at(then).await.map_err(|error| {
        Problem::away(format!("what was configured at {at:?} can't be had: {error}"))
    })?;
    of(&snapshot, asked, &health, &Local::default(), then)
}

fn of(
    snapshot: &Snapshot,
    asked: &Asked,
    health: &HealthMap,
    local: &Local,
    now: Micros,
) -> Result<Explained, Problem> {
    let listed = |text: &Option<String>| -> Vec<String> {
        let parts = text.iter().flat_map(|text| text.split(',')).map(str::trim);
        parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    let mut tags = BTreeMap::new();
    for tag in listed(&asked.tags) {
        let (name, value) = tag
            .split_once('=')
            .ok_or_else(|| wrong("tags must be name=value, with commas between"))?;
        tags.insert(name.to_owned(), value.to_owned());
    }
    let mut needs = Needs::NONE;
    for name in listed(&asked.needs) {
        let need = Needs::named(&name).ok_or_else(|| {
            wrong(format!("needs: {name:?} is not known; known are {}", Needs::known()))
        })?;
        needs = needs.and(need);
    }
    let model = ModelId::from(asked.model.as_str());
    let project = asked.project.as_deref().map(ProjectId::from);
    let regions = listed(&asked.regions);
    let wanted = Wanted {
        project: project.as_ref(),
        regions: &regions,
        tags: &tags,
        needs,
        input: asked.input.unwrap_or(0),
        max_output: asked.max_output,
        prefix: asked.prefix.unwrap_or(0),
        user: asked.user.as_deref(),
        ..Wanted::model(&model)
    };
    let seed = asked.seed.unwrap_or_else(rand::random);
    explain(&wanted, snapshot, health, &local.view(), now, seed)
        .map_err(|error| Problem::not_found(error.message.into_owned()))
}

/// What health said last of a subject.
#[derive(Row, Deserialize)]
struct Said {
    name: String,
    said: String,
    until_us: i64,
    since_us: i64,
    score: u8,
    why: String,
    ejections: u32,
    latency_us: i64,
}

/// A time in whatever way people write it.
const MOMENT: &str = "SELECT ifNull(toUnixTimestamp64Micro(\
    parseDateTime64BestEffortOrNull({at:String}, 6, 'UTC')), toInt64(-1))";
/// Health as it was: the last row of each subject. After an hour without attempts health forgets a
/// subject, and so does this.
const PAST: &str = "WITH fromUnixTimestamp64Micro({then:Int64}, 'UTC') AS then \
    SELECT toString(subject) AS name, \
    toString(state) AS said, ifNull(toUnixTimestamp64Micro(until), 0) AS until_us, \
    toUnixTimestamp64Micro(since) AS since_us, score, toString(reason) AS why, ejections, \
    latency_us FROM health \
    WHERE logged_at <= then AND logged_at > then - INTERVAL 1 HOUR \
    ORDER BY logged_at DESC, log_offset DESC LIMIT 1 BY subject";

/// The time that a text means; `None` when it means none.
async fn moment(
    client: &clickhouse::Client,
    at: &str,
) -> Result<Option<Micros>, clickhouse::error::Error> {
    let told = client.query_raw(MOMENT).param("at", at).fetch_one::<i64>().await?;
    Ok(Some(told).filter(|told| *told >= 0).map(Micros))
}

async fn past(
    client: &clickhouse::Client,
    then: Micros,
) -> Result<HealthMap, clickhouse::error::Error> {
    let rows = client.query_raw(PAST).param("then", then.0).fetch_all::<Said>().await?;
    let map = rows.into_iter().map(|said| {
        let condition = Condition {
            state: state(&said.said),
            until: Some(said.until_us).filter(|until| *until != 0).map(Micros),
            since: Micros(said.since_us),
            score: said.score.into(),
            reason: said.why.as_str().into(),
            ejections: i32::try_from(said.ejections).unwrap_or(i32::MAX),
            latency_us: said.latency_us,
        };
        (said.name.as_str().into(), condition)
    });
    Ok(map.collect())
}

fn state(name: &str) -> HealthState {
    let known = HealthState::ALL.iter().find(|state| state.as_str() == name);
    known.copied().unwrap_or(HealthState::Other)
}

/// Asks the hub process of these settings, and tells what it answers.
///
/// # Errors
/// It is not there, or can't say.
pub(crate) async fn run(remote: &Remote, asked: &Asked, json: bool) -> anyhow::Result<String> {
    let query =
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs(asked)?).finish();
    let told = remote.ask(Method::GET, &format!("route/explain?{query}"), None).await?;
    Ok(if json { format!("{told:#}") } else { table(&told) })
}

fn pairs(asked: &Asked) -> anyhow::Result<Vec<(String, String)>> {
    let Value::Object(fields) = serde_json::to_value(asked)? else {
        bail!("the question can't be asked");
    };
    let text = |value: Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    Ok(fields.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect())
}

/// For people: a line for each candidate.
fn table(told: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut out = match (&told["why"], &told["error"]) {
        (Value::String(why), _) => format!("{}: planned ({why})\n", text(&told["model"])),
        (_, error) => format!("{}: {}\n", text(&told["model"]), text(error)),
    };
    for one in told["candidates"].as_array().into_iter().flatten() {
        let place = one["place"].as_u64().map_or("-".to_owned(), |place| place.to_string());
        let name = [&one["provider"], &one["credential"], &one["model"]].map(text).join("/");
        let _told = write!(out, "{place:>3}  {name}: {}", text(&one["verdict"]));
        for (field, whose) in [("health", "health"), ("credential_health", "its credential")] {
            let health = &one[field];
            if let Some(state) = health["state"].as_str() {
                let reason = text(&health["reason"]);
                let score = &health["score"];
                let why = if reason.is_empty() { reason } else { format!(", {reason}") };
                let _told = write!(out, "; {whose} {state} (score {score}{why})");
            }
        }
        for (field, whose) in [("local", "here"), ("credential_local", "its credential here")] {
            let local = &one[field];
            if let Some(state) = local["state"].as_str() {
                let in_flight = &local["in_flight"];
                let reason = text(&local["reason"]);
                let why = if reason.is_empty() { reason } else { format!(", last {reason}") };
                let _told = write!(out, "; {whose} {state} ({in_flight} in flight{why})");
            }
        }
        out.push('\n');
    }
    out
}
