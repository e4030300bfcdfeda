//! A model of a shipped vendor.

use std::sync::Arc;
use std::time::Duration;

use gateway::providers::{Auth, Deadlines, Endpoint, compat};
use gateway::routing::Target;

/// A model of a shipped vendor, with no key.
pub(crate) fn target(vendor: &str, model: &str) -> Target {
    let vendor = compat::shipped().unwrap().remove(vendor).unwrap();
    // some have no usual address
    let base =
        if vendor.base_url.is_empty() { "https://host/v1" } else { vendor.base_url.as_str() };
    let (id, base) = (vendor.id.as_str().into(), base.parse().unwrap());
    let deadlines = Deadlines::all(Duration::from_secs(60));
    let endpoint = Endpoint::new(id, vendor, base, deadlines).unwrap();
    Target::new(Arc::new(endpoint), "main".into(), 1, Auth::None, model.into())
}
