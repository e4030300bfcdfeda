//! `GET /v1/models` and its likes: what a key may call, in the shape that the client reads.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use http::request::Parts;
use http::{HeaderValue, Response, header};
use schemas::event::Meter;
use schemas::money::Nano;
use serde_json::{Value, json};

use super::error::response;
use crate::Gateway;
use crate::auth::authenticate;
use crate::control::Snapshot;
use crate::control::catalogue::{Facts, Modality};
use crate::dialects::Dialect;
use crate::error::{Error, Kind};
use crate::routing::{Route, Target};

/// Anthropic's clients say their version, Google's show the key in a place of their own; others at the same
/// address are OpenAI's.
fn asked_in(head: &Parts) -> Dialect {
    let query = head.uri.query().unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    if head.headers.contains_key("anthropic-version") {
        Dialect::Anthropic
    } else if head.headers.contains_key("x-goog-api-key") || pairs.any(|(name, _)| name == "key") {
        Dialect::Gemini
    } else {
        Dialect::OpenAiChat
    }
}

pub(super) async fn list(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    let (head, _) = request.into_parts();
    listed(&gateway, &head, asked_in(&head))
}

pub(super) async fn one(
    State(gateway): State<Arc<Gateway>>,
    Path(model): Path<String>,
    request: Request,
) -> Response<Body> {
    let (head, _) = request.into_parts();
    found(&gateway, &head, asked_in(&head), &model)
}

pub(super) async fn list_gemini(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
) -> Response<Body> {
    listed(&gateway, &request.into_parts().0, Dialect::Gemini)
}

pub(super) async fn one_gemini(
    State(gateway): State<Arc<Gateway>>,
    Path(model): Path<String>,
    request: Request,
) -> Response<Body> {
    found(&gateway, &request.into_parts().0, Dialect::Gemini, &model)
}

fn listed(gateway: &Gateway, head: &Parts, dialect: Dialect) -> Response<Body> {
    let snapshot = gateway.snapshot.load_full();
    let key = match authenticate(head, &snapshot, gateway.clock.now()) {
        Ok(key) => key,
        Err(error) => return response(dialect, &error, None),
    };
    let served = snapshot.routes.iter().filter(|(name, _)| key.allows(name));
    let entries: Vec<Value> =
        served.map(|(name, route)| entry(dialect, name.as_str(), route, &snapshot)).collect();
    answer(&match dialect {
        Dialect::Anthropic => {
            let id = |entry: Option<&Value>| entry.map(|entry| entry["id"].clone());
            json!({
                "first_id": id(entries.first()),
                "last_id": id(entries.last()),
                "has_more": false,
                "data": entries,
            })
        }
        Dialect::Gemini => json!({"models": entries}),
        _ => json!({"object": "list", "data": entries}),
    })
}

fn found(gateway: &Gateway, head: &Parts, dialect: Dialect, model: &str) -> Response<Body> {
    let snapshot = gateway.snapshot.load_full();
    let found = authenticate(head, &snapshot, gateway.clock.now()).and_then(|key| {
        let name = model.into();
        let route = snapshot.route(&name).filter(|_| key.allows(&name));
        let message = format!(
            "the model {:?} is not listed here",
            model.chars().take(100).collect::<String>()
        );
        route
            .map(|route| entry(dialect, model, &route, &snapshot))
            .ok_or_else(|| Error::new(Kind::UnknownModel, message).at("model"))
    });
    match found {
        Ok(entry) => answer(&entry),
        Err(error) => response(dialect, &error, None),
    }
}

