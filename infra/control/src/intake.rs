//! Secrets on their way in and out of bodies: what a person gives is sealed or hashed before it is
//! a part of a command, and what they are shown is a tail at most.

use runtime::secret::Secret;
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq as _;

use crate::compile::{signing_subject, subject_of};
use crate::entity::{Body, Held, Kind, Misfit, User};
use crate::password;
use crate::plane::{Error, Plane};
use crate::vault::{self, Subject};

/// The longest secret.
const MAX_SECRET: usize = 64 << 10;
/// What stands for a password that is set.
const SET: &str = "set";

/// What a webhook's secret is of.
pub fn webhook_subject(id: &str) -> Subject {
    Subject::new(format!("{}/{id}", Kind::Webhook), 1)
}

/// Makes what a command may hold of what a person gave: fields of the hub's own are filled in, plain
/// secrets sealed, and secrets that are not given, or given as they were shown, stay as they are.
///
/// # Errors
/// Names the field and what would be right.
pub async fn take_in(plane: &Plane, kind: Kind, id: &str, spec: &mut Value) -> Result<(), Error> {
    let (version, known) = {
        let state = plane.state();
        let body = state.get(kind, id).and_then(|entity| entity.body.clone());
        (state.version(kind.as_str(), id), body)
    };
    let Some(spec) = spec.as_object_mut() else {
        return Err(Misfit::new("spec", "a JSON object is wanted").into());
    };
    match (kind, known) {
        (Kind::Credential, known) => {
            let known = match known {
                Some(Body::Credential(known)) => Some(*known),
                _ => None,
            };
            refuse(spec, "secret_version")?;
            let next = u32::try_from(version.saturating_add(1)).unwrap_or(u32::MAX);
            let new = given(spec, "secret", known.as_ref().map(|known| &known.secret))?;
            // the same secret again is no new one: a document that is applied twice changes nothing
            let same = |secret: &Secret| {
                let version = known.as_ref().map_or(0, |known| known.secret_version);
                is_known(plane, &subject_of(id, version), secret)
            };
            match new.filter(|secret| !same(secret)) {
                Some(secret) => {
                    let sealed = plane.vault().seal(&subject_of(id, next), &secret).await?;
                    spec.insert("secret".into(), to_value(&Held::Sealed(sealed))?);
                    spec.insert("secret_version".into(), json!(next));
                }
                None => {
                    let known = known.ok_or_else(|| Misfit::new("spec.secret", "is wanted"))?;
                    spec.insert("secret".into(), to_value(&known.secret)?);
                    spec.insert("secret_version".into(), json!(known.secret_version));
                }
            }
        }
        (Kind::Key, known) => {
            let known = match known {
                Some(Body::Key(known)) => *known,
                _ => crate::entity::Key::default(),
            };
            refuse(spec, "hash")?;
            refuse(spec, "previous")?;
            spec.insert("hash".into(), json!(known.hash));
            spec.insert("previous".into(), to_value(&known.previous)?);
            if let Some(aws) = spec.get_mut("aws").and_then(Value::as_object_mut) {
                let known = known.aws.map(|aws| aws.secret);
                seal_field(plane, aws, known, &signing_subject(id)).await?;
            }
        }
        (Kind::Webhook, known) => {
            let known = match known {
                Some(Body::Webhook(known)) => known.secret,
                _ => None,
            };
            let wanted = spec.get("secret").is_some_and(|secret| !secret.is_null());
            if wanted || known.is_some() {
                seal_field(plane, spec, known, &webhook_subject(id)).await?;
            }
        }
        (Kind::User, known) => {
            let known = match known {
                Some(Body::User(known)) => *known,
                // sessions of one who was deleted are not those of who has the name now
                _ => User { sessions_from: version.saturating_add(1), ..User::default() },
            };
            for field in ["sessions_from", "ended", "link"] {
                refuse(spec, field)?;
            }
            spec.insert("sessions_from".into(), json!(known.sessions_from));
            spec.insert("ended".into(), to_value(&known.ended)?);
            spec.insert("link".into(), to_value(&known.link)?);
            let hash = match spec.get("password").and_then(Value::as_str) {
                Some(SET) => known.password,
                Some(password) => Some(password::hash(password.into(), "spec.password").await?),
                None => None,
            };
            spec.insert("password".into(), json!(hash));
        }
        _ => {}
    }
    Ok(())
}

/// A field that only the hub sets.
fn refuse(spec: &Map<String, Value>, field: &str) -> Result<(), Misfit> {
    match spec.contains_key(field) {
        true => Err(Misfit::new(format!("spec.{field}"), "is set by the hub alone: leave it out")),
        false => Ok(()),
    }
}

