//! The whole configuration: taken out, and put in, declaratively.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::Body;
use control::entity::{self, Kind};
use control::intake::{take_in, view};
use control::plane::Command;
use control::state::{Entity, Outcome};
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::ask::{Ask, check_reason};
use crate::entities::may_say;
use crate::problem::Problem;
use crate::table::COLLECTIONS;
use crate::{Admin, json};

/// What a document says: of each kind, by id, what an entity is to say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// What is to be.
    config: BTreeMap<String, BTreeMap<String, Value>>,
    /// What is not in the document goes, of the kinds that it has.
    #[serde(default)]
    prune: bool,
    /// Says what would change, and changes nothing.
    #[serde(default)]
    dry_run: bool,
    /// Why.
    reason: Option<String>,
}

/// A document's schema.
pub(crate) fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["config"],
        "additionalProperties": false,
        "properties": {
            "config": {
                "type": "object",
                "description": "Of each collection, by id, what an entity is to say.",
                "additionalProperties": {"type": "object", "additionalProperties": {"type": "object"}},
            },
            "prune": {"type": "boolean", "description": "What is not in the document goes, of the collections that it has."},
            "dry_run": {"type": "boolean", "description": "Says what would change, and changes nothing."},
            "reason": {"type": ["string", "null"], "maxLength": 500},
        },
    })
}

/// Kinds in an order in which each refers to those before it.
const ORDER: [Kind; 13] = [
    Kind::Organisation,
    Kind::Account,
    Kind::Project,
    Kind::User,
    Kind::Binding,
    Kind::Key,
    Kind::Provider,
    Kind::Credential,
    Kind::Model,
    Kind::Price,
    Kind::Webhook,
    Kind::Limit,
    Kind::Budget,
];

fn collection(kind: Kind) -> &'static str {
    COLLECTIONS.iter().find(|(known, _)| *known == kind).map_or("", |(_, name)| name)
}

/// The configuration as [`apply`] takes it. Secrets are left out: an entity that is there keeps its own.
pub(crate) fn export(admin: &Admin) -> Result<Response<Body>, Problem> {
    let state = admin.plane.state();
    let mut config = Map::new();
    for kind in ORDER {
        let mut of = Map::new();
        for (id, body) in state.bodies(kind) {
            of.insert(id.to_string(), without_secrets(view(body)?));
        }
        if !of.is_empty() {
            config.insert(collection(kind).into(), Value::Object(of));
        }
    }
    Ok(json(StatusCode::OK, &json!({"config": config})))
}

fn without_secrets(mut body: Value) -> Value {
    if let Some(body) = body.as_object_mut() {
        body.remove("secret");
        body.remove("password");
        if let Some(aws) = body.get_mut("aws").and_then(Value::as_object_mut) {
            aws.remove("secret");
        }
    }
    body
}

/// A change that is wanted.
struct Wanted {
    command: Command,
    told: Value,
}

pub(crate) async fn apply(admin: &Admin, ask: &Ask) -> Result<Response<Body>, Problem> {
    let Document { mut config, prune, dry_run, reason } = ask.read()?;
    check_reason(reason.as_deref())?;
    let known: BTreeSet<&str> = ORDER.map(collection).into();
    if let Some(name) = config.keys().find(|name| !known.contains(name.as_str())) {
        let there = known.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Problem::invalid(
            format!("config.{name}"),
            format!("is not known; there are {there}"),
        ));
    }
    let mut wanted = Vec::new();
    let mut gone = Vec::new();
    for kind in ORDER {
        let Some(of) = config.remove(collection(kind)) else { continue };
        let ids: BTreeSet<String> = of.keys().cloned().collect();
        for (id, spec) in of {
            let at = format!("config.{}.{id}", collection(kind));
            let change = put(admin, ask, kind, &id, spec, reason.clone()).await;
            wanted.extend(change.map_err(|problem| placed(problem, &at))?);
        }
        if prune {
            gone.extend(pruned(admin, kind, &ids, ask, reason.as_ref())?);
        }
    }
    // what refers to others goes first
    wanted.extend(gone.into_iter().rev());
    let (commands, told): (Vec<Command>, Vec<Value>) =
        wanted.into_iter().map(|wanted| (wanted.command, wanted.told)).unzip();
    if dry_run || commands.is_empty() {
        admin.plane.check(&commands)?;
        return Ok(json(StatusCode::OK, &json!({"applied": false, "changes": told})));
    }
    let done = admin.plane.submit(commands, &ask.who()?).await?;
    let conflict = done.iter().find_map(|done| match done.outcome {
        Outcome::Conflict(version) => Some(version),
        _ => None,
    });
    if let Some(version) = conflict {
        let why = "somebody changed the configuration meanwhile: apply again".to_owned();
        return Err(Problem::conflict(version, why));
    }
    Ok(json(StatusCode::OK, &json!({"applied": true, "changes": told})))
}