/// A model in the dialect's shape. Its clients let OpenAI's and Anthropic's hold more; Google's
/// refuse fields that they do not know.
fn entry(dialect: Dialect, name: &str, route: &Route, snapshot: &Snapshot) -> Value {
    // another name of a model is what that is
    let other = route.terms.fallbacks.first().filter(|_| route.targets.is_empty());
    let other = other.and_then(|name| snapshot.route(name));
    let route = other.as_deref().unwrap_or(route);
    let owner = route.targets.first().map_or("hub", |route| route.target.provider.as_str());
    let facts = facts(route, snapshot);
    let own = |mut entry: Value| {
        if let (Some(entry), Value::Object(own)) =
            (entry.as_object_mut(), own(route, snapshot, &facts))
        {
            entry.extend(own);
        }
        entry
    };
    match dialect {
        Dialect::Anthropic => own(json!({
            "type": "model",
            "id": name,
            "display_name": name,
            "created_at": "1970-01-01T00:00:00Z",
        })),
        Dialect::Gemini => {
            let methods = match facts.gives(Modality::Embedding) {
                Some(true) => vec!["embedContent", "batchEmbedContents"],
                _ => vec!["generateContent", "streamGenerateContent", "countTokens"],
            };
            let mut entry = json!({
                "name": format!("models/{name}"),
                "displayName": name,
                "supportedGenerationMethods": methods,
            });
            for (field, tokens) in
                [("inputTokenLimit", facts.context), ("outputTokenLimit", facts.max_output)]
            {
                if let Some(tokens) = tokens {
                    entry[field] = tokens.into();
                }
            }
            entry
        }
        _ => own(json!({"id": name, "object": "model", "created": 0, "owned_by": owner})),
    }
}

/// What is known of all targets of a route alike.
fn facts(route: &Route, snapshot: &Snapshot) -> Facts {
    let known = route.targets.iter().filter_map(|known| snapshot.facts(&known.target));
    known
        .fold(None, |all: Option<Facts>, one| {
            Some(all.map_or_else(|| (**one).clone(), |all| all.and(one)))
        })
        .unwrap_or_default()
}

/// The hub's own fields: whether all that serves it has a price, whether a provider lists it
/// (`null` where none was asked), and what is known of it (`null` where it is not).
fn own(route: &Route, snapshot: &Snapshot, facts: &Facts) -> Value {
    let names = |kinds: &Option<BTreeSet<Modality>>| {
        kinds.as_ref().map(|kinds| kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>())
    };
    let can: Vec<&str> =
        facts.features.iter().filter(|(_, can)| **can).map(|(name, _)| name.as_str()).collect();
    json!({
        "priced": snapshot.is_priced(route),
        "listed": route.listed,
        "context": facts.context,
        "max_output": facts.max_output,
        "input": names(&facts.input),
        "output": names(&facts.output),
        "features": (!facts.features.is_empty()).then_some(can),
        "price": route.targets.first().and_then(|first| price(&first.target, snapshot)),
    })
}

/// What a target's model costs: USD per million tokens, an image in USD.
fn price(target: &Target, snapshot: &Snapshot) -> Option<Value> {
    let (provider, model) = (&target.provider, &target.model);
    let prices = snapshot.prices.find(provider, model)?.first()?;
    let per_million = |meter| prices.rates.get(&meter).map(ToString::to_string);
    // its rate is per million images
    let image = prices.rates.get(&Meter::Image).map(|rate| Nano(rate.0 / 1_000_000).to_string());
    let source = snapshot.catalogue.price_source(provider, &target.endpoint.vendor.id, model);
    let told = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Some(json!({
        "currency": "USD",
        "input": per_million(Meter::Input),
        "input_cached": per_million(Meter::InputCached),
        "output": per_million(Meter::Output),
        "image": image,
        "as_reported": prices.reported,
        "source": source.and_then(|source| told(&source.source)),
        "date": source.and_then(|source| told(&source.date)),
    }))
}

