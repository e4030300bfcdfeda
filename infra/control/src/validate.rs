//! Whether a command makes sense with what is configured now. Only who asks is told: what is in the
//! log counts, and a state that two commands made wrong together still compiles.

use std::collections::BTreeSet;

use gateway::config::Seed;
use gateway::control::seed;
use gateway::upstream::{Denied, Zone};
use schemas::price::PriceBook;

use crate::compile::{Surroundings, model_seed, network, provider_seed};
use crate::entity::{Body, Key, Kind, Misfit, Model, Price, Provider};
use crate::limits::{self, check_budget, check_limit, check_webhook};
use crate::role::Role;
use crate::state::State;

/// The longest id of what has a name of ours.
const MAX_ID: usize = 128;
/// The longest name of a model.
const MAX_MODEL: usize = 256;
/// The longest text for people.
const MAX_TITLE: usize = 200;
/// The most tiers of a price.
const MAX_TIERS: usize = 20;
/// The longest e-mail address (RFC 5321).
const MAX_EMAIL: usize = 254;
/// The most entries of a list in a body.
const MAX_LIST: usize = 1000;

/// Why a command is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// A field is wrong.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// There is no such entity.
    #[error("there is no {0} {1:?}")]
    Unknown(Kind, String),
    /// Others refer to it.
    #[error("{0}/{1} is in use by {2}: change that first")]
    InUse(Kind, String, String),
    /// Nobody could administer the hub any more.
    #[error("this would leave the hub without an owner who can sign in")]
    LastOwner,
}

/// Whether an id can be that of a new entity of the kind.
///
/// # Errors
/// What would be right.
pub fn check_id(kind: Kind, id: &str) -> Result<(), Misfit> {
    if kind == Kind::Model {
        let fits = !id.is_empty() && id.len() <= MAX_MODEL && !id.chars().any(char::is_control);
        let why = "a model's name is 1 to 256 characters without control characters";
        return if fits { Ok(()) } else { Err(Misfit::new("id", why)) };
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !id.is_empty() && id.len() <= MAX_ID && id.bytes().all(plain) {
        return Ok(());
    }
    Err(Misfit::new("id", format!("1 to {MAX_ID} letters, digits, -, _ and . are wanted")))
}

/// Whether an entity may say this.
///
/// # Errors
/// Names the field and what would be right.
pub fn check_body(
    state: &State,
    local: &Surroundings,
    id: &str,
    body: &Body,
) -> Result<(), Refused> {
    let there = |field: &str, kind: Kind, id: &str| match state.get(kind, id) {
        Some(_) => Ok(()),
        None => Err(Misfit::new(field, format!("there is no {kind} {id:?}"))),
    };
    let if_there = |field: &str, kind: Kind, id: &Option<String>| {
        id.as_deref().map_or(Ok(()), |id| there(field, kind, id))
    };
    match body {
        Body::Organisation(it) => title(&it.title)?,
        Body::Project(it) => {
            title(&it.title)?;
            if_there("account", Kind::Account, &it.account)?;
        }
        Body::Account(it) => title(&it.title)?,
        Body::User(it) => {
            title(&it.title)?;
            it.email.as_deref().map_or(Ok(()), |address| email(state, id, address))?;
        }
        Body::Binding(it) => {
            there("user", Kind::User, &it.user)?;
            if_there("project", Kind::Project, &it.project)?;
            if it.role == Role::Owner && it.project.is_some() {
                return Err(Misfit::new("project", "an owner is one of everything").into());
            }
        }
        Body::Key(it) => {
            title(&it.title)?;
            if_there("project", Kind::Project, &it.project)?;
            if_there("account", Kind::Account, &it.account)?;
            if_there("user", Kind::User, &it.user)?;
            key(state, id, it)?;
        }
        Body::Provider(it) => provider(local, id, it)?,
        Body::Credential(it) => {
            there("provider", Kind::Provider, &it.provider)?;
            let wanted = format!("{}.{}", it.provider, it.name);
            if id != wanted {
                return Err(Misfit::new("id", format!("must be provider.name, {wanted:?}")).into());
            }
        }
        Body::Model(it) => model(state, local, id, it)?,
        Body::Price(it) => price(state, local, id, it)?,
        Body::Limit(it) => check_limit(state, it)?,
        Body::Budget(it) => check_budget(state, it)?,
        Body::Webhook(it) => check_webhook(it)?,
        Body::Secret(_) | Body::PriceBook | Body::Unknown => {}
    }
    Ok(())
}

fn title(text: &str) -> Result<(), Misfit> {
    if text.chars().count() <= MAX_TITLE && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Misfit::new("title", format!("at most {MAX_TITLE} characters, no control characters")))
}

