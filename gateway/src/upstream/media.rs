//! Media that a caller names by address, for providers that want them in the request.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use reqwest::redirect::Policy;
use url::Url;

use super::beside::{builder, proxy_host};
use super::connect;
use super::names::{Names, Resolver, System};
use super::zone::{Denied, Zone};
use crate::call::Asked;
use crate::call::chat::Source;
use crate::config::{MediaConfig, UpstreamConfig};
use crate::error::{Error, Kind};

/// The most media of a call, so that one call can't make a hundred.
const MOST: usize = 32;
/// Of them at once.
const AT_ONCE: usize = 4;
/// Redirects followed; each is checked like the first address.
const REDIRECTS: usize = 3;

const ONLY_HTTPS: &str = "only https addresses are fetched";
const TOO_MANY: &str = "too many redirects";

/// Fetches media.
#[derive(Clone, Debug)]
pub(super) struct Media {
    client: reqwest::Client,
    trusted: Arc<[String]>,
    proxy: Option<String>,
    size: u64,
    time: Duration,
}

/// The host of `name` or `name:port`.
fn host_of(trusted: &str) -> &str {
    trusted.rsplit_once(':').map_or(trusted, |(host, _)| host)
}

impl Media {
    pub(super) fn new(config: &UpstreamConfig) -> Result<Self, connect::Error> {
        let MediaConfig { size, time, trusted } = &config.media;
        let trusted: Arc<[String]> = trusted.as_slice().into();
        let allowed = Arc::clone(&trusted);
        let proxy = proxy_host(config);
        let redirects = Policy::custom(move |attempt| {
            if attempt.previous().len() > REDIRECTS {
                return attempt.error(TOO_MANY);
            }
            match check(attempt.url(), &allowed, proxy.as_deref()) {
                Ok(()) => attempt.follow(),
                Err(why) => attempt.error(why),
            }
        });
        let names: Arc<dyn Names> = Arc::new(System);
        let open = trusted.iter().map(|host| host_of(host).to_owned()).chain(proxy_host(config));
        let client = builder(config, time.get())?
            .dns_resolver(Arc::new(Resolver::new(&names, Zone::Public).trusting(open)))
            .redirect(redirects)
            .build()
            .map_err(|_| connect::Error::Proxy)?;
        Ok(Self { client, trusted, proxy: proxy_host(config), size: size.get(), time: time.get() })
    }

    /// Fetches all that stands at an address: it is in the request itself then.
    ///
    /// # Errors
    /// The caller's fault: an address that is not allowed, does not answer, or holds something else.
    pub(super) async fn bring(&self, asked: &mut Asked) -> Result<(), Error> {
        let mut wanted: Vec<&mut Source> = asked.media();
        wanted.retain(|source| matches!(source, Source::Url { .. }));
        if wanted.is_empty() {
            return Ok(());
        }
        if wanted.len() > MOST {
            return Err(refused(&format!("a call may name at most {MOST} media by address")));
        }
        // boxed one by one: the compiler can't see that a stream of futures that borrow may be sent
        let mut fetches: Vec<BoxFuture<'_, Result<u64, Error>>> = Vec::with_capacity(wanted.len());
        for source in wanted {
            fetches.push(self.replace(source).boxed());
        }
        let mut sizes = stream::iter(fetches).buffer_unordered(AT_ONCE);
        let all = async {
            let mut left = self.size;
            while let Some(size) = sizes.next().await {
                left = left.checked_sub(size?).ok_or_else(|| self.too_large())?;
            }
            Ok::<_, Error>(())
        };
        tokio::time::timeout(self.time, all)
            .await
            .map_err(|_| refused("the media at the addresses did not come in time"))?
    }

    /// What was at an address is in the request then. Gives its size.
    async fn replace(&self, source: &mut Source) -> Result<u64, Error> {
        let Source::Url { url, media_type } = &*source else {
            return Ok(0);
        };
        let (media_type, bytes) = self.fetch(url, media_type.as_deref()).await?;
        *source = Source::Data { media_type, base64: STANDARD.encode(&bytes) };
        Ok(bytes.len() as u64)
    }