pub(super) fn answer(value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{ProviderSeed, Seed};
    use crate::control::{catalogue, seed};
    use crate::providers::compat;

    fn snapshot() -> Snapshot {
        let provider = |id: &str, vendor: &str, models: &[&str]| ProviderSeed {
            id: id.into(),
            vendor: Some(vendor.into()),
            base_url: None,
            credentials: Vec::new(),
            models: models.iter().map(|name| (*name).to_owned()).collect(),
            weight: 1,
            region: None,
            allow_private: true,
        };
        let providers = vec![
            provider("openai", "openai", &["gpt-brand-new"]),
            provider("gemini", "gemini", &[]),
            provider("ours", "openrouter", &[]),
        ];
        let sources = schemas::price::shipped_sources().unwrap();
        let catalogue = Arc::new(catalogue::shipped().unwrap().with_prices(sources));
        let shipped = schemas::price::shipped().unwrap();
        let prices = seed::price_book(&shipped, None, &providers);
        let seed = Seed { providers, catalogue, ..Seed::default() };
        let vendors = compat::shipped().unwrap();
        seed::snapshot(&seed, &vendors, prices, Duration::from_secs(1), &|_| None).unwrap()
    }

    fn told(dialect: Dialect, name: &str) -> Value {
        let snapshot = snapshot();
        entry(dialect, name, &snapshot.routes[&name.into()], &snapshot)
    }

    #[test]
    fn what_is_known_is_told() {
        let model = told(Dialect::OpenAiChat, "gpt-4o-mini");
        assert_eq!((&model["context"], &model["max_output"]), (&json!(128_000), &json!(16_384)));
        assert_eq!(
            (&model["input"], &model["output"]),
            (&json!(["text", "image", "file"]), &json!(["text"]))
        );
        let can = model["features"].as_array().unwrap();
        assert!(can.contains(&json!("tools")) && !can.contains(&json!("reasoning")), "{model}");
        let price = json!({
            "currency": "USD", "input": "0.15", "input_cached": "0.075", "output": "0.60", "image": null,
            "as_reported": false, "source": "litellm 1.109.1", "date": "2026-11-23",
        });
        assert_eq!((&model["price"], &model["priced"]), (&price, &json!(true)));
        // another's list, by the name of the operator's own; and an image's price
        let model = told(Dialect::Anthropic, "ours/x-ai/grok-4.7");
        assert_eq!(model["context"], 500_000);
        assert_eq!(model["price"]["as_reported"], true);
        assert_eq!(model["price"]["source"], "genai-prices 0.2.3");
    }

    #[test]
    fn what_is_not_known_is_null() {
        let model = told(Dialect::OpenAiChat, "gpt-brand-new");
        for field in ["context", "max_output", "input", "output", "features", "price", "listed"] {
            assert_eq!(model.get(field), Some(&Value::Null), "{field}");
        }
        assert_eq!(model["priced"], false);
    }

    #[test]
    fn googles_clients_get_their_own_fields_alone() {
        let model = told(Dialect::Gemini, "gemini-2.5-pro");
        let wanted = json!({
            "name": "models/gemini-2.5-pro",
            "displayName": "gemini-2.5-pro",
            "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
            "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536,
        });
        assert_eq!(model, wanted);
        let model = told(Dialect::Gemini, "gemini-embedding-001");
        assert_eq!(
            model["supportedGenerationMethods"],
            json!(["embedContent", "batchEmbedContents"])
        );
        assert_eq!(model.get("outputTokenLimit"), None);
    }

    #[test]
    fn the_shape_is_the_clients_own() {
        for (path, header, wanted) in [
            ("/v1/models", "authorization", Dialect::OpenAiChat),
            ("/v1/models/m", "x-goog-api-key", Dialect::Gemini),
            ("/v1/models?pageSize=5&key=k", "accept", Dialect::Gemini),
            ("/v1/models?monkey=k", "accept", Dialect::OpenAiChat),
            ("/v1/models", "anthropic-version", Dialect::Anthropic),
        ] {
            let request = http::Request::get(path).header(header, "x").body(()).unwrap();
            assert_eq!(asked_in(&request.into_parts().0), wanted, "{path} {header}");
        }
    }
}
