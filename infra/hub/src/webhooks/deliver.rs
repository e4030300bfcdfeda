//! One delivery, signed as Standard Webhooks says.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use control::entity::Webhook;
use gateway::config::UpstreamConfig;
use gateway::upstream::is_public;
use hmac::{Hmac, Mac as _};
use runtime::clock::Micros;
use runtime::secret::Secret;
use sha2::Sha256;
use url::{Host, Url};

/// Longest time for an answer.
const TIME: Duration = Duration::from_secs(10);

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
    config: &UpstreamConfig,
    webhook: &Webhook,
    secret: Option<&Secret>,
    message: &Message,
    now: Micros,
) -> Result<(), String> {
    let url: Url = webhook.url.parse().map_err(|_| "its address is none".to_owned())?;
    let client = client(config, &url, webhook.allow_private).await?;
    let timestamp = now.0.div_euclid(1_000_000);
    let mut request = client
        .post(url)
        .header("content-type", "application/json")
        .header("webhook-id", &message.id)
        .header("webhook-timestamp", timestamp);
    if let Some(secret) = secret {
        request = request.header("webhook-signature", sign(secret, message, timestamp)?);
    }
    let answered = request.body(message.body.clone()).send().await;
    match answered {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("it answered {}", answer.status().as_u16())),
        Err(error) if error.is_timeout() => Err("it did not answer in time".to_owned()),
        Err(_) => Err("it can't be reached".to_owned()),
    }
}

/// A client for this address alone: what was checked is what is connected to.
async fn client(
    config: &UpstreamConfig,
    url: &Url,
    private: bool,
) -> Result<reqwest::Client, String> {
    let denied = || "its address is private".to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let builder = gateway::upstream::builder(config, TIME).map_err(|error| error.to_string())?;
    let found: Vec<SocketAddr> = match url.host() {
        Some(Host::Ipv4(address)) => vec![(address, port).into()],
        Some(Host::Ipv6(address)) => vec![(address, port).into()],
        Some(Host::Domain(name)) => {
            let found = tokio::net::lookup_host((name, port)).await;
            found.map_err(|_| "its name can't be resolved".to_owned())?.collect()
        }
        None => return Err("its address has no host".to_owned()),
    };
    if !private && !found.iter().all(|address| is_public(address.ip())) {
        return Err(denied());
    }
    let builder = match url.domain() {
        Some(name) => builder.resolve_to_addrs(name, &found),
        None => builder,
    };
    builder.build().map_err(|_| "there is no client for it".to_owned())
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
        let config = UpstreamConfig::default();
        for (url, private, goes) in [
            ("http://127.0.0.1:9/", false, false),
            ("http://[::1]:9/", false, false),
            ("http://localhost:9/", false, false),
            ("http://169.254.169.254/", false, false),
            ("http://127.0.0.1:9/", true, true),
            ("https://8.8.8.8/", false, true),
        ] {
            let client = client(&config, &url.parse().unwrap(), private).await;
            assert_eq!(client.is_ok(), goes, "{url} {private}");
        }
    }
}
