//! `GET /v1/models`: what a key may call.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use http::{HeaderValue, Response, header};
use serde_json::{Value, json};

use super::error::openai_response;
use crate::Gateway;
use crate::auth::authenticate;
use crate::control::{Route, Snapshot};
use crate::error::{Error, Kind};

pub(super) async fn list(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    let snapshot = gateway.snapshot.load_full();
    match authenticate(&request.into_parts().0, &snapshot) {
        Ok(key) => {
            let served = snapshot.routes.iter().filter(|(name, _)| key.allows(name));
            let data: Vec<Value> =
                served.map(|(name, route)| entry(name.as_str(), route, &snapshot)).collect();
            answer(&json!({"object": "list", "data": data}))
        }
        Err(error) => openai_response(&error, None),
    }
}

pub(super) async fn one(
    State(gateway): State<Arc<Gateway>>,
    Path(model): Path<String>,
    request: Request,
) -> Response<Body> {
    let snapshot = gateway.snapshot.load_full();
    let found = authenticate(&request.into_parts().0, &snapshot).and_then(|key| {
        let name = model.as_str().into();
        let route = snapshot.routes.get(&name).filter(|_| key.allows(&name));
        let message = format!(
            "the model {:?} is not listed here",
            model.chars().take(100).collect::<String>()
        );
        route
            .map(|route| entry(&model, route, &snapshot))
            .ok_or_else(|| Error::new(Kind::UnknownModel, message).at("model"))
    });
    match found {
        Ok(entry) => answer(&entry),
        Err(error) => openai_response(&error, None),
    }
}

/// `priced` and `listed` are the hub's own: whether all that serves it has a price, and whether a
/// provider lists it (`null` where none was asked).
fn entry(name: &str, route: &Route, snapshot: &Snapshot) -> Value {
    let owner = route.targets.first().map_or("hub", |route| route.target.provider.as_str());
    json!({
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": owner,
        "priced": snapshot.is_priced(route),
        "listed": route.listed,
    })
}

fn answer(value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
