//! What is bounded: whether limits, budgets and webhooks make sense, and what calls see of them.

use std::collections::BTreeSet;

use gateway::limits::{self, MOST_TOKENS, Measure, Rule, Rules};
use gateway::upstream::Zone;
use schemas::money::Amount;

use crate::entity::{Body, Budget, Kind, Limit, Misfit, Period, Scope, ScopeKind, Webhook};
use crate::state::State;
use crate::validate::check_address;

/// The most thresholds of a budget.
const MAX_THRESHOLDS: usize = 20;

/// Whether a limit may say this.
///
/// # Errors
/// Names the field and what would be right.
pub(crate) fn check_limit(state: &State, limit: &Limit) -> Result<(), Misfit> {
    check_scope(state, &limit.scope)?;
    let wanted = |field: &str, found: Option<u64>, most: u64| match found {
        Some(found) if !(1..=most).contains(&found) => Err(Misfit::new(
            field,
            format!("1 to {most} is wanted; a limit that is not given does not exist"),
        )),
        _ => Ok(()),
    };
    let most = u64::from(u32::MAX);
    wanted("requests_per_minute", limit.requests_per_minute.map(u64::from), most)?;
    wanted("tokens_per_minute", limit.tokens_per_minute, MOST_TOKENS.unsigned_abs())?;
    wanted("concurrent", limit.concurrent.map(u64::from), most)?;
    if let Some(cost) = &limit.max_cost_per_call {
        check_money("max_cost_per_call", cost)?;
    }
    let counted = [limit.requests_per_minute, limit.concurrent].iter().any(Option::is_some);
    if counted || limit.tokens_per_minute.is_some() || limit.max_cost_per_call.is_some() {
        return Ok(());
    }
    let why =
        "or tokens_per_minute, concurrent or max_cost_per_call is wanted: this limits nothing";
    Err(Misfit::new("requests_per_minute", why))
}

/// Whether a budget may say this.
///
/// # Errors
/// Names the field and what would be right.
pub(crate) fn check_budget(state: &State, budget: &Budget) -> Result<(), Misfit> {
    check_scope(state, &budget.scope)?;
    check_money("amount", &budget.amount)?;
    let each: BTreeSet<&u32> = budget.thresholds.iter().collect();
    let fit = each.iter().all(|percent| (1..=1000).contains(*percent));
    if !fit || each.len() != budget.thresholds.len() || each.len() > MAX_THRESHOLDS {
        let why = format!("at most {MAX_THRESHOLDS} percents from 1 to 1000 are wanted, each once");
        return Err(Misfit::new("thresholds", why));
    }
    for (at, webhook) in budget.webhooks.iter().enumerate() {
        if state.get(Kind::Webhook, webhook).is_none() {
            let why = format!("there is no webhook {webhook:?}");
            return Err(Misfit::new(format!("webhooks[{at}]"), why));
        }
    }
    if !budget.webhooks.is_empty() && budget.thresholds.is_empty() {
        return Err(Misfit::new("thresholds", "are wanted: else the webhooks are never told"));
    }
    Ok(())
}

/// Whether a webhook may say this.
///
/// # Errors
/// Names the field and what would be right.
pub(crate) fn check_webhook(webhook: &Webhook) -> Result<(), Misfit> {
    let wrong = || Misfit::new("url", "an address such as https://example.com/hook is wanted");
    let url = url::Url::parse(&webhook.url).map_err(|_| wrong())?;
    let fits = matches!(url.scheme(), "http" | "https") && url.has_host();
    let open = url.username().is_empty() && url.password().is_none();
    if !fits || !open || webhook.url.len() > 2_000 {
        return Err(wrong());
    }
    check_address("url", &webhook.url, Zone::of(webhook.allow_private))
}

fn check_money(field: &str, text: &str) -> Result<(), Misfit> {
    match text.parse::<Amount>() {
        Ok(amount) if amount <= Amount::ZERO => Err(Misfit::new(field, "must be more than 0")),
        Ok(amount) => match amount.to_nano_down() {
            Ok(nano) if nano.0 > 0 => Ok(()),
            _ => Err(Misfit::new(field, "0.000000001 to 9000000000 USD is wanted")),
        },
        Err(error) => Err(Misfit::new(field, error.to_string())),
    }
}

