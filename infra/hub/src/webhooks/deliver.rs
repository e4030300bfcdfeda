//! One delivery, signed as Standard Webhooks says.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use control::entity::Webhook;
use gateway::upstream::{Beside, Zone};
use hmac::{Hmac, Mac as _};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use runtime::clock::Micros;
use runtime::secret::Secret;
use sha2::Sha256;
use url::Url;

/// Longest time for an answer.
pub(crate) const TIME: Duration = Duration::from_secs(10);

/// What is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Message {
    /// The same for every try.
    pub(super) id: String,
    /// JSON.
    pub(super) body: String,
}

/// Tells a webhook.
///
/// # Errors
/// Why it was not told, without its address, which may hold a secret.
pub(super) async fn deliver(
    beside: &Beside,
    webhook: &Webhook,
    secret: Option<&Secret>,
    message: &Message,
    now: Micros,
) -> Result<(), String> {
    let url: Url = webhook.url.parse().map_err(|_| "its address is none".to_owned())?;
    let timestamp = now.0.div_euclid(1_000_000);
    let header = |text: &str| HeaderValue::from_str(text).map_err(|error| error.to_string());
    let mut request = reqwest::Request::new(Method::POST, url);
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("webhook-id", header(&message.id)?);
    headers.insert("webhook-timestamp", timestamp.into());
    if let Some(secret) = secret {
        headers.insert("webhook-signature", header(&sign(secret, message, timestamp)?)?);
    }
    *request.body_mut() = Some(message.body.clone().into());
    match beside.ask(request, Zone::of(webhook.allow_private)).await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("it answered {}", answer.status().as_u16())),
        Err(error) => Err(error.to_string()),
    }
}

/// `v1,` and the HMAC-SHA256 of id, time and body, in base64. A secret that begins with `whsec_` is base64 itself.
fn sign(secret: &Secret, message: &Message, timestamp: i64) -> Result<String, String> {
    let key = match secret.expose().strip_prefix("whsec_") {
        Some(base64) => STANDARD
            .decode(base64)
            .map_err(|_| "its secret is no base64 after whsec_".to_owned())?,
        None => secret.expose().as_bytes().to_vec(),
    };
    let mac = Hmac::<Sha256>::new_from_slice(&key);
    let mut mac = mac.map_err(|_| "its secret is no key".to_owned())?;
    mac.update(format!("{}.{timestamp}.{}", message.id, message.body).as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use gateway::config::UpstreamConfig;

    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let message = Message {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek".into(),
            body: r#"{"test": 2432232314}"#.into(),
        };
        let secret = Secret::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert_eq!(
            sign(&secret, &message, 1_614_265_330).unwrap(),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert!(sign(&Secret::from("whsec_?"), &message, 1).is_err());
        assert_ne!(
            sign(&Secret::from("plain"), &message, 1),
            sign(&Secret::from("other"), &message, 1)
        );
    }

    #[tokio::test]
    async fn a_private_address_is_not_connected_to_unless_it_is_allowed() {
        let beside = Beside::new(&UpstreamConfig::default(), TIME).unwrap();
        let message = Message { id: "evt_1".into(), body: "{}".into() };
        for (url, allow_private, why) in [
            ("http://127.0.0.1:9/", false, "private"),
            ("http://[::1]:9/", false, "private"),
            ("http://localhost:9/", false, "private"),
            ("http://127.0.0.1:9/", true, "reached"),
        ] {
            let (secret, events) = (None, Vec::new());
            let url = url.to_owned();
            let webhook = Webhook { url, secret, events, allow_private, disabled: false };
            let told = deliver(&beside, &webhook, None, &message, Micros(0)).await;
            assert!(told.as_ref().is_err_and(|said| said.contains(why)), "{told:?} and not {why}");
        }
    }
}