/// An identity provider's word for an address signs in who has it: so no two have the same.
fn email(state: &State, id: &str, address: &str) -> Result<(), Misfit> {
    let odd = |c: char| c.is_control() || c.is_whitespace();
    let parts = address.rsplit_once('@');
    let fits = parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    if !fits || address.len() > MAX_EMAIL || address.contains(odd) {
        return Err(Misfit::new("email", "an address such as ada@example.com is wanted"));
    }
    let taken = state.bodies(Kind::User).any(|(other, body)| {
        let Body::User(body) = body else { return false };
        **other != *id && body.email.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(address))
    });
    if taken { Err(Misfit::new("email", "another user has it")) } else { Ok(()) }
}

fn key(state: &State, id: &str, key: &Key) -> Result<(), Misfit> {
    for (at, text) in key.addresses.iter().enumerate() {
        network(text).map_err(|why| Misfit::new(format!("addresses[{at}]"), why))?;
    }
    for (field, list) in [
        ("scopes.models", &key.scopes.models),
        ("scopes.dialects", &key.scopes.dialects),
        ("scopes.providers", &key.scopes.providers),
        ("origins", &key.origins),
        ("addresses", &key.addresses),
    ] {
        if list.len() > MAX_LIST {
            return Err(Misfit::new(field, format!("at most {MAX_LIST} entries")));
        }
    }
    let Some(aws) = &key.aws else {
        return Ok(());
    };
    let name = &aws.access_key_id;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if name.is_empty() || name.len() > 128 || !plain {
        return Err(Misfit::new("aws.access_key_id", "1 to 128 letters and digits are wanted"));
    }
    let taken = state.bodies(Kind::Key).any(|(other, body)| {
        let Body::Key(body) = body else { return false };
        **other != *id && body.aws.as_ref().is_some_and(|aws| aws.access_key_id == *name)
    });
    if taken { Err(Misfit::new("aws.access_key_id", "another key has it")) } else { Ok(()) }
}

/// As it would be used, without credentials.
fn provider(local: &Surroundings, id: &str, provider: &Provider) -> Result<(), Misfit> {
    title(&provider.title)?;
    if local.providers.iter().any(|own| own.id == id) {
        return Err(Misfit::new("id", "is that of a provider of the hub's own"));
    }
    if let Some(address) = &provider.base_url {
        check_address("base_url", address, Zone::of(provider.allow_private))?;
    }
    let own = provider_seed(id, provider, &[]);
    let seed = Seed { providers: vec![own], ..Seed::default() };
    let wrong = assembled(local, &seed);
    match wrong.into_iter().next() {
        None => Ok(()),
        Some(error) => {
            let field = match &error {
                seed::Error::Vendor { .. } => "vendor",
                seed::Error::Address { .. } => "base_url",
                _ => "id",
            };
            Err(Misfit::new(field, error.to_string()))
        }
    }
}

/// What is wrong with it.
fn assembled(local: &Surroundings, seed: &Seed) -> Vec<seed::Error> {
    let (vendors, prices) = (&local.vendors, PriceBook::default());
    let mut none = seed::Made::default();
    seed::assemble(seed, vendors, prices, local.call_time, &|_| None, &mut none).1
}