    async fn fetch(&self, url: &str, said: Option<&str>) -> Result<(String, Vec<u8>), Error> {
        let url = Url::parse(url).map_err(|_| refused("a media address is no URL"))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let at = |why: &str| refused(&format!("the media at {host} can't be had: {why}"));
        check(&url, &self.trusted, self.proxy.as_deref()).map_err(|why| at(&why))?;
        let sent = self.client.get(url).send().await;
        let response = sent.map_err(|error| at(&reason(&error)))?;
        if !response.status().is_success() {
            return Err(at(&format!("HTTP {}", response.status().as_u16())));
        }
        let header = response.headers().get(http::header::CONTENT_TYPE);
        let header = header.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let header = header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let mut bytes = Vec::new();
        let mut body = response.bytes_stream();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| at(&reason(&error)))?;
            if (bytes.len() + chunk.len()) as u64 > self.size {
                return Err(self.too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        let kind = kind_of(&bytes).or(said).unwrap_or(&header);
        let known = ["image/", "audio/", "video/", "text/", "application/pdf"];
        if !known.iter().any(|start| kind.starts_with(start)) || kind == "text/html" {
            return Err(at("it is no image, sound, film or document"));
        }
        Ok((kind.to_owned(), bytes))
    }

    fn too_large(&self) -> Error {
        refused(&format!("the media at the addresses are larger than {} bytes", self.size))
    }
}

fn refused(why: &str) -> Error {
    Error::new(Kind::InvalidField, why.to_owned()).at("url")
}

/// Whether an address may be fetched from, as far as it says itself.
fn check(url: &Url, trusted: &[String], proxy: Option<&str>) -> Result<(), Cow<'static, str>> {
    let host = url.host_str().ok_or("it has no host")?;
    let with_port = format!("{host}:{}", url.port_or_known_default().unwrap_or(0));
    let denied = |denied: Denied| denied.to_string();
    if trusted.iter().any(|known| *known == host || *known == with_port) {
        return Ok(Zone::Private.check_host(host).map_err(denied)?);
    }
    if url.scheme() != "https" {
        return Err(ONLY_HTTPS.into());
    }
    // its name resolves for the sake of what goes through it
    if proxy == Some(host) {
        return Err(Denied::Private.to_string().into());
    }
    Ok(Zone::Public.check_host(host).map_err(denied)?)
}

/// What went wrong, without the address, which may hold a secret.
fn reason(error: &reqwest::Error) -> Cow<'static, str> {
    if let Some(denied) = Denied::within(error) {
        return denied.to_string().into();
    }
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let said = cause.to_string();
        if said == Denied::Private.to_string() || said == Denied::Metadata.to_string() {
            return said.into();
        }
        if let Some(why) = [ONLY_HTTPS, TOO_MANY].into_iter().find(|why| said == *why) {
            return why.into();
        }
        source = cause.source();
    }
    let said = match (error.is_timeout(), error.is_connect()) {
        (true, _) => "it did not answer in time",
        (_, true) => "it can't be reached",
        _ => "the transfer failed",
    };
    said.into()
}

/// The type of the media that begin like this; servers often say none, or a wrong one.
fn kind_of(bytes: &[u8]) -> Option<&'static str> {
    let starts = |start: &[u8]| bytes.starts_with(start);
    let riff = |kind: &[u8]| starts(b"RIFF") && bytes.get(8..12) == Some(kind);
    Some(match () {
        () if starts(b"\x89PNG\r\n\x1a\n") => "image/png",
        () if starts(b"\xff\xd8\xff") => "image/jpeg",
        () if starts(b"GIF87a") || starts(b"GIF89a") => "image/gif",
        () if riff(b"WEBP") => "image/webp",
        () if riff(b"WAVE") => "audio/wav",
        () if starts(b"%PDF-") => "application/pdf",
        () => return None,
    })
}
