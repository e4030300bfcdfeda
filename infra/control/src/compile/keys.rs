//! Keys as calls see them. There are many, and mostly one changes at a time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use gateway::control::{Key as Shown, SigningKey};
use runtime::clock::Micros;
use runtime::log::Offset;

use super::{
    DEFAULT, Opened, Problem, Surroundings, UNREADABLE, held, network, referred, signing_subject,
};
use crate::entity::{Body, Held, Key, Kind};
use crate::key::from_hex;
use crate::state::State;

/// All keys that are taken.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Every change of a key before this is in it.
    upto: Offset,
    /// Every change of what keys hang on before this.
    owners: Offset,
    pub(super) shown: HashMap<[u8; 32], Arc<Shown>>,
    pub(super) signing: HashMap<Box<str>, SigningKey>,
    problems: BTreeMap<Arc<str>, Vec<String>>,
    /// Two keys show or sign the same: which of them counts depends on their order, so all are read in it.
    clash: bool,
}

impl Keys {
    /// Goes on to what the state says.
    pub(super) fn update(&mut self, state: &State, local: &Surroundings, opened: &Opened) {
        let owners = [Kind::Project, Kind::Account, Kind::User];
        let owners = owners.into_iter().map(|kind| state.upto(kind)).max().unwrap_or(0);
        if self.owners == owners && !self.clash {
            self.go_on(state, local, opened);
        }
        if self.owners != owners || self.clash {
            *self = Self { owners, ..Self::default() };
            self.go_on(state, local, opened);
        }
    }

    pub(super) fn problems(&self) -> impl Iterator<Item = Problem> {
        self.problems.iter().flat_map(|(id, all)| {
            all.iter().map(move |why| Problem { entity: format!("key/{id}"), why: why.clone() })
        })
    }

    fn go_on(&mut self, state: &State, local: &Surroundings, opened: &Opened) {
        let (from, upto) = (self.upto, state.upto(Kind::Key));
        if from == upto {
            return;
        }
        let changed: Vec<_> = state.since(Kind::Key, from).collect();
        if from > 0 {
            let ids: HashSet<&str> = changed.iter().map(|(id, _)| &***id).collect();
            self.shown.retain(|_, key| !ids.contains(key.id.as_str()));
            self.signing.retain(|_, holder| !ids.contains(holder.key.id.as_str()));
            self.problems.retain(|id, _| !ids.contains(&**id));
        }
        for (id, entity) in changed {
            match &entity.body {
                None => {}
                Some(Body::Key(key)) => self.add(state, local, opened, id, key),
                Some(_) => self.tell(id, UNREADABLE.into()),
            }
        }
        self.upto = upto;
    }

    fn tell(&mut self, id: &Arc<str>, why: String) {
        self.problems.entry(Arc::clone(id)).or_default().push(why);
    }

    fn add(
        &mut self,
        state: &State,
        local: &Surroundings,
        opened: &Opened,
        id: &Arc<str>,
        key: &Key,
    ) {
        if is_disabled(state, key) {
            return;
        }
        let shown = match shown(state, id, key) {
            Ok(shown) => Arc::new(shown),
            Err(why) => return self.tell(id, why),
        };
        if let Some(hash) = from_hex(&key.hash) {
            self.clash |= self.shown.insert(hash, Arc::clone(&shown)).is_some();
        }
        for previous in &key.previous {
            let until = Micros(previous.until);
            let until = shown.expires_at.map_or(until, |expires| expires.min(until));
            let Some(hash) = from_hex(&previous.hash) else { continue };
            self.clash |= self.shown.contains_key(&hash);
            let key = Shown { expires_at: Some(until), ..(*shown).clone() };
            self.shown.entry(hash).or_insert_with(|| Arc::new(key));
        }
        if let Some(aws) = &key.aws {
            let secret = match &aws.secret {
                Held::Sealed(_) => held(opened, &signing_subject(id)),
                Held::Reference(text) => referred(text, local),
            };
            match secret {
                Ok(secret) => {
                    let holder = SigningKey { secret, key: shown };
                    let before = self.signing.insert(aws.access_key_id.as_str().into(), holder);
                    self.clash |= before.is_some();
                }
                Err(why) => self.tell(id, format!("its signing secret: {why}")),
            }
        }
    }
}

/// Whether the key, or what it hangs on, is switched off.
fn is_disabled(state: &State, key: &Key) -> bool {
    let body = |kind, id: &str| state.get(kind, id).and_then(|entity| entity.body.as_ref());
    let project = key.project.as_deref().unwrap_or(DEFAULT);
    let project_off =
        matches!(body(Kind::Project, project), Some(Body::Project(project)) if project.disabled);
    let account_off = matches!(
        body(Kind::Account, &account_of(state, key)),
        Some(Body::Account(account)) if account.disabled
    );
    // also where two commands at once deleted the user and left the key
    let user_off = key.user.as_deref().is_some_and(
        |user| !matches!(body(Kind::User, user), Some(Body::User(user)) if !user.disabled),
    );
    key.disabled || project_off || account_off || user_off
}

/// Who pays for a key's calls.
fn account_of(state: &State, key: &Key) -> String {
    let project = key.project.as_deref().unwrap_or(DEFAULT);
    let of_project = || match state.get(Kind::Project, project)?.body.as_ref()? {
        Body::Project(project) => project.account.clone(),
        _ => None,
    };
    key.account.clone().or_else(of_project).unwrap_or_else(|| DEFAULT.to_owned())
}

fn shown(state: &State, id: &str, key: &Key) -> Result<Shown, String> {
    let project = key.project.as_deref().unwrap_or(DEFAULT);
    let networks: Result<_, _> = key.addresses.iter().map(|text| network(text)).collect();
    Ok(Shown {
        user: key.user.as_deref().map(Into::into),
        models: key.scopes.models.clone(),
        dialects: key.scopes.dialects.clone(),
        providers: key.scopes.providers.clone(),
        regions: key.regions.clone(),
        origins: key.origins.clone(),
        networks: networks?,
        expires_at: key.expires_at.map(Micros),
        ..Shown::new(id.into(), account_of(state, key).as_str().into(), project.into())
    })
}
