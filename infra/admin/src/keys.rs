//! Keys: minted, rotated; and the master key that wraps secrets.

use axum::body::Body;
use control::entity::{self, Held, Kind, Previous};
use control::key::{mint, to_hex};
use control::plane::{Command, Who};
use control::repeat::Repeat;
use control::state::Outcome;
use http::{Response, StatusCode};
use runtime::secret::Secret;
use schemas::event::Control;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::ask::{Ask, check_reason};
use crate::entities::{show, submit_as, tagged};
use crate::problem::Problem;
use crate::{Admin, json};

/// The longest that an old secret may be taken beside the new one, seconds.
const MAX_OVERLAP: u32 = 30 * 24 * 60 * 60;
/// How long it is, where nothing is said, seconds.
const OVERLAP: u32 = 24 * 60 * 60;
/// Old secrets that are kept.
const MAX_PREVIOUS: usize = 4;

/// A new key's secret, its hash put into the body.
pub(crate) fn fill_in(admin: &Admin, id: &str, spec: &mut Value) -> Result<Secret, Problem> {
    let secret = new_secret(id)?;
    let hash = to_hex(&admin.plane.key_hash().of(secret.expose().as_bytes()));
    if let Some(spec) = spec.as_object_mut() {
        spec.insert("hash".into(), json!(hash));
        spec.insert("previous".into(), json!([]));
    }
    Ok(secret)
}

fn new_secret(id: &str) -> Result<Secret, Problem> {
    mint(id).map_err(|error| {
        tracing::error!(%error, "a key could not be made");
        Problem::internal()
    })
}

/// How a key is rotated.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// How long the old secret is taken beside the new one; a day when not given, 0 ends it at once.
    pub(crate) overlap_seconds: Option<u32>,
    /// Why.
    pub(crate) reason: Option<String>,
}

pub(crate) async fn rotate(admin: &Admin, ask: &Ask) -> Result<Response<Body>, Problem> {
    let now = crate::entities::may_touch(admin, Kind::Key, ask)?;
    let Rotation { overlap_seconds, reason } = if ask.body.is_empty() {
        Rotation { overlap_seconds: None, reason: None }
    } else {
        ask.read()?
    };
    check_reason(reason.as_deref())?;
    let overlap = overlap_seconds.unwrap_or(OVERLAP);
    if overlap > MAX_OVERLAP {
        return Err(Problem::invalid("overlap_seconds", format!("at most {MAX_OVERLAP}")));
    }
    let id = ask.id()?.to_owned();
    let Some(entity::Body::Key(mut key)) = now.body.clone() else {
        return Err(Problem::internal());
    };
    let at = admin.clock.now().0;
    let who = ask.who()?;
    // apart from those of other commands, so that what it made is a rotation
    let who = Who { command: who.command.map(|command| format!("rotate/{command}")), ..who };
    if let Repeat::Made(version) = admin.plane.repeat(&who, Kind::Key, &id) {
        let mut told = show(&id, &now)?;
        let until = key.previous.last().map(|previous| previous.until).filter(|until| *until > at);
        if let Some(told) = told.as_object_mut() {
            told.insert("old_secret_until_us".into(), json!(until));
        }
        return Ok(tagged(StatusCode::OK, &told, version));
    }
    let secret = new_secret(&id)?;
    let until = at.saturating_add(i64::from(overlap).saturating_mul(1_000_000));
    let new = to_hex(&admin.plane.key_hash().of(secret.expose().as_bytes()));
    let old = std::mem::replace(&mut key.hash, new);
    key.previous.retain(|previous| previous.until > at);
    if overlap > 0 {
        key.previous.push(Previous { hash: old, until });
    }
    let beyond = key.previous.len().saturating_sub(MAX_PREVIOUS);
    key.previous.drain(..beyond);
    let body = Some(serde_json::to_value(&key)?);
    let command =
        Command { kind: Kind::Key, id: id.clone(), expected: Some(now.version), body, reason };
    let (version, mut told) = submit_as(admin, command, &who).await?;
    if let Some(told) = told.as_object_mut() {
        told.insert("secret".into(), json!(secret.expose()));
        told.insert("old_secret_until_us".into(), json!((overlap > 0).then_some(until)));
    }
    Ok(tagged(StatusCode::OK, &told, version))
}

