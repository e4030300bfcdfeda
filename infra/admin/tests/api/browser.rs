//! A person at a browser: it keeps cookies, and says whose page asks.

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::rig::{Answer, Node, PEER};

/// Where people find the hub of a test.
pub(crate) const HOST: &str = "hub.example.com";
pub(crate) const ORIGIN: &str = "https://hub.example.com";
/// The name of the session's cookie there.
pub(crate) const COOKIE: &str = "__Host-hub-session";

/// A browser.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    /// Where it is.
    pub(crate) peer: String,
    /// The session's cookie.
    pub(crate) cookie: Option<String>,
    /// What the page was told.
    pub(crate) csrf: Option<String>,
}

impl Default for Browser {
    fn default() -> Self {
        Self { peer: PEER.into(), cookie: None, csrf: None }
    }
}

/// What a cookie is set to; `None` where it is not set.
pub(crate) fn set(answer: &Answer, name: &str) -> Option<String> {
    let all = answer.headers.get_all("set-cookie").into_iter();
    let mut all = all.map(|value| value.to_str().unwrap());
    let whole = all.find_map(|value| value.strip_prefix(&format!("{name}=")))?;
    Some(whole.split(';').next().unwrap().to_owned())
}

impl Browser {
    /// Sends what a page of the hub's own would.
    pub(crate) async fn ask(
        &mut self,
        node: &Node,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let csrf = self.csrf.clone();
        let mut headers = vec![("sec-fetch-site", "same-origin"), ("origin", ORIGIN)];
        if let Some(csrf) = &csrf {
            headers.push(("x-csrf-token", csrf));
        }
        self.send(node, method, path, body, &headers).await
    }

    /// Sends with these headers, and keeps what is set.
    pub(crate) async fn send(
        &mut self,
        node: &Node,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let path = if path.starts_with('/') { path.into() } else { format!("/admin/v1/{path}") };
        let mut request = Request::builder().method(method).uri(path).header("host", HOST);
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", format!("other=1; {COOKIE}={cookie}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let answer = node.send(&self.peer, request, body).await;
        if let Some(value) = set(&answer, COOKIE) {
            self.cookie = Some(value).filter(|value| !value.is_empty());
        }
        if let Some(csrf) = answer.body["session"]["csrf"].as_str() {
            self.csrf = Some(csrf.to_owned());
        }
        answer
    }

    pub(crate) async fn get(&mut self, node: &Node, path: &str) -> Answer {
        self.ask(node, Method::GET, path, None).await
    }

    pub(crate) async fn sign_in(&mut self, node: &Node, user: &str, password: &str) -> Answer {
        let body = json!({"user": user, "password": password});
        self.ask(node, Method::POST, "session", Some(body)).await
    }

    pub(crate) async fn sign_out(&mut self, node: &Node) -> Answer {
        self.ask(node, Method::DELETE, "session", None).await
    }

    /// Somebody who is signed in.
    pub(crate) async fn of(node: &Node, user: &str, password: &str) -> Self {
        let mut browser = Self::default();
        browser.sign_in(node, user, password).await.is(200);
        browser
    }
}
