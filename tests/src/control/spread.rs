//! How soon what is changed on one gateway is so on another: from the answer on the one to the other's first call that
//! knows of it, looked for every two milliseconds.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{Times, admin};
use crate::hub::{Hub, ask};

const STEP: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(30);

/// Times by what was changed.
#[derive(Clone, Debug)]
pub struct Spread {
    /// A key was deleted; until it is refused.
    pub revocation: Times,
    /// A price was changed; until the model list tells it.
    pub price: Times,
    /// A model was routed elsewhere; until a call goes there.
    pub route: Times,
}

/// Changes things on `one` and looks at `other`, so many times each.
///
/// # Errors
/// A call fails that must not, or a change does not come.
pub fn spread(one: &Hub, other: &Hub, token: &str, times: usize) -> anyhow::Result<Spread> {
    let body = |model: &str| {
        json!({"model": model, "messages": [{"role": "user", "content": "hi"}]}).to_string()
    };
    let call = |key: &str, model: &str| {
        ask(other.listen, "POST", "/v1/chat/completions", Some(key), &body(model))
    };
    let model = |id: &str| {
        let (status, answer) =
            ask(other.listen, "GET", &format!("/v1/models/{id}"), Some(&other.key), "")?;
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        anyhow::Ok((status, answer))
    };
    let (mut revocation, mut price, mut route) = (Vec::new(), Vec::new(), Vec::new());
    admin(one, token, "POST", "prices", &json!({"id": "spread", "spec": of(0)}))?;
    for n in 1..=times {
        let id = format!("spread-{n}");
        let made = admin(one, token, "POST", "keys", &json!({"id": id, "spec": {}}))?;
        let key = made["secret"].as_str().context("a secret")?.to_owned();
        until("the key is known", || Ok(call(&key, "m")?.0 == 200))?;
        admin(one, token, "DELETE", &format!("keys/{id}"), &Value::Null)?;
        revocation.push(until("the key is refused", || Ok(call(&key, "m")?.0 == 401))?);

        admin(one, token, "PUT", "prices/spread", &json!({"spec": of(n)}))?;
        let wanted = format!("{n}.00");
        price.push(until("the price is told", || {
            let (status, told) = model("m")?;
            ensure!(status == 200, "{status} {told}");
            Ok(told.to_string().contains(&format!("\"{wanted}\"")))
        })?);

        let targets = json!([{"provider": "fake", "model": "m"}]);
        admin(one, token, "POST", "models", &json!({"id": id, "spec": {"targets": targets}}))?;
        route.push(until("the route is taken", || Ok(call(&other.key, &id)?.0 == 200))?);
    }
    Ok(Spread {
        revocation: Times::of(revocation),
        price: Times::of(price),
        route: Times::of(route),
    })
}

fn of(n: usize) -> Value {
    json!({"provider": "fake", "model": "m", "tiers": [{"rates": {"input": n.to_string(), "output": "2"}}]})
}

fn until(what: &str, mut done: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<Duration> {
    let began = Instant::now();
    while !done()? {
        ensure!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(STEP);
    }
    Ok(began.elapsed())
}
