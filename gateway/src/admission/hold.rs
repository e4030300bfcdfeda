//! What a call may cost at most, target by target, and the hold for that.

use std::sync::Arc;

use schemas::money::Nano;
use schemas::price::upper_bound;

use super::accounts::{Account, Hold, Short};
use crate::call::Call;
use crate::config::Unpriced;
use crate::control::Snapshot;
use crate::error::{Error, Kind};
use crate::routing::Plan;

/// Leaves in the plan the targets whose price is known, where policy asks for one or `strict` says why there
/// must be one, and returns the most that the call can cost at each target that is left.
///
/// # Errors
/// [`Kind::NoPrice`]: no target is left.
pub(super) fn bounds(
    call: &Call,
    plan: &mut Plan,
    snapshot: &Snapshot,
    strict: Option<&str>,
) -> Result<Vec<Nano>, Error> {
    let units = call.most();
    let must = strict.is_some() || snapshot.unpriced == Unpriced::Refuse;
    let mut bounds = Vec::with_capacity(plan.targets.len());
    plan.targets.retain(|planned| {
        let target = &planned.target;
        let prices = snapshot.prices.find(&target.provider, &target.model);
        let bound = prices.and_then(|prices| upper_bound(prices, &units));
        let kept = bound.is_some() || !must;
        bounds.extend(kept.then(|| bound.unwrap_or(Nano(0))));
        kept
    });
    if plan.targets.is_empty() {
        let message = format!(
            "the model {:?} has no price here, and {}",
            call.model.as_str(),
            strict.unwrap_or("this hub refuses such calls (unpriced = \"refuse\")"),
        );
        return Err(Error::new(Kind::NoPrice, message).at("model"));
    }
    Ok(bounds)
}

/// Holds the most that the call can cost at any of its targets. Those that the account can't pay for
/// are left out of the plan: a dearer fallback makes no call fail that its first target would serve.
///
/// # Errors
/// [`Short`]: it can pay for none.
pub(super) fn hold(
    account: &Arc<Account>,
    plan: &mut Plan,
    bounds: &[Nano],
) -> Result<Hold, Short> {
    let most = bounds.iter().max().copied().unwrap_or(Nano(0));
    let short = match account.try_hold(most) {
        Ok(hold) => return Ok(hold),
        Err(short) => short,
    };
    let affordable = bounds.iter().filter(|bound| **bound <= short.available).max();
    // told what the cheapest would cost: less than that serves nobody
    let wanted = bounds.iter().min().copied().unwrap_or(Nano(0));
    let most = affordable.copied().ok_or(Short { wanted, ..short })?;
    let hold = account.try_hold(most)?;
    let mut bound = bounds.iter();
    plan.targets.retain(|_| bound.next().is_some_and(|bound| *bound <= most));
    Ok(hold)
}

#[cfg(test)]
mod tests {
    use schemas::event::{Balance, Hash};
    use schemas::money::Amount;

    use super::super::Accounts;
    use super::*;
    use crate::providers::Auth;
    use crate::routing::Target;

    fn plan(models: &[&str]) -> Plan {
        let vendors = crate::providers::compat::shipped().unwrap();
        let time = std::time::Duration::from_secs(1);
        let endpoint = crate::providers::Endpoint {
            zone: crate::upstream::Zone::Public,
            id: "p".into(),
            base_url: "http://127.0.0.1/v1".parse().unwrap(),
            chat: None,
            embeddings: None,
            responses: None,
            vendor: vendors["openai"].clone(),
            deadlines: crate::providers::Deadlines {
                connect: time,
                first_byte: time,
                idle: time,
                total: time,
            },
            counts: Default::default(),
        };
        let target = Target {
            endpoint: Arc::new(endpoint),
            provider: "p".into(),
            credential: "c".into(),
            credential_version: 1,
            auth: Auth::None,
            model: "m".into(),
            subject: "p/c@1/m".into(),
            credential_subject: "p/c@1".into(),
        };
        Plan::of(models.iter().map(|model| Arc::new(target.with_model(&(*model).into()))))
    }

    #[test]
    fn a_dearer_fallback_is_left_out_and_the_call_is_served() {
        let accounts = Accounts::new();
        accounts.apply_balance(&Balance {
            account: "a".into(),
            balance: Nano(10).into(),
            granted: Amount::ZERO,
            spent: Amount::ZERO,
            account_seq: 1,
            hash: Hash::default(),
            at: 0,
            included: Vec::new(),
            leases: Vec::new(),
        });
        let account = accounts.account(&"a".into());
        let held = |bounds: [i64; 3]| {
            let mut plan = plan(&["one", "two", "three"]);
            let hold = hold(&account, &mut plan, &bounds.map(Nano));
            let models = plan.targets.iter().map(|planned| planned.target.model.to_string());
            (
                hold.map(|hold| hold.nano().0).map_err(|short| short.wanted.0),
                models.collect::<Vec<_>>(),
            )
        };
        assert_eq!(held([1, 9, 10]), (Ok(10), ["one", "two", "three"].map(String::from).into()));
        assert_eq!(held([4, 11, 5]), (Ok(5), ["one", "three"].map(String::from).into()));
        assert_eq!(held([40, 9, 50]), (Ok(9), ["two"].map(String::from).into()));
        assert_eq!(held([40, 11, 50]).0, Err(11));
        assert_eq!(account.available(), Nano(10));
    }
}
