//! Whether a credential works, asked with the cheapest real request, and told in plain words.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, header};
use http_body_util::Full;
use runtime::clock::Micros;
use schemas::event::{AttemptError, Meter};
use schemas::ids::{CredentialId, ModelId, ProviderId};
use serde::Serialize;

use super::Snapshot;
use crate::call::Call;
use crate::config::UpstreamConfig;
use crate::dialects::openai;
use crate::providers::{self, Outbound};
use crate::routing::Target;
use crate::upstream::{self, Beside, Denied, Unanswered};

/// Longest time for the answer.
const TIME: Duration = Duration::from_secs(60);
/// The most that is read of an answer.
const MAX_ANSWER: usize = 1 << 20;

/// What became of a check.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// The provider.
    pub provider: ProviderId,
    /// Its credential.
    pub credential: CredentialId,
    /// The model that was asked; `None` when there was none to ask.
    pub model: Option<ModelId>,
    /// Whether a call would be answered now.
    pub works: bool,
    /// In words: what is wrong, and what to do about it.
    pub says: String,
}

/// Checks all credentials of a provider, one after the other; of all providers when `only` is `None`.
///
/// # Errors
/// A proxy or certificate file is not good.
pub async fn check(
    snapshot: &Snapshot,
    config: &UpstreamConfig,
    only: Option<&ProviderId>,
    now: Micros,
) -> Result<Vec<Checked>, upstream::Error> {
    let client = upstream::Beside::new(config, TIME)?;
    let mut all = Vec::new();
    let wanted = |id: &ProviderId| only.is_none_or(|only| only == id);
    for (id, targets) in snapshot.providers.iter().filter(|(id, _)| wanted(id)) {
        let model = cheapest(snapshot, id);
        for known in targets.iter() {
            let (works, says) = match &model {
                Some(model) => ask(&client, &known.target.with_model(model), now).await,
                None => (false, "no model of it is known: name one in its models".to_owned()),
            };
            all.push(Checked {
                provider: id.clone(),
                credential: known.target.credential.clone(),
                model: model.clone(),
                works,
                says,
            });
        }
    }
    Ok(all)
}

/// The provider's chat model whose tokens cost least; one without a price where none has.
fn cheapest(snapshot: &Snapshot, provider: &ProviderId) -> Option<ModelId> {
    let served = snapshot.routes.values().flat_map(|route| &route.targets);
    let models = served.filter(|known| known.target.provider == *provider);
    let price = |model: &ModelId| {
        let prices = snapshot.prices.find(provider, model)?.first()?;
        // what has no price for output is no chat model
        let output = prices.rates.get(&Meter::Output)?;
        Some(output.0.saturating_add(prices.rates.get(&Meter::Input).map_or(0, |rate| rate.0)))
    };
    models
        .map(|known| &known.target.model)
        .min_by_key(|model| price(model).unwrap_or(i64::MAX))
        .cloned()
}

/// What became of the cheapest real request to a target.
#[derive(Clone, Debug)]
pub struct Probed {
    /// What went wrong; [`AttemptError::None`] when it was answered.
    pub error: AttemptError,
    /// HTTP status; 0 when no answer came.
    pub status: u16,
    /// When the provider wants to be asked again.
    pub retry_after: Option<Duration>,
    /// Until its end.
    pub duration: Duration,
    /// The provider's own words, where it refused.
    said: String,
    /// Why its address was not connected to.
    denied: Option<Denied>,
}

