//! Entities: listed, read, made, changed and deleted.

use axum::body::Body;
use control::entity::{self, Kind, Misfit};
use control::intake::{take_in, view};
use control::plane::{Command, Done, Who};
use control::repeat::Repeat;
use control::role::Role;
use control::state::{Entity, Outcome, State};
use gateway::control::check::check;
use http::{HeaderValue, Response, StatusCode, header};
use runtime::log::Span;
use schemas::event::Control;
use schemas::ids::ProviderId;
use schemas::topics::Topic;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::ask::{Ask, check_reason};
use crate::caller::{might, project_of};
use crate::problem::Problem;
use crate::{Admin, json, keys};

/// Entities on a page.
const PAGE: usize = 100;
/// The most of them.
pub(crate) const MAX_PAGE: usize = 500;
/// The most changes that a history tells.
const MAX_HISTORY: usize = 1000;

/// A page of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    /// The most on this page.
    limit: Option<usize>,
    /// Behind this id.
    after: Option<String>,
    /// Whose id or title holds this.
    q: Option<String>,
    /// Of this project.
    project: Option<String>,
}

/// A new entity.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEntity {
    /// Its id.
    pub(crate) id: String,
    /// What it says.
    #[schema(value_type = Object)]
    pub(crate) spec: Value,
    /// Why.
    pub(crate) reason: Option<String>,
}

/// An entity as it is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    /// What it says from now on, whole.
    #[schema(value_type = Object)]
    pub(crate) spec: Value,
    /// The version that the change was made for; 409 when it is another by now.
    pub(crate) expected_version: Option<i64>,
    /// Why.
    pub(crate) reason: Option<String>,
}

/// An entity as it is shown.
pub(crate) fn show(id: &str, entity: &Entity) -> Result<Value, Problem> {
    let spec = entity.body.as_ref().map(view).transpose()?;
    Ok(json!({
        "id": id,
        "version": entity.version,
        "spec": spec,
        "created_at_us": entity.created.at.0,
        "created_by": entity.created.actor,
        "changed_at_us": entity.changed.at.0,
        "changed_by": entity.changed.actor,
        "reason": entity.changed.reason,
    }))
}

pub(crate) fn list(admin: &Admin, kind: Kind, ask: &Ask) -> Result<Response<Body>, Problem> {
    let listing: Listing = ask.query()?;
    let limit = listing.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Problem::invalid("limit", format!("1 to {MAX_PAGE} is wanted")));
    }
    let state = admin.plane.state();
    let after = listing.after.as_deref();
    let mut matching = state.all(kind).filter(|(id, entity)| {
        let Some(body) = &entity.body else { return false };
        let project = project_of(id, body);
        let behind = after.is_none_or(|after| ***id > *after);
        let asked = listing.project.is_none() || project == listing.project.as_deref();
        let found = listing.q.as_deref().is_none_or(|q| id.contains(q) || has_title(body, q));
        behind && asked && found && ask.reach.holds(project)
    });
    let page: Vec<_> = matching.by_ref().take(limit).collect();
    let more = matching.next().is_some();
    let next = page.last().filter(|_| more).map(|(id, _)| id.to_string());
    let items: Vec<Value> =
        page.into_iter().map(|(id, entity)| show(id, entity)).collect::<Result<_, _>>()?;
    Ok(json(StatusCode::OK, &json!({"items": items, "next": next})))
}

fn has_title(body: &entity::Body, q: &str) -> bool {
    let title = match body {
        entity::Body::Organisation(it) => &it.title,
        entity::Body::Project(it) => &it.title,
        entity::Body::Account(it) => &it.title,
        entity::Body::User(it) => &it.title,
        entity::Body::Key(it) => &it.title,
        entity::Body::Provider(it) => &it.title,
        _ => return false,
    };
    title.contains(q)
}

/// Whether there is such an entity that the caller may see.
pub(crate) fn find(admin: &Admin, kind: Kind, ask: &Ask) -> Result<Entity, Problem> {
    let id = ask.id()?;
    let state = admin.plane.state();
    let entity = state.get(kind, id).filter(|entity| {
        entity.body.as_ref().is_some_and(|body| ask.reach.holds(project_of(id, body)))
    });
    let shown: String = id.chars().take(100).collect();
    entity.cloned().ok_or_else(|| Problem::not_found(format!("there is no {kind} {shown:?}")))
}

pub(crate) fn get(admin: &Admin, kind: Kind, ask: &Ask) -> Result<Response<Body>, Problem> {
    let entity = find(admin, kind, ask)?;
    Ok(tagged(StatusCode::OK, &show(ask.id()?, &entity)?, entity.version))
}