/// Secrets that are wrapped anew at a time.
const REWRAPPED: usize = 500;

/// Wraps all secrets by the current master key, which is the first of its file as it is now.
pub(crate) async fn rewrap(admin: &Admin, ask: &Ask) -> Result<Response<Body>, Problem> {
    let vault = admin.plane.vault();
    vault.refresh().await.map_err(control::plane::Error::from)?;
    let bodies: Vec<(Kind, String, i64, entity::Body)> = {
        let state = admin.plane.state();
        let kinds = [Kind::Secret, Kind::Credential, Kind::Key, Kind::Webhook];
        let all = kinds.into_iter().flat_map(|kind| {
            state.all(kind).filter_map(move |(id, entity)| {
                Some((kind, id.to_string(), entity.version, entity.body.clone()?))
            })
        });
        all.collect()
    };
    let (mut events, mut failed) = (Vec::new(), Vec::new());
    for (kind, id, version, body) in bodies {
        let Some(sealed) = sealed_of(&body) else { continue };
        match vault.rewrap(&sealed).await {
            Ok(None) => {}
            Ok(Some(again)) => events.push(Control {
                kind: kind.as_str().into(),
                id,
                version: version.saturating_add(1),
                expected_version: Some(version),
                body: with_sealed(body, again).to_json()?.to_string().into_bytes(),
                reason: Some("wrapped by the current master key".to_owned()),
                ..Control::default()
            }),
            Err(error) => {
                failed.push(json!({"entity": format!("{kind}/{id}"), "why": error.to_string()}));
            }
        }
    }
    let mut done = 0;
    let who = ask.who()?;
    for (part, events) in events.chunks(REWRAPPED).enumerate() {
        let command = who.command.as_ref().map(|command| format!("{command}/{part}"));
        let who = Who { command, ..who.clone() };
        let outcomes = admin.plane.append(events.to_vec(), &who).await?;
        for (event, of) in events.iter().zip(outcomes) {
            match of.outcome {
                Outcome::Applied(_) | Outcome::Repeated(_) => done += 1,
                Outcome::Conflict(_) | Outcome::Reused => failed.push(json!({
                    "entity": format!("{}/{}", event.kind, event.id),
                    "why": "it was changed meanwhile: wrap again",
                })),
            }
        }
    }
    let master = vault.current();
    Ok(json(StatusCode::OK, &json!({"master": master, "wrapped": done, "failed": failed})))
}

fn sealed_of(body: &entity::Body) -> Option<control::vault::Sealed> {
    let held = match body {
        entity::Body::Secret(sealed) => return Some((**sealed).clone()),
        entity::Body::Credential(it) => &it.secret,
        entity::Body::Key(it) => &it.aws.as_ref()?.secret,
        entity::Body::Webhook(it) => it.secret.as_ref()?,
        _ => return None,
    };
    match held {
        Held::Sealed(sealed) => Some(sealed.clone()),
        Held::Reference(_) => None,
    }
}

fn with_sealed(mut body: entity::Body, sealed: control::vault::Sealed) -> entity::Body {
    match &mut body {
        entity::Body::Secret(it) => **it = sealed,
        entity::Body::Credential(it) => it.secret = Held::Sealed(sealed),
        entity::Body::Key(it) => {
            if let Some(aws) = &mut it.aws {
                aws.secret = Held::Sealed(sealed);
            }
        }
        entity::Body::Webhook(it) => it.secret = Some(Held::Sealed(sealed)),
        _ => {}
    }
    body
}