fn placed(problem: Problem, at: &str) -> Problem {
    let field = match &problem.field {
        Some(field) => format!("{at}.{}", field.trim_start_matches("spec.")),
        None => at.to_owned(),
    };
    Problem { field: Some(field), ..problem }
}

/// The change that makes an entity what the document says; none where it is so already.
async fn put(
    admin: &Admin,
    ask: &Ask,
    kind: Kind,
    id: &str,
    mut spec: Value,
    reason: Option<String>,
) -> Result<Option<Wanted>, Problem> {
    let (version, before) = {
        let state = admin.plane.state();
        let body = state.get(kind, id).and_then(|entity| entity.body.clone());
        (state.version(kind.as_str(), id), body)
    };
    if kind == Kind::User
        && let (Some(entity::Body::User(_)), Some(spec)) = (&before, spec.as_object_mut())
    {
        // a password that is not told stays
        spec.entry("password").or_insert_with(|| json!("set"));
    }
    take_in(&admin.plane, kind, id, &mut spec).await?;
    let after = entity::Body::from_command(kind, &spec)?;
    if before.as_ref() == Some(&after) {
        return Ok(None);
    }
    for body in before.iter().chain([&after]) {
        may_say(admin, ask, id, body)?;
    }
    let told = json!({
        "change": if before.is_some() { "update" } else { "create" },
        "kind": kind,
        "id": id,
        "before": before.as_ref().map(view).transpose()?,
        "after": view(&after)?,
    });
    let body = Some(after.to_json()?);
    let command = Command { kind, id: id.to_owned(), expected: Some(version), body, reason };
    Ok(Some(Wanted { command, told }))
}

/// What is there and not in the document. Who asks, and the organisation, stay.
fn pruned(
    admin: &Admin,
    kind: Kind,
    ids: &BTreeSet<String>,
    ask: &Ask,
    reason: Option<&String>,
) -> Result<Vec<Wanted>, Problem> {
    let asks = match kind {
        Kind::Key => ask.caller.key.as_deref(),
        Kind::User => ask.caller.user.as_deref(),
        _ => None,
    };
    let stays = |id: &str| kind == Kind::Organisation || Some(id) == asks || ids.contains(id);
    let gone: Vec<(Arc<str>, Entity)> = {
        let state = admin.plane.state();
        let gone = state.all(kind).filter(|(id, _)| !stays(id));
        gone.map(|(id, entity)| (Arc::clone(id), entity.clone())).collect()
    };
    let wanted = gone.into_iter().map(|(id, entity)| {
        if let Some(body) = &entity.body {
            may_say(admin, ask, &id, body)?;
        }
        Ok(Wanted {
            told: json!({"change": "delete", "kind": kind, "id": id}),
            command: Command {
                kind,
                id: id.to_string(),
                expected: Some(entity.version),
                body: None,
                reason: reason.cloned(),
            },
        })
    });
    wanted.collect()
}
