//! Asking providers which models they have, so that a new one is served on the day it appears.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::HeaderValue;
use http_body_util::Full;
use rand::Rng as _;
use runtime::clock::Clock;
use runtime::task::Tasks;
use schemas::ids::ModelId;

use super::Current;
use crate::config::{DiscoveryConfig, UpstreamConfig};
use crate::providers::{Wire, listing};
use crate::routing::Target;
use crate::upstream;

/// The largest page that is read.
const MAX_PAGE: usize = 16 << 20;
/// Pages of one list.
const MAX_PAGES: usize = 50;
/// Longest time for one page.
const PAGE_TIME: Duration = Duration::from_secs(30);
/// The longest name of a model.
const MAX_NAME: usize = 256;

/// Why a list can't be had. Tells no secrets.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No answer.
    #[error(transparent)]
    Unanswered(#[from] upstream::Unanswered),
    /// An answer that is no success.
    #[error("it answered with HTTP {0}")]
    Status(u16),
    /// An answer that is no list of models.
    #[error("its answer is no list of models")]
    Malformed,
}

/// Asks all providers again and again.
#[derive(Debug)]
pub struct Discovery {
    /// Whose providers are asked, and where what is found goes.
    current: Arc<Current>,
    client: upstream::Beside,
    clock: Clock,
    every: Duration,
}

impl Discovery {
    /// What asks the providers that are configured.
    ///
    /// # Errors
    /// A proxy or certificate file is not good.
    pub fn new(
        current: Arc<Current>,
        upstream: &UpstreamConfig,
        config: &DiscoveryConfig,
        clock: Clock,
    ) -> Result<Self, upstream::Error> {
        let client = upstream::Beside::new(upstream, PAGE_TIME)?;
        Ok(Self { current, client, clock, every: config.every.get() })
    }

    /// Asks until the group stops.
    pub fn start(self, tasks: &Tasks) {
        let token = tasks.token();
        tasks.spawn("discovery", async move {
            loop {
                if token.run_until_cancelled(self.look()).await.is_none() {
                    return;
                }
                // not all gateways at once
                let pause = self.every.mul_f64(rand::rng().random_range(0.9..1.1));
                let wait = async {
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = self.current.providers_changed() => {}
                    }
                };
                if token.run_until_cancelled(wait).await.is_none() {
                    return;
                }
            }
        });
    }

    /// Asks each provider once. What one listed before holds until it answers again.
    async fn look(&self) {
        for (id, targets) in &self.current.configured().providers {
            let Some(target) = targets.first().map(|known| &known.target) else {
                continue;
            };
            if target.endpoint.vendor.models_path.is_empty() {
                continue;
            }
            match self.list(target).await {
                Ok(models) => {
                    let count = models.len();
                    if self.current.lists(id, models) {
                        tracing::info!(provider = %id, models = count, "the provider lists its models");
                    }
                }
                // many have no list, and a wrong key is told by the calls
                Err(error) => tracing::debug!(provider = %id, %error, "no list of models"),
            }
        }
    }

    async fn list(&self, target: &Target) -> Result<BTreeSet<ModelId>, Error> {
        let vendor = &target.endpoint.vendor;
        let mut models = BTreeSet::new();
        let mut query = Some(listing::first(vendor.format).to_owned());
        for _ in 0..MAX_PAGES {
            let Some(asked) = query else {
                break;
            };
            let page = self.page(target, &format!("{}{asked}", vendor.models_path)).await?;
            let page = listing::read(vendor.format, &page).ok_or(Error::Malformed)?;
            let fits =
                |name: &String| name.len() <= MAX_NAME && !name.chars().any(char::is_control);
            models.extend(page.models.into_iter().filter(fits).map(ModelId::from));
            query = page.next;
        }
        Ok(models)
    }

    async fn page(&self, target: &Target, path: &str) -> Result<Vec<u8>, Error> {
        let base = listing::host(target.endpoint.vendor.format, target.endpoint.base_url.as_str());
        let uri = format!("{}{path}", base.trim_end_matches('/'));
        let request = http::Request::get(uri).body(Full::new(Bytes::new()));
        let mut request = request.map_err(|_| Error::Malformed)?;
        if target.endpoint.vendor.format == Wire::Anthropic {
            let version = HeaderValue::from_static("2023-06-01");
            request.headers_mut().insert("anthropic-version", version);
        }
        let shown = target.auth.show(&mut request, b"", self.clock.now());
        let request = shown.and_then(|()| {
            reqwest::Request::try_from(request.map(|_| reqwest::Body::default())).ok()
        });
        let request = request.ok_or(Error::Malformed)?;
        let response = self.client.ask(request, target.endpoint.zone).await?;
        if !response.status().is_success() {
            return Err(Error::Status(response.status().as_u16()));
        }
        let mut page = Vec::new();
        let mut body = response.bytes_stream();
        while let Some(chunk) = body.next().await {
            page.extend_from_slice(&chunk.map_err(|_| upstream::Unanswered::Unreachable)?);
            if page.len() > MAX_PAGE {
                return Err(Error::Malformed);
            }
        }
        Ok(page)
    }
}