async fn seal_field(
    plane: &Plane,
    object: &mut Map<String, Value>,
    known: Option<Held>,
    subject: &Subject,
) -> Result<(), Error> {
    let new = given(object, "secret", known.as_ref())?;
    let new = new.filter(|secret| known.is_none() || !is_known(plane, subject, secret));
    let held = match new {
        Some(secret) => Held::Sealed(plane.vault().seal(subject, &secret).await?),
        None => known.ok_or_else(|| Misfit::new("secret", "is wanted"))?,
    };
    object.insert("secret".into(), to_value(&held)?);
    Ok(())
}

/// Whether this is the secret that is sealed already.
fn is_known(plane: &Plane, subject: &Subject, secret: &Secret) -> bool {
    plane
        .opened(subject)
        .is_ok_and(|known| bool::from(known.expose().as_bytes().ct_eq(secret.expose().as_bytes())))
}

/// The secret that is given; `None` where the known one stays.
fn given(
    object: &Map<String, Value>,
    field: &str,
    known: Option<&Held>,
) -> Result<Option<Secret>, Misfit> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => {
            // what is in the environment or the files of a node is not for who can reach it from outside
            if text.starts_with("env:") || text.starts_with("file:") {
                let why = "references are taken from the settings of a node alone: give the secret itself";
                return Err(Misfit::new(field, why));
            }
            if text.is_empty() || text.len() > MAX_SECRET {
                return Err(Misfit::new(field, format!("1 to {MAX_SECRET} bytes are wanted")));
            }
            Ok(Some(text.as_str().into()))
        }
        Some(shown) if known.is_some_and(|known| view_held(known) == *shown) => Ok(None),
        Some(_) => Err(Misfit::new(field, "the secret as text is wanted")),
    }
}

fn to_value<T: serde::Serialize>(value: &T) -> Result<Value, Misfit> {
    serde_json::to_value(value).map_err(|error| Misfit::new("", error.to_string()))
}

/// A secret as it may be shown.
fn view_held(held: &Held) -> Value {
    match held {
        Held::Reference(text) => json!({"reference": text}),
        Held::Sealed(vault::Sealed { tail, .. }) => json!({"tail": tail}),
    }
}

/// A body as it may be shown.
///
/// # Errors
/// None for the bodies there are.
pub fn view(body: &Body) -> Result<Value, serde_json::Error> {
    let mut value = body.to_json()?;
    let Some(object) = value.as_object_mut() else {
        return Ok(value);
    };
    match body {
        Body::Credential(it) => {
            object.insert("secret".into(), view_held(&it.secret));
            object.remove("secret_version");
        }
        Body::Key(it) => {
            object.remove("hash");
            object.remove("previous");
            if let (Some(aws), Some(Value::Object(shown))) = (&it.aws, object.get_mut("aws")) {
                shown.insert("secret".into(), view_held(&aws.secret));
            }
        }
        Body::Webhook(it) => {
            object.insert("secret".into(), it.secret.as_ref().map_or(Value::Null, view_held));
        }
        Body::User(it) => {
            object.insert("password".into(), json!(it.password.as_ref().map(|_| SET)));
            for field in ["sessions_from", "ended", "link"] {
                object.remove(field);
            }
        }
        Body::Secret(_) => return Ok(Value::Null),
        _ => {}
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::Credential;
    use crate::vault::Sealed;

    #[test]
    fn what_is_shown_holds_no_secret() {
        let sealed = Sealed {
            master: "m".into(),
            wrapped: "wrapped-bytes".into(),
            sealed: "sealed-bytes".into(),
            tail: "wxyz".into(),
        };
        let credential = Body::Credential(Box::new(Credential {
            provider: "openai".into(),
            name: "main".into(),
            weight: 1,
            secret: Held::Sealed(sealed),
            secret_version: 1,
            disabled: false,
        }));
        let shown = view(&credential).unwrap();
        assert_eq!(shown["secret"], json!({"tail": "wxyz"}));
        assert!(!shown.to_string().contains("-bytes"));
        let user = User { password: Some("$argon2id$x".into()), ..User::default() };
        assert_eq!(view(&Body::User(Box::new(user))).unwrap()["password"], "set");
    }

    #[test]
    fn a_reference_is_not_taken_from_outside_and_what_was_shown_changes_nothing() {
        let held = Held::Reference("env:A".into());
        let object = |value: Value| json!({"secret": value}).as_object().cloned().unwrap();
        assert!(given(&object(json!("env:HUB_MASTER_KEY")), "secret", None).is_err());
        assert!(given(&object(json!("file:/etc/shadow")), "secret", None).is_err());
        assert!(given(&object(json!({"reference": "env:B"})), "secret", Some(&held)).is_err());
        let same = given(&object(json!({"reference": "env:A"})), "secret", Some(&held)).unwrap();
        assert!(same.is_none());
        let new = given(&object(json!("sk-1")), "secret", Some(&held)).unwrap();
        assert_eq!(new.unwrap().expose(), "sk-1");
    }
}
