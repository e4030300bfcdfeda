//! What a call may cost at most. Pure.

use schemas::money::Nano;
use schemas::price::upper_bound;

use crate::call::Call;
use crate::config::{AccountKind, Unpriced};
use crate::control::Snapshot;
use crate::error::{Error, Kind};
use crate::routing::Plan;

/// Leaves in the plan the targets whose price is known, where policy or a prepaid account asks
/// for one, and returns the most that the call can cost over those that are left.
///
/// # Errors
/// [`Kind::NoPrice`]: no target is left.
pub(super) fn bound(
    call: &Call,
    plan: &mut Plan,
    snapshot: &Snapshot,
    account: AccountKind,
) -> Result<Nano, Error> {
    let units = call.most();
    let must = account == AccountKind::Prepaid || snapshot.unpriced == Unpriced::Refuse;
    let mut most = Nano(0);
    plan.targets.retain(|planned| {
        let target = &planned.target;
        let prices = snapshot.prices.find(&target.provider, &target.model);
        match prices.and_then(|prices| upper_bound(prices, &units)) {
            Some(bound) => {
                most = most.max(bound);
                true
            }
            None => !must,
        }
    });
    if plan.targets.is_empty() {
        let message = format!(
            "the model {:?} has no price here, and {}",
            call.model.as_str(),
            match account {
                AccountKind::Prepaid => "a prepaid account can't pay for what has none",
                AccountKind::Metered => "this hub refuses such calls (unpriced = \"refuse\")",
            }
        );
        return Err(Error::new(Kind::NoPrice, message).at("model"));
    }
    Ok(most)
}
