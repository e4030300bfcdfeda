//! What is bounded, and for whom, as a call sees it: a part of the snapshot. Pure.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::book::Instances;
use super::calendar::Period;

/// What a bound can be set on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    /// All calls.
    Organisation,
    /// Those of a project.
    Project,
    /// Those that an account pays for.
    Account,
    /// Those on behalf of a user.
    User,
    /// Those of a key.
    Key,
    /// Those for a model, by the name that callers use.
    Model,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Organisation, Self::Project, Self::Account, Self::User, Self::Key, Self::Model];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organisation => "organisation",
            Self::Project => "project",
            Self::Account => "account",
            Self::User => "user",
            Self::Key => "key",
            Self::Model => "model",
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Measure {
    /// Requests in a minute.
    Requests,
    /// Tokens in a minute, of input and output.
    Tokens,
    /// Calls at a time.
    Concurrent,
    /// What one call may cost, nano USD.
    CallCost,
    /// What all calls of a period may cost, nano USD.
    Spend(Period),
}

impl Measure {
    const ALL: [Self; 6] = [
        Self::Requests,
        Self::Tokens,
        Self::Concurrent,
        Self::CallCost,
        Self::Spend(Period::Day),
        Self::Spend(Period::Month),
    ];

    /// Its name, as fields of limits and budgets are named.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests_per_minute",
            Self::Tokens => "tokens_per_minute",
            Self::Concurrent => "concurrent",
            Self::CallCost => "max_cost_per_call",
            Self::Spend(period) => period.as_str(),
        }
    }

    /// The measure of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.as_str() == name)
    }
}

/// One bound.
#[derive(Clone)]
pub struct Rule {
    /// The limit or budget, and what is counted: `team-rate/requests_per_minute`. Counters are known
    /// by it, whatever else changes.
    pub name: Arc<str>,
    /// Whose calls.
    pub scope: Scope,
    /// Whose of them; of everyone, each by itself, when not given.
    pub which: Option<Arc<str>>,
    /// What is counted.
    pub measure: Measure,
    /// How much of it: requests, tokens, calls, nano USD.
    pub most: i64,
    /// Whether calls beyond it are refused; else it is counted alone.
    pub hard: bool,
    /// Its counters, once the snapshot's first call has found them.
    pub(super) counters: OnceLock<Arc<Instances>>,
}

impl Rule {
    /// A bound of the limit or budget `id`.
    pub fn new(id: &str, scope: (Scope, Option<&str>), measure: Measure, most: i64) -> Self {
        Self {
            name: format!("{id}/{}", measure.as_str()).into(),
            scope: scope.0,
            which: scope.1.map(Into::into),
            measure,
            most,
            hard: true,
            counters: OnceLock::new(),
        }
    }

    /// The same, which only counts unless `hard`.
    #[must_use]
    pub fn hard(mut self, hard: bool) -> Self {
        self.hard = hard;
        self
    }

    /// The id of its limit or budget.
    pub fn id(&self) -> &str {
        self.name.rsplit_once('/').map_or(&self.name, |(id, _)| id)
    }

    /// Whether it says how much a call may cost at most.
    pub(crate) const fn bounds_cost(&self) -> bool {
        self.hard && matches!(self.measure, Measure::CallCost | Measure::Spend(_))
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, scope, which, most, hard, .. } = self;
        write!(f, "{name} of {} {which:?}: {most} (hard: {hard})", scope.as_str())
    }
}

/// Who makes a call, as far as bounds go.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The key's project.
    pub project: &'a str,
    /// Who pays.
    pub account: &'a str,
    /// On whose behalf.
    pub user: Option<&'a str>,
    /// The key.
    pub key: &'a str,
    /// The model as asked for, without a pin.
    pub model: &'a str,
}

impl<'a> Caller<'a> {
    fn of(&self, scope: Scope) -> Option<&'a str> {
        Some(match scope {
            Scope::Organisation => "",
            Scope::Project => self.project,
            Scope::Account => self.account,
            Scope::User => self.user?,
            Scope::Key => self.key,
            Scope::Model => self.model,
        })
    }
}

/// Rules of one kind of scope.
#[derive(Clone, Debug, Default)]
struct Of {
    each: Vec<Rule>,
    named: HashMap<Arc<str>, Vec<Rule>>,
}

/// All bounds, found by who makes a call.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    of: [Of; Scope::ALL.len()],
    /// How much there may be, by the names of rules.
    most: HashMap<Arc<str>, i64>,
}

impl Rules {
    /// These.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        let mut all = Self::default();
        for rule in rules {
            all.most.insert(Arc::clone(&rule.name), rule.most);
            let Some(of) = all.of.get_mut(rule.scope as usize) else {
                continue;
            };
            match &rule.which {
                Some(which) if rule.scope != Scope::Organisation => {
                    of.named.entry(Arc::clone(which)).or_default().push(rule);
                }
                _ => of.each.push(rule),
            }
        }
        all
    }

    /// Whether nothing is bounded.
    pub fn is_empty(&self) -> bool {
        self.most.is_empty()
    }

    /// How much there may be of what the rule of this name bounds.
    pub fn most(&self, name: &str) -> Option<i64> {
        self.most.get(name).copied()
    }

    /// The rules that hold for a call, each with whose of the scope it is.
    pub fn of<'a>(&'a self, caller: Caller<'a>) -> impl Iterator<Item = (&'a Rule, &'a str)> {
        Scope::ALL
            .into_iter()
            .zip(&self.of)
            .filter_map(move |(scope, of)| {
                let whose = caller.of(scope)?;
                let named = if of.named.is_empty() { None } else { of.named.get(whose) };
                let rules = of.each.iter().chain(named.into_iter().flatten());
                Some(rules.map(move |rule| (rule, whose)))
            })
            .flatten()
    }

    /// All rules.
    pub fn all(&self) -> impl Iterator<Item = &Rule> {
        self.of.iter().flat_map(|of| of.each.iter().chain(of.named.values().flatten()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_finds_the_rules_of_all_that_it_is_of() {
        let rule = |id, scope, which| Rule::new(id, (scope, which), Measure::Requests, 1);
        let rules = Rules::new([
            rule("all", Scope::Organisation, Some("acme")),
            rule("each-key", Scope::Key, None),
            rule("a-key", Scope::Key, Some("k1")),
            rule("b-key", Scope::Key, Some("k2")),
            rule("team", Scope::Project, Some("team")),
            rule("each-user", Scope::User, None),
            rule("model", Scope::Model, Some("gpt")),
        ]);
        let caller = Caller { project: "team", account: "a", user: None, key: "k1", model: "gpt" };
        let found = |caller| {
            let found = rules.of(caller).map(|(rule, whose)| format!("{} {whose}", rule.id()));
            found.collect::<Vec<_>>()
        };
        assert_eq!(found(caller), ["all ", "team team", "each-key k1", "a-key k1", "model gpt"]);
        let other = Caller { project: "x", user: Some("ada"), key: "k3", model: "m", ..caller };
        assert_eq!(found(other), ["all ", "each-user ada", "each-key k3"]);
        assert_eq!(rules.all().count(), 7);
        assert_eq!(&*rules.all().next().unwrap().name, "all/requests_per_minute");
    }
}
