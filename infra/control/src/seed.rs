//! What a node's file and environment say of providers, models, keys and accounts: applied as
//! events under stable ids, never over what an operator changed.

use std::collections::BTreeMap;

use gateway::config::{AccountKind as Terms, AwsSeed, KeySeed, ModelSeed, Seed};
use gateway::control::{KeyHash, hash_of, seed as settings};
use gateway::routing::Strategy as By;
use runtime::secret::SecretRef;

use crate::compile::{DEFAULT, lookup, signing_subject, subject_of};
use crate::entity::{
    Account, AccountKind, Aws, Body, Credential, Held, Key, Kind, MaxPrice, Model, Project,
    Provider, Scopes, Strategy, TargetOf,
};
use crate::key::to_hex;
use crate::plane::{Command, Plane, SEED, Who};
use crate::vault::{self, Subject};

/// Why a seed can't be applied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is wrong.
    #[error(transparent)]
    Seed(#[from] settings::Error),
    /// A secret can't be sealed.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// A command did not come through.
    #[error(transparent)]
    Command(#[from] crate::plane::Error),
    /// A body can't be written.
    #[error("a seed can't be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// Everything that a seed wants, in an order in which each refers to what is before it.
type Wanted = Vec<(Kind, String, Body)>;

/// Applies a seed. Where it is `sole`, what an earlier seed brought and this one does not is taken
/// away again; of several nodes, one does not know what the others' say.
///
/// # Errors
/// [`Error`].
pub async fn apply(plane: &Plane, seed: &Seed, sole: bool) -> Result<(), Error> {
    let wanted = wanted(plane, seed).await?;
    let who = Who { actor: SEED.into(), ..Who::default() };
    let mut commands = Vec::new();
    for (kind, id, body) in &wanted {
        let state = plane.state();
        let known = state.known(*kind, id);
        let version = known.map_or(0, |entity| entity.version);
        if let Some(entity) = known
            && (entity.body.as_ref() == Some(body) || &*entity.changed.actor != SEED)
        {
            continue;
        }
        commands.push(Command {
            kind: *kind,
            id: id.clone(),
            expected: Some(version),
            body: Some(body.to_json()?),
            reason: Some("settings at start".into()),
        });
    }
    if !commands.is_empty() {
        plane.submit(commands, &who).await?;
    }
    if sole {
        for command in gone(plane, &wanted) {
            let named = format!("{}/{}", command.kind, command.id);
            match plane.submit(vec![command], &who).await {
                Err(crate::plane::Error::Refused(why)) => {
                    tracing::warn!(entity = named, %why, "not in the settings any more, but kept");
                }
                other => drop(other?),
            }
        }
    }
    Ok(())
}

/// What an earlier seed brought and this one does not, what refers to others first.
fn gone(plane: &Plane, wanted: &Wanted) -> Vec<Command> {
    let state = plane.state();
    let is_wanted = |kind, id: &str| wanted.iter().any(|(k, i, _)| *k == kind && i == id);
    let kinds =
        [Kind::Key, Kind::Model, Kind::Credential, Kind::Provider, Kind::Project, Kind::Account];
    let mut gone = Vec::new();
    for kind in kinds {
        for (id, entity) in state.all(kind) {
            if &*entity.changed.actor == SEED && !is_wanted(kind, id) {
                gone.push(Command {
                    kind,
                    id: id.to_string(),
                    expected: Some(entity.version),
                    body: None,
                    reason: Some("not in the settings any more".into()),
                });
            }
        }
    }
    gone
}

async fn wanted(plane: &Plane, seed: &Seed) -> Result<Wanted, Error> {
    let mut accounts: BTreeMap<String, Account> = BTreeMap::new();
    for account in &seed.accounts {
        let kind = match account.kind {
            Terms::Metered => AccountKind::Metered,
            Terms::Prepaid => AccountKind::Prepaid,
        };
        accounts.insert(account.id.clone(), Account { kind, ..Account::default() });
    }
    let mut projects: BTreeMap<String, Project> = BTreeMap::new();
    for project in seed.models.iter().flat_map(|model| &model.projects) {
        projects.entry(project.clone()).or_default();
    }
    for key in &seed.keys {
        accounts.entry(key.account.clone()).or_default();
        projects.entry(key.project.clone()).or_default();
    }
    // those are there from the beginning
    if accounts.get(DEFAULT) == Some(&Account::default()) {
        accounts.remove(DEFAULT);
    }
    projects.remove(DEFAULT);
    let mut wanted = Wanted::new();
    let some = |kind, id: &str, body| (kind, id.to_owned(), body);
    wanted.extend(
        accounts.into_iter().map(|(id, it)| (Kind::Account, id, Body::Account(Box::new(it)))),
    );
    wanted.extend(
        projects.into_iter().map(|(id, it)| (Kind::Project, id, Body::Project(Box::new(it)))),
    );
    for provider in &seed.providers {
        let body = Provider {
            title: String::new(),
            vendor: provider.vendor.clone(),
            base_url: provider.base_url.clone(),
            models: provider.models.clone(),
            weight: provider.weight,
            region: provider.region.clone(),
            allow_private: provider.allow_private,
            disabled: false,
        };
        wanted.push(some(Kind::Provider, &provider.id, Body::Provider(Box::new(body))));
    }
    for (provider, credential) in
        seed.providers.iter().flat_map(|of| of.credentials.iter().map(move |it| (of, it)))
    {
        let id = format!("{}.{}", provider.id, credential.id);
        let (secret, secret_version) =
            held_credential(plane, &id, &credential.secret, credential.version).await?;
        let body = Credential {
            provider: provider.id.clone(),
            name: credential.id.clone(),
            weight: credential.weight,
            secret,
            secret_version,
            disabled: false,
        };
        wanted.push((Kind::Credential, id, Body::Credential(Box::new(body))));
    }
    for model in &seed.models {
        let (id, body) = model_of(model);
        wanted.push((Kind::Model, id, Body::Model(Box::new(body))));
    }
    let key_hash = plane.key_hash();
    for seed in &seed.keys {
        let key = key_of(plane, seed, &key_hash).await?;
        let id = key_id(plane, seed, &key);
        wanted.push((Kind::Key, id, Body::Key(Box::new(key))));
    }
    Ok(wanted)
}

fn model_of(model: &ModelSeed) -> (String, Model) {
    let targets = model.targets.iter().map(|target| TargetOf {
        provider: target.provider.clone(),
        model: target.model.clone(),
        weight: target.weight,
        priority: target.priority,
        tags: target.tags.clone(),
        canary: target.canary,
    });
    // what holds for projects has an id of its own beside what holds for all
    let id = match model.projects.is_empty() {
        true => model.name.clone(),
        false => format!("{}@{}", model.name, model.projects.join(",")),
    };
    let body = Model {
        name: (id != model.name).then(|| model.name.clone()),
        targets: targets.collect(),
        strategy: match model.strategy {
            By::Weighted => Strategy::Weighted,
            By::Latency => Strategy::Latency,
            By::Cost => Strategy::Cost,
            By::Busy => Strategy::Busy,
            By::Affinity => Strategy::Affinity,
        },
        fallbacks: model.fallbacks.clone(),
        pin_fallback: model.pin_fallback,
        regions: model.regions.clone(),
        max_price: MaxPrice {
            input: model.max_price.input.clone(),
            output: model.max_price.output.clone(),
        },
        projects: model.projects.clone(),
        disabled: false,
    };
    (id, body)
}

async fn key_of(plane: &Plane, seed: &KeySeed, hash: &KeyHash) -> Result<Key, Error> {
    let find = |names: &str| lookup(&plane.local().environment, names);
    let hash = to_hex(&hash_of(seed, hash, &find)?);
    let own = |name: &String| (name != DEFAULT).then(|| name.clone());
    let aws = match &seed.aws {
        Some(aws) => Some(aws_of(plane, &seed.id, aws).await?),
        None => None,
    };
    Ok(Key {
        hash,
        account: own(&seed.account),
        project: own(&seed.project),
        scopes: Scopes { models: seed.models.clone(), ..Scopes::default() },
        regions: seed.regions.clone(),
        origins: seed.origins.clone(),
        aws,
        ..Key::default()
    })
}

/// The seed's id; where another node's seed brought another key under it, one of its own.
fn key_id(plane: &Plane, seed: &KeySeed, key: &Key) -> String {
    let state = plane.state();
    let known = state.get(Kind::Key, &seed.id).and_then(|entity| entity.body.as_ref());
    let other = matches!(known, Some(Body::Key(known)) if known.hash != key.hash);
    // the key that each node makes for itself
    if other && seed.id == "client" {
        let own: String = key.hash.chars().take(8).collect();
        return format!("{}-{own}", seed.id);
    }
    seed.id.clone()
}

async fn aws_of(plane: &Plane, key: &str, aws: &AwsSeed) -> Result<Aws, Error> {
    let known = match plane.state().get(Kind::Key, key).and_then(|entity| entity.body.as_ref()) {
        Some(Body::Key(known)) => known.aws.as_ref().map(|aws| aws.secret.clone()),
        _ => None,
    };
    let secret = held(plane, &signing_subject(key), known, &aws.secret).await?;
    Ok(Aws { access_key_id: aws.access_key_id.clone(), secret })
}

/// How a credential's secret is kept, and its version: the known one where it is the same.
async fn held_credential(
    plane: &Plane,
    id: &str,
    secret: &SecretRef,
    version: u32,
) -> Result<(Held, u32), Error> {
    let known = match plane.state().get(Kind::Credential, id).and_then(|it| it.body.as_ref()) {
        Some(Body::Credential(known)) => Some((known.secret.clone(), known.secret_version)),
        _ => None,
    };
    let before = known.as_ref().map_or(0, |(_, version)| *version);
    let known = known.map(|(held, _)| held);
    let same = held(plane, &subject_of(id, before), known.clone(), secret).await?;
    if known.as_ref() == Some(&same) {
        return Ok((same, version.max(before)));
    }
    let version = version.max(before.saturating_add(1));
    Ok((held(plane, &subject_of(id, version), None, secret).await?, version))
}

/// A reference as it is; a literal sealed, or as it is sealed already.
async fn held(
    plane: &Plane,
    subject: &Subject,
    known: Option<Held>,
    secret: &SecretRef,
) -> Result<Held, Error> {
    let SecretRef::Literal(secret) = secret else {
        return Ok(Held::Reference(secret.to_string()));
    };
    if let Some(Held::Sealed(sealed)) = known
        && plane.opened(subject).is_ok_and(|opened| opened.expose() == secret.expose())
    {
        return Ok(Held::Sealed(sealed));
    }
    Ok(Held::Sealed(plane.vault().seal(subject, secret).await?))
}