fn check_scope(state: &State, scope: &Scope) -> Result<(), Misfit> {
    match (&scope.id, kind_of(scope.kind)) {
        (Some(id), Some(kind)) if state.get(kind, id).is_none() => {
            Err(Misfit::new("scope.id", format!("there is no {kind} {id:?}")))
        }
        (Some(id), None) if id.is_empty() => {
            Err(Misfit::new("scope.id", "a model's name is wanted"))
        }
        _ => Ok(()),
    }
}

/// The kind of entity that a scope names; `None` for models, which a provider may list tomorrow.
const fn kind_of(scope: ScopeKind) -> Option<Kind> {
    Some(match scope {
        ScopeKind::Organisation => Kind::Organisation,
        ScopeKind::Project => Kind::Project,
        ScopeKind::Account => Kind::Account,
        ScopeKind::User => Kind::User,
        ScopeKind::Key => Kind::Key,
        ScopeKind::Model => return None,
    })
}

/// Whether a limit or budget refers to an entity.
pub(crate) fn refers(body: &Body, kind: Kind, id: &str) -> bool {
    let scope = match body {
        Body::Limit(limit) => &limit.scope,
        Body::Budget(budget) if kind == Kind::Webhook => {
            return budget.webhooks.iter().any(|webhook| webhook == id);
        }
        Body::Budget(budget) => &budget.scope,
        _ => return false,
    };
    kind_of(scope.kind) == Some(kind) && scope.id.as_deref() == Some(id)
}

/// The rules that calls are held against. Names what can't be used in `tell`.
pub(crate) fn rules(state: &State, tell: &mut dyn FnMut(String, String)) -> Rules {
    let mut rules = Vec::new();
    let mut wrong = |kind: Kind, id: &str| tell(format!("{kind}/{id}"), UNREADABLE.into());
    for (id, body) in state.bodies(Kind::Limit) {
        match body {
            Body::Limit(limit) if limit.disabled => {}
            Body::Limit(limit) => match of_limit(id, limit) {
                Some(of) => rules.extend(of),
                None => wrong(Kind::Limit, id),
            },
            _ => wrong(Kind::Limit, id),
        }
    }
    for (id, body) in state.bodies(Kind::Budget) {
        match body {
            Body::Budget(budget) if budget.disabled => {}
            Body::Budget(budget) => match of_budget(id, budget) {
                Some(rule) => rules.push(rule),
                None => wrong(Kind::Budget, id),
            },
            _ => wrong(Kind::Budget, id),
        }
    }
    Rules::new(rules)
}

const UNREADABLE: &str = "this version of the hub can't read it: it does not hold";

fn of_limit(id: &str, limit: &Limit) -> Option<Vec<Rule>> {
    let cost = match &limit.max_cost_per_call {
        Some(cost) => Some(nano(cost)?),
        None => None,
    };
    let tokens = limit.tokens_per_minute.map(|most| i64::try_from(most).unwrap_or(i64::MAX));
    let all = [
        (Measure::Requests, limit.requests_per_minute.map(i64::from)),
        (Measure::Tokens, tokens.map(|most| most.min(MOST_TOKENS))),
        (Measure::Concurrent, limit.concurrent.map(i64::from)),
        (Measure::CallCost, cost),
    ];
    let rules = all
        .into_iter()
        .filter_map(|(measure, most)| Some(Rule::new(id, scope_of(&limit.scope), measure, most?)));
    Some(rules.collect())
}

/// The rule of a budget; `None` where it can't be read.
pub fn of_budget(id: &str, budget: &Budget) -> Option<Rule> {
    let period = match budget.period {
        Period::Day => limits::Period::Day,
        Period::Month => limits::Period::Month,
    };
    let most = nano(&budget.amount)?;
    let rule = Rule::new(id, scope_of(&budget.scope), Measure::Spend(period), most);
    Some(rule.hard(budget.hard))
}

fn scope_of(scope: &Scope) -> (limits::Scope, Option<&str>) {
    let kind = match scope.kind {
        ScopeKind::Organisation => limits::Scope::Organisation,
        ScopeKind::Project => limits::Scope::Project,
        ScopeKind::Account => limits::Scope::Account,
        ScopeKind::User => limits::Scope::User,
        ScopeKind::Key => limits::Scope::Key,
        ScopeKind::Model => limits::Scope::Model,
    };
    (kind, scope.id.as_deref())
}

fn nano(text: &str) -> Option<i64> {
    let nano = text.parse::<Amount>().ok()?.to_nano_down().ok()?;
    (nano.0 > 0).then_some(nano.0)
}
