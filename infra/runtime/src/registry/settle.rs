//! The schemas of this build, registered: each under its subject, in a mode that keeps every
//! version readable by every other.

use futures::future::try_join_all;
use schemas::wire::{SCHEMAS, SchemaName};

use super::Error;
use super::api::{Api, Registered};

/// The mode that is set; [`is_strong`] says which are taken.
const MODE: &str = "FULL_TRANSITIVE";

fn is_strong(mode: &str) -> bool {
    matches!(mode, "FULL" | "FULL_TRANSITIVE")
}

/// Registers what is not registered, and reads every version of the hub's subjects: those of
/// newer and older hubs too. Their ids, with this build's own text where the schema is its own.
///
/// # Errors
/// All of [`Error`] that speaks of the registry.
pub(super) async fn settle(api: &Api, prefix: &str) -> Result<Vec<(u32, String)>, Error> {
    let subjects = SchemaName::ALL.map(|name| one(api, prefix, name));
    Ok(try_join_all(subjects).await?.concat())
}

async fn one(api: &Api, prefix: &str, name: SchemaName) -> Result<Vec<(u32, String)>, Error> {
    let subject = format!("{prefix}{}-{}", name.topic(), name.record());
    keep_compatible(api, &subject).await?;
    let mut ids = Vec::new();
    for (.., text) in SCHEMAS.iter().filter(|(_, of, _)| *of == name) {
        let id = match api.find(&subject, text).await? {
            Some(id) => id,
            None => register(api, &subject, text).await?,
        };
        ids.push((id, (*text).to_owned()));
    }
    for version in api.versions(&subject).await? {
        if let Some(Registered { id, schema }) = api.version(&subject, version).await?
            && ids.iter().all(|(known, _)| *known != id)
        {
            ids.push((id, schema));
        }
    }
    Ok(ids)
}

async fn keep_compatible(api: &Api, subject: &str) -> Result<(), Error> {
    let mode = api.mode(subject).await?;
    if mode.as_deref().is_some_and(is_strong) {
        return Ok(());
    }
    match api.set_mode(subject, MODE).await {
        Ok(()) => {
            let before = mode.unwrap_or_else(|| "none of its own".to_owned());
            tracing::info!(subject, before, "the subject's compatibility is now {MODE}");
            Ok(())
        }
        Err(Error::Login { url, says, .. } | Error::Refused { url, says, .. }) => {
            // another hub that starts at this moment may have been faster
            if api.mode(subject).await?.as_deref().is_some_and(is_strong) {
                return Ok(());
            }
            let found = mode.unwrap_or_else(|| "of its own not set".to_owned());
            Err(Error::Mode { url, subject: subject.to_owned(), found, says })
        }
        Err(error) => Err(error),
    }
}

async fn register(api: &Api, subject: &str, text: &str) -> Result<u32, Error> {
    match api.register(subject, text).await {
        Ok(id) => {
            tracing::info!(subject, id, "schema registered");
            Ok(id)
        }
        Err(Error::Refused { url, status: 409, says, .. }) => {
            // also said when another hub registers it at this moment
            let found = api.find(subject, text).await?;
            let subject = subject.to_owned();
            found.ok_or(Error::Incompatible { url, subject, says })
        }
        Err(error) => Err(error),
    }
}