/// An answer with the version as its tag.
pub(crate) fn tagged(status: StatusCode, value: &Value, version: i64) -> Response<Body> {
    let mut response = json(status, value);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The changes of an entity, oldest first, read from the log itself.
pub(crate) async fn history(
    admin: &Admin,
    kind: Kind,
    ask: &Ask,
) -> Result<Response<Body>, Problem> {
    let id = ask.id()?.to_owned();
    if ask.reach != crate::caller::Where::Everywhere {
        find(admin, kind, ask)?;
    }
    let (log, codec) = admin.plane.log();
    let away = |error: runtime::log::Error| Problem::from(control::plane::Error::from(error));
    let mut span = Span::whole(log, Topic::Control.at(0)).await.map_err(away)?;
    let mut changes = Vec::new();
    let key = format!("{kind}/{id}");
    // commands that lost are in the log as well
    let mut fold = State::default();
    while let Some(records) = span.page().await.map_err(away)? {
        for record in &records {
            let Some(Ok(mut change)) =
                record.value.as_deref().map(|value| codec.decode::<Control>(value))
            else {
                continue;
            };
            let own = record.key == key.as_bytes();
            if !own {
                // what others say does not matter, only that a command id is theirs
                change.body.clear();
            }
            let outcome = fold.apply(&change, record.offset, record.at);
            let (Outcome::Applied(version), true) = (outcome, own) else {
                continue;
            };
            let spec = match change.deleted {
                true => None,
                false => Some(view(&entity::Body::from_log(kind, &change.body))?),
            };
            changes.push(json!({
                "offset": record.offset,
                "version": version,
                "at_us": record.at.0,
                "by": change.actor,
                "address": change.address,
                "request": change.request,
                "reason": change.reason,
                "expected_version": change.expected_version,
                "deleted": change.deleted,
                "spec": spec,
            }));
        }
        let beyond = changes.len().saturating_sub(MAX_HISTORY);
        changes.drain(..beyond);
    }
    if changes.is_empty() {
        return Err(Problem::not_found(format!("there never was a {kind} {id:?}")));
    }
    Ok(json(StatusCode::OK, &json!({"items": changes})))
}

/// Whether the caller may give what this says: nobody grants what they do not have, and who could
/// sign in as a mightier user would have what that one has.
pub(crate) fn may_say(
    admin: &Admin,
    ask: &Ask,
    id: &str,
    body: &entity::Body,
) -> Result<(), Problem> {
    if !ask.reach.holds(project_of(id, body)) {
        return Err(Problem::forbidden("that is in none of your projects".into()));
    }
    let granted = match body {
        entity::Body::Binding(binding) => Some(binding.role),
        entity::Body::Key(key) => key.scopes.admin,
        entity::Body::User(_) => might(&admin.plane.state(), id),
        _ => None,
    };
    let Some(granted) = granted else { return Ok(()) };
    let may = match ask.caller.role() {
        Some(Role::Owner) => true,
        Some(Role::Admin) => granted != Role::Owner,
        _ => false,
    };
    if may {
        Ok(())
    } else {
        Err(Problem::forbidden(format!("only a mightier role may, where {granted} is given")))
    }
}

/// The same for what is already there: nobody changes or deletes what they could not have made.
pub(crate) fn may_touch(admin: &Admin, kind: Kind, ask: &Ask) -> Result<Entity, Problem> {
    let entity = find(admin, kind, ask)?;
    if let Some(body) = &entity.body {
        may_say(admin, ask, ask.id()?, body)?;
    }
    Ok(entity)
}

pub(crate) async fn create(
    admin: &Admin,
    kind: Kind,
    ask: &Ask,
) -> Result<Response<Body>, Problem> {
    let NewEntity { id, mut spec, reason } = ask.read()?;
    check_reason(reason.as_deref())?;
    let (version, there) = {
        let state = admin.plane.state();
        (state.version(kind.as_str(), &id), state.get(kind, &id).is_some())
    };
    let repeat = admin.plane.repeat(&ask.who()?, kind, &id);
    if there && repeat == Repeat::New {
        return Err(Problem::conflict(version, format!("there is a {kind} {id:?} already")));
    }
    take_in(&admin.plane, kind, &id, &mut spec).await.map_err(of_spec)?;
    let minted = match (kind, repeat) {
        // its secret was shown then
        (Kind::Key, Repeat::Made(_)) => None,
        (Kind::Key, _) => Some(keys::fill_in(admin, &id, &mut spec)?),
        _ => None,
    };
    may_say(admin, ask, &id, &entity::Body::from_command(kind, &spec).map_err(of_spec)?)?;
    // a repeat that is forgotten by now changes nothing
    let expected = Some(if there { 0 } else { version });
    let command = Command { kind, id: id.clone(), expected, body: Some(spec), reason };
    let (version, mut told) = submit(admin, command, ask).await?;
    if let (Some(secret), Some(told)) = (minted, told.as_object_mut()) {
        told.insert("secret".into(), json!(secret.expose()));
    }
    Ok(tagged(StatusCode::CREATED, &told, version))
}

/// What is wrong with a spec, in a body that has other fields beside it.
fn of_spec(error: impl Into<Problem>) -> Problem {
    error.into().in_spec()
}

/// Does one command, and returns the entity's version and how it is shown, as the command left it.
pub(crate) async fn submit(
    admin: &Admin,
    command: Command,
    ask: &Ask,
) -> Result<(i64, Value), Problem> {
    submit_as(admin, command, &ask.who()?).await
}

/// The same in the name of `who`.
pub(crate) async fn submit_as(
    admin: &Admin,
    command: Command,
    who: &Who,
) -> Result<(i64, Value), Problem> {
    let (kind, id) = (command.kind, command.id.clone());
    let done = admin.plane.submit(vec![command], who).await.map_err(of_spec)?;
    let [Done { outcome, entity }] = done.as_slice() else {
        return Err(Problem::internal());
    };
    match outcome {
        Outcome::Applied(version) | Outcome::Repeated(version) => {
            let entity = entity.as_ref().ok_or_else(Problem::internal)?;
            Ok((*version, show(&id, entity)?))
        }
        Outcome::Conflict(version) => {
            let why =
                format!("{kind}/{id} is at version {version} by now: read it and decide anew");
            Err(Problem::conflict(*version, why))
        }
        Outcome::Reused => {
            let why = "this Idempotency-Key was used for another command, or what it made was changed since";
            Err(Problem::invalid("Idempotency-Key", why))
        }
    }
}

/// The version that a change is for, by the body or by `If-Match`.
fn expected(ask: &Ask, body: Option<i64>, now: i64) -> Result<i64, Problem> {
    let tag = ask.head.headers.get(header::IF_MATCH);
    let tag = tag.map(|tag| tag.to_str().ok().and_then(|tag| tag.trim_matches('"').parse().ok()));
    match (tag, body) {
        (Some(None), _) => Err(Problem::invalid("If-Match", "a version such as \"3\" is wanted")),
        (Some(Some(tag)), Some(body)) if tag != body => {
            Err(Problem::invalid("expected_version", "is another than If-Match's"))
        }
        (Some(tag), body) => Ok(tag.or(body).unwrap_or(now)),
        (None, body) => Ok(body.unwrap_or(now)),
    }
}

pub(crate) async fn replace(
    admin: &Admin,
    kind: Kind,
    ask: &Ask,
) -> Result<Response<Body>, Problem> {
    let Change { mut spec, expected_version, reason } = ask.read()?;
    check_reason(reason.as_deref())?;
    let now = may_touch(admin, kind, ask)?;
    let id = ask.id()?.to_owned();
    let expected = expected(ask, expected_version, now.version)?;
    if expected != now.version {
        let why = format!("{kind}/{id} is at version {}: read it and decide anew", now.version);
        return Err(Problem::conflict(now.version, why));
    }
    take_in(&admin.plane, kind, &id, &mut spec).await.map_err(of_spec)?;
    may_say(admin, ask, &id, &entity::Body::from_command(kind, &spec).map_err(of_spec)?)?;
    let command =
        Command { kind, id: id.clone(), expected: Some(expected), body: Some(spec), reason };
    let (version, told) = submit(admin, command, ask).await?;
    Ok(tagged(StatusCode::OK, &told, version))
}

pub(crate) async fn delete(
    admin: &Admin,
    kind: Kind,
    ask: &Ask,
) -> Result<Response<Body>, Problem> {
    let now = may_touch(admin, kind, ask)?;
    let id = ask.id()?.to_owned();
    if kind == Kind::Key && Some(&id) == ask.caller.key.as_ref() {
        let why = "a key does not delete itself: ask with another one".to_owned();
        return Err(Problem::conflict(now.version, why));
    }
    let expected = expected(ask, None, now.version)?;
    let command = Command { kind, id, expected: Some(expected), body: None, reason: None };
    submit(admin, command, ask).await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// Whether the credentials of a provider work, asked with the cheapest real request.
pub(crate) async fn check_provider(admin: &Admin, ask: &Ask) -> Result<Response<Body>, Problem> {
    find(admin, Kind::Provider, ask)?;
    let snapshot = admin.plane.current().seen().load_full();
    let only = ProviderId::from(ask.id()?);
    let checked = check(&snapshot, &admin.upstream, Some(&only), admin.clock.now()).await;
    let checked = checked.map_err(|error| Misfit::new("upstream", error.to_string()))?;
    Ok(json(StatusCode::OK, &json!({"items": checked})))
}

/// What is configured and can't be used by this node.
pub(crate) fn problems(admin: &Admin) -> Response<Body> {
    let items: Vec<Value> = admin
        .plane
        .problems()
        .into_iter()
        .map(|problem| json!({"entity": problem.entity, "why": problem.why}))
        .collect();
    json(StatusCode::OK, &json!({"items": items}))
}
