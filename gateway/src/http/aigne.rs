//! What AIGNE's clients ask for beside calls.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use http::Response;
use http::request::Parts;
use schemas::event::Meter;
use schemas::money::Amount;
use serde::Deserialize;

use super::Body;
use super::error::{response, status as code_of};
use super::models::answer;
use crate::Gateway;
use crate::auth::{authenticate, may_use};
use crate::config::AccountKind;
use crate::dialects::Dialect;
use crate::dialects::aigne::info::{self, Credit, Model, ModelKind};
use crate::error::{Error, Kind};
use crate::routing::{RouteTarget, Wanted, plan};

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    model: Option<String>,
}

pub(super) async fn blocklet() -> Response<Body> {
    answer(&info::blocklet("/"))
}

/// A model that is served by a provider, what it is for, and what a token of it costs.
struct Priced<'a> {
    known: &'a RouteTarget,
    kind: ModelKind,
    input: String,
    output: String,
}

impl<'a> Priced<'a> {
    fn of(gateway: &Gateway, known: &'a RouteTarget) -> Self {
        let snapshot = gateway.snapshot.load();
        let prices = snapshot.prices.find(&known.target.provider, &known.target.model);
        let rates = prices.and_then(|prices| prices.first()).map(|prices| &prices.rates);
        // nano per million units are units of 1e-15 per unit
        let rate = |meter| {
            let rate = rates.and_then(|rates| rates.get(&meter))?;
            Amount::from_units(rate.0.into()).ok()
        };
        let kind = match rates {
            Some(rates) if rates.contains_key(&Meter::Image) => ModelKind::Image,
            Some(rates) if !rates.contains_key(&Meter::Output) => ModelKind::Embedding,
            _ => ModelKind::Chat,
        };
        let told = |meter| rate(meter).unwrap_or_default().to_string();
        Self { known, kind, input: told(Meter::Input), output: told(Meter::Output) }
    }
}

/// No key is asked for, as AIGNE's hub asks for none; who wants this hidden keeps the hub's address to itself.
pub(super) async fn models(
    State(gateway): State<Arc<Gateway>>,
    Query(asked): Query<Asked>,
) -> Response<Body> {
    let snapshot = gateway.snapshot.load_full();
    let known: Vec<Priced<'_>> = snapshot
        .routes
        .values()
        .filter_map(|route| route.targets.first())
        .map(|known| Priced::of(&gateway, known))
        .collect();
    let models = known.iter().map(|priced| Model {
        provider: priced.known.target.provider.as_str(),
        model: priced.known.target.model.as_str(),
        kind: priced.kind,
        input: &priced.input,
        output: &priced.output,
    });
    answer(&info::models(asked.r#type.as_deref(), models))
}

/// The gateway knows what a prepaid account has left, not what it was granted: both are told as what is left.
pub(super) async fn user(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    let snapshot = gateway.snapshot.load_full();
    let key = match authenticate(&request.into_parts().0, &snapshot, gateway.clock.now()) {
        Ok(key) => key,
        Err(error) => return response(Dialect::Aigne, &error, None),
    };
    let prepaid = snapshot.account_kind(&key.account) == AccountKind::Prepaid;
    let left = prepaid.then(|| gateway.accounts.account(&key.account).available().to_string());
    let credit =
        left.as_deref().map(|left| Credit { balance: left, total: left, pending: "0", grants: 1 });
    answer(&info::user(key.account.as_str(), key.id.as_str(), credit))
}

/// Vendors make videos as jobs that are asked for later, in APIs of their own: none is spoken here.
pub(super) async fn video(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    let snapshot = gateway.snapshot.load_full();
    let known = authenticate(&request.into_parts().0, &snapshot, gateway.clock.now());
    let message =
        "no provider makes videos here: they do so as jobs, in APIs that the hub does not speak";
    let error = known.err().unwrap_or_else(|| Error::new(Kind::UnsupportedField, message));
    response(Dialect::AigneImage, &error, None)
}

pub(super) async fn status(
    State(gateway): State<Arc<Gateway>>,
    Query(asked): Query<Asked>,
    request: Request,
) -> Response<Body> {
    let (head, _) = request.into_parts();
    let refused = would_serve(&gateway, &head, asked.model.as_deref()).err();
    answer(&info::status(refused.as_ref().map(|error| (error, code_of(error.kind)))))
}

/// Whether a call for the model would be let through now.
fn would_serve(gateway: &Gateway, head: &Parts, model: Option<&str>) -> Result<(), Error> {
    gateway.check_ready()?;
    let snapshot = gateway.snapshot.load_full();
    let key = authenticate(head, &snapshot, gateway.clock.now())?;
    if let Some(model) = model {
        let model = model.strip_prefix("aignehub/").unwrap_or(model).into();
        may_use(&key, &model)?;
        let wanted =
            Wanted { project: Some(&key.project), regions: &key.regions, ..Wanted::model(&model) };
        let (health, now) = (gateway.health.load(), gateway.clock.now());
        plan(&wanted, &snapshot, &health, &gateway.local.view(), now, 0)?;
    }
    let prepaid = snapshot.account_kind(&key.account) == AccountKind::Prepaid;
    if prepaid && gateway.accounts.account(&key.account).available().0 <= 0 {
        let message = format!("account {:?} has no credit left", key.account.as_str());
        return Err(Error::new(Kind::NoCredit, message));
    }
    Ok(())
}