/// Asks a target with the cheapest real request.
///
/// # Errors
/// It can't be asked; in words.
pub async fn probe(
    client: &Beside,
    target: &Target,
    now: Micros,
) -> Result<Probed, Cow<'static, str>> {
    let call = question(target).ok_or("its model's name can't be sent")?;
    let outbound = providers::encode(&call, target).map_err(|error| error.message)?;
    let request = signed(outbound, target, now).ok_or("its address or secret can't be sent")?;
    let began = Instant::now();
    let probed = |error, status, retry_after, said: &str| Probed {
        error,
        status,
        retry_after,
        duration: began.elapsed(),
        said: said.chars().take(200).collect(),
        denied: None,
    };
    let response = match client.ask(request, target.endpoint.zone).await {
        Ok(response) => response,
        Err(Unanswered::Late) => return Ok(probed(AttemptError::FirstByteTimeout, 0, None, "")),
        Err(Unanswered::Unreachable) => return Ok(probed(AttemptError::Connect, 0, None, "")),
        Err(Unanswered::Denied(denied)) => {
            let unsent = probed(AttemptError::Connect, 0, None, "");
            return Ok(Probed { denied: Some(denied), ..unsent });
        }
    };
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = bounded(response).await;
    if (200..300).contains(&status) {
        let mut decoder = providers::decoder(&call, target);
        let mut pieces = Vec::new();
        let read = decoder.push(body, &mut pieces).and_then(|()| decoder.end(&mut pieces));
        let error = read.map_or_else(|failure| failure.error, |()| AttemptError::None);
        return Ok(probed(error, status, None, ""));
    }
    let (failure, said) = providers::classify(&call, target, status, (&headers, &body), now);
    Ok(probed(failure.error, status, failure.retry_after, &said))
}

async fn ask(client: &Beside, target: &Target, now: Micros) -> (bool, String) {
    let probed = match probe(client, target, now).await {
        Ok(probed) => probed,
        Err(why) => return (false, why.into_owned()),
    };
    let host = target.endpoint.base_url.host_str().unwrap_or_default();
    if let Some(denied) = probed.denied {
        return (
            false,
            format!("{host} is not asked: {denied}; allow_private permits private addresses"),
        );
    }
    let said = match (probed.status, probed.error) {
        (_, AttemptError::None) => {
            let millis = probed.duration.as_millis();
            return (true, format!("{} answered in {millis} ms", target.model));
        }
        (0, AttemptError::FirstByteTimeout) => {
            format!("{host} did not answer within {} s", TIME.as_secs())
        }
        (0, _) => format!("{host} can't be reached: check base_url, DNS, proxy and TLS"),
        (status, error) => words(error, status, target),
    };
    (false, if probed.said.is_empty() { said } else { format!("{said}; it says: {}", probed.said) })
}

/// The request with the credential shown.
fn signed(outbound: Outbound, target: &Target, now: Micros) -> Option<reqwest::Request> {
    let body = outbound.body;
    let mut request = http::Request::post(outbound.uri).body(Full::new(body.clone())).ok()?;
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(header::CONTENT_TYPE, json);
    request.headers_mut().extend(outbound.headers);
    target.auth.show(&mut request, &body, now)?;
    reqwest::Request::try_from(request.map(|_| reqwest::Body::from(body))).ok()
}

async fn bounded(mut response: reqwest::Response) -> Bytes {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        if body.len() + chunk.len() > MAX_ANSWER {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    body.into()
}

/// A few tokens in, a few out.
fn question(target: &Target) -> Option<Call> {
    let body = serde_json::json!({
        "model": target.model.as_str(),
        "messages": [{"role": "user", "content": "Say hi."}],
        "max_completion_tokens": 16,
    });
    openai::chat(&http::HeaderMap::new(), body.to_string().into()).ok()
}

fn words(error: AttemptError, status: u16, target: &Target) -> String {
    use AttemptError as A;
    let what = match error {
        A::Auth => "the key is wrong, expired or revoked".to_owned(),
        A::Credit => "the key is right, but its account has no credit: top it up".to_owned(),
        A::NotFound => format!(
            "the key is right, but {} is not there for it: enable the model for the account, or check the region in base_url",
            target.model
        ),
        A::RateLimit => "the key works, but is rate limited at the moment".to_owned(),
        A::Overload | A::Server => "the provider has trouble of its own: try again".to_owned(),
        A::Malformed => "the answer is in another format: check base_url and vendor".to_owned(),
        A::ContentPolicy | A::Caller => "the provider refused the test request".to_owned(),
        _ => "the provider gave no answer".to_owned(),
    };
    format!("{what} (HTTP {status})")
}