/// Whether an address may be asked, as far as it says by itself. What a name means is known only at each
/// connection.
pub(crate) fn check_address(field: &str, address: &str, zone: Zone) -> Result<(), Misfit> {
    let url = url::Url::parse(address).ok();
    let host = url.as_ref().and_then(url::Url::host_str).unwrap_or_default();
    zone.check_host(host).map_err(|denied| {
        let why = match denied {
            Denied::Private => "is a private address, which calls could reach through the hub; allow_private permits it",
            Denied::Metadata => "is that of a metadata service, which tells a machine's credentials, and never what is wanted",
        };
        Misfit::new(field, why)
    })
}

/// As it would be used, with providers that are there and nothing else known of them.
fn model(state: &State, local: &Surroundings, id: &str, model: &Model) -> Result<(), Misfit> {
    for (at, target) in model.targets.iter().enumerate() {
        if state.get(Kind::Provider, &target.provider).is_none() {
            let why = format!("there is no provider {:?}", target.provider);
            return Err(Misfit::new(format!("targets[{at}].provider"), why));
        }
    }
    for (at, project) in model.projects.iter().enumerate() {
        if state.get(Kind::Project, project).is_none() {
            return Err(Misfit::new(format!("projects[{at}]"), format!("there is no {project:?}")));
        }
    }
    let own = model_seed(id, model);
    if let Some(pin) = own.name.split_once('/').map(|(first, _)| first)
        && state.get(Kind::Provider, pin).is_some()
    {
        return Err(Misfit::new("name", format!("{pin}/… is a pin to the provider {pin:?}")));
    }
    let twice = state.bodies(Kind::Model).any(|(other, body)| {
        let Body::Model(body) = body else { return false };
        let known = model_seed(other, body);
        let shared = known.projects.iter().any(|project| own.projects.contains(project));
        let all = known.projects.is_empty() && own.projects.is_empty();
        **other != *id && known.name == own.name && (shared || all)
    });
    if twice {
        return Err(Misfit::new("name", "another model has this name, for the same keys"));
    }
    let names: BTreeSet<&String> = own.targets.iter().map(|target| &target.provider).collect();
    let providers =
        names.into_iter().filter_map(|id| match state.get(Kind::Provider, id)?.body.as_ref()? {
            Body::Provider(provider) => Some(provider_seed(id, provider, &[])),
            _ => None,
        });
    let seed = Seed { providers: providers.collect(), models: vec![own], ..Seed::default() };
    let wrong = assembled(local, &seed);
    let of_model = wrong.into_iter().find_map(|error| {
        let field = match &error {
            seed::Error::Name(_) => "name",
            seed::Error::Empty(_) => "targets",
            seed::Error::Fallback(_) => "fallbacks",
            seed::Error::Canary(_) => "targets",
            seed::Error::MaxPrice { .. } => "max_price",
            _ => return None,
        };
        Some(Misfit::new(field, error.to_string()))
    });
    of_model.map_or(Ok(()), Err)
}

/// A price of something that there is, and the only one.
fn price(state: &State, local: &Surroundings, id: &str, price: &Price) -> Result<(), Misfit> {
    let provider = price.provider.as_str();
    let own = local.providers.iter().any(|own| own.id == provider);
    if !own
        && state.get(Kind::Provider, provider).is_none()
        && !local.vendors.contains_key(provider)
    {
        return Err(Misfit::new(
            "provider",
            format!("there is no provider or vendor {provider:?}"),
        ));
    }
    check_id(Kind::Model, &price.model).map_err(|misfit| Misfit::new("model", misfit.why))?;
    if price.tiers.is_empty() || price.tiers.len() > MAX_TIERS {
        return Err(Misfit::new("tiers", format!("1 to {MAX_TIERS} are wanted")));
    }
    for (at, tier) in price.tiers.iter().enumerate() {
        let placed =
            |misfit: Misfit| Misfit::new(format!("tiers[{at}].{}", misfit.field), misfit.why);
        let prices = tier.prices().map_err(placed)?;
        if prices.rates.is_empty() && !prices.reported {
            return Err(placed(Misfit::new("rates", "at least one is wanted, or reported")));
        }
    }
    let twice = state.bodies(Kind::Price).any(|(other, body)| {
        let Body::Price(body) = body else { return false };
        **other != *id && body.provider == price.provider && body.model == price.model
    });
    if twice { Err(Misfit::new("model", "another price is this model's")) } else { Ok(()) }
}

