//! Keys: minted, rotated; and the master key that wraps secrets.

use axum::body::Body;
use control::entity::{self, Held, Kind, Previous};
use control::key::{mint, to_hex};
use control::plane::Command;
use http::{Response, StatusCode};
use runtime::secret::Secret;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::ask::{Ask, check_reason};
use crate::entities::{show, submit, tagged};
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
    let Some(entity::Body::Key(mut key)) = now.body else {
        return Err(Problem::internal());
    };
    let secret = new_secret(&id)?;
    let at = admin.clock.now().0;
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
    let version = submit(admin, command, ask).await?;
    let state = admin.plane.state();
    let entity = state.get(Kind::Key, &id).ok_or_else(Problem::internal)?;
    let mut told = show(&id, entity)?;
    if let Some(told) = told.as_object_mut() {
        told.insert("secret".into(), json!(secret.expose()));
        told.insert("old_secret_until_us".into(), json!((overlap > 0).then_some(until)));
    }
    Ok(tagged(StatusCode::OK, &told, version))
}

/// Wraps all secrets by the current master key.
pub(crate) async fn rewrap(admin: &Admin, ask: &Ask) -> Result<Response<Body>, Problem> {
    let bodies: Vec<(Kind, String, i64, entity::Body)> = {
        let state = admin.plane.state();
        let kinds = [Kind::Secret, Kind::Credential, Kind::Key];
        let all = kinds.into_iter().flat_map(|kind| {
            state.all(kind).filter_map(move |(id, entity)| {
                Some((kind, id.to_string(), entity.version, entity.body.clone()?))
            })
        });
        all.collect()
    };
    let (mut done, mut failed) = (0, Vec::new());
    for (kind, id, version, body) in bodies {
        let Some(sealed) = sealed_of(&body) else { continue };
        let again = match admin.plane.vault().rewrap(&sealed).await {
            Ok(Some(again)) => again,
            Ok(None) => continue,
            Err(error) => {
                failed.push(json!({"entity": format!("{kind}/{id}"), "why": error.to_string()}));
                continue;
            }
        };
        let body = with_sealed(body, again).to_json()?;
        let reason = Some("wrapped by the current master key".to_owned());
        let command =
            Command { kind, id: id.clone(), expected: Some(version), body: Some(body), reason };
        match submit(admin, command, ask).await {
            Ok(_) => done += 1,
            Err(problem) => {
                failed.push(json!({"entity": format!("{kind}/{id}"), "why": problem.detail}))
            }
        }
    }
    let master = admin.plane.vault().current();
    Ok(json(StatusCode::OK, &json!({"master": master, "wrapped": done, "failed": failed})))
}

fn sealed_of(body: &entity::Body) -> Option<control::vault::Sealed> {
    let held = match body {
        entity::Body::Secret(sealed) => return Some((**sealed).clone()),
        entity::Body::Credential(it) => &it.secret,
        entity::Body::Key(it) => &it.aws.as_ref()?.secret,
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
        _ => {}
    }
    body
}
