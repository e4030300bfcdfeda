//! The control plane of running hubs, from outside: what was acknowledged stays, what is secret is told to
//! nobody, and what is changed hurts no call.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod commands;
#[path = "../rig/mod.rs"]
mod rig;
mod rotation;
mod secrets;

use std::net::TcpStream;
use std::time::Duration;

use e2e::hub::Hub;
use rig::http::{Answer, request};
use serde_json::{Value, json};

/// How long things may take while other tests have the machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// The owner's token of a hub that has one.
fn owner(hub: &Hub) -> String {
    let token = std::fs::read_to_string(hub.data().join("secrets/owner-token")).unwrap();
    token.trim().to_owned()
}

/// Asks the admin API of a hub; status 0 when it is not there, or dies before it has answered.
fn admin(hub: &Hub, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let body = body.map(Value::to_string).unwrap_or_default();
    let bytes = request(method, &format!("/admin/v1/{path}"), &headers, body.as_bytes());
    match TcpStream::connect_timeout(&hub.admin, Duration::from_secs(5)) {
        Ok(stream) => rig::http::exchange_over(stream, &bytes),
        Err(_) => Answer::default(),
    }
}

/// The same, which must come to this status.
#[track_caller]
fn told(hub: &Hub, token: &str, method: &str, path: &str, body: &Value, status: u16) -> Value {
    let answer = admin(hub, token, method, path, (!body.is_null()).then_some(body));
    assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    answer.json()
}

/// All entities of a collection.
fn all(hub: &Hub, token: &str, collection: &str) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("{collection}?limit=500{after}");
        let page = told(hub, token, "GET", &path, &Value::Null, 200);
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return all,
        }
    }
}

/// Makes an entity.
#[track_caller]
fn create(hub: &Hub, token: &str, collection: &str, id: &str, spec: Value) -> Value {
    told(hub, token, "POST", collection, &json!({"id": id, "spec": spec}), 201)
}