/// Whether an entity may go.
///
/// # Errors
/// Who refers to it.
pub fn check_delete(state: &State, kind: Kind, id: &str) -> Result<(), Refused> {
    if state.get(kind, id).is_none() {
        return Err(Refused::Unknown(kind, id.to_owned()));
    }
    let is = |name: &Option<String>| name.as_deref() == Some(id);
    let refers = |of: Kind, body: &Body| match (kind, body) {
        (Kind::Account, Body::Project(it)) => is(&it.account),
        (Kind::Account, Body::Key(it)) => is(&it.account),
        (Kind::Project, Body::Key(it)) => is(&it.project),
        (Kind::Project, Body::Model(it)) => it.projects.iter().any(|project| project == id),
        (Kind::Project | Kind::User, Body::Binding(it)) => {
            if kind == Kind::User {
                it.user == id
            } else {
                is(&it.project)
            }
        }
        (Kind::User, Body::Key(it)) => is(&it.user),
        (Kind::Provider, Body::Credential(it)) => it.provider == id,
        (Kind::Provider, Body::Price(it)) => it.provider == id,
        (Kind::Provider, Body::Model(it)) => it.targets.iter().any(|target| target.provider == id),
        _ => {
            debug_assert_ne!(of, Kind::Secret);
            limits::refers(body, kind, id)
        }
    };
    let kinds = [
        Kind::Project,
        Kind::Key,
        Kind::Binding,
        Kind::Credential,
        Kind::Model,
        Kind::Price,
        Kind::Limit,
        Kind::Budget,
    ];
    for of in kinds {
        if let Some((other, _)) = state.bodies(of).find(|(_, body)| refers(of, body)) {
            return Err(Refused::InUse(kind, id.to_owned(), format!("{of}/{other}")));
        }
    }
    Ok(())
}

/// Whether somebody is left who can do everything, once the change is made.
///
/// # Errors
/// [`Refused::LastOwner`].
pub fn check_owners(
    state: &State,
    kind: Kind,
    id: &str,
    after: Option<&Body>,
) -> Result<(), Refused> {
    if !matches!(kind, Kind::User | Kind::Binding) {
        return Ok(());
    }
    fn body_of<'b>(
        state: &'b State,
        changed: (Kind, &str, Option<&'b Body>),
        kind: Kind,
        id: &str,
    ) -> Option<&'b Body> {
        let (of, which, after) = changed;
        if of == kind && which == id { after } else { state.get(kind, id)?.body.as_ref() }
    }
    let changed = (kind, id, after);
    let left = state.all(Kind::Binding).map(|(id, _)| &**id);
    let left = left.chain((kind == Kind::Binding).then_some(id)).any(|binding| {
        let Some(Body::Binding(binding)) = body_of(state, changed, Kind::Binding, binding) else {
            return false;
        };
        let user = body_of(state, changed, Kind::User, &binding.user);
        binding.role == Role::Owner && matches!(user, Some(Body::User(user)) if !user.disabled)
    });
    // before the first owner there is none to lose
    let any = state.bodies(Kind::Binding).next().is_some();
    if left || !any { Ok(()) } else { Err(Refused::LastOwner) }
}
