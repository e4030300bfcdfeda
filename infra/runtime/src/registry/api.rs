//! Confluent's API over HTTP.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Certificate, Method, Response, StatusCode, Url, redirect};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Error, Options};
use crate::secret::Secret;

/// The largest answer: a schema of ours has some KiB.
const LARGEST: usize = 1 << 20;
/// The most that is repeated of what the registry says.
const SAYS: usize = 500;
/// The longest time for a connection.
const CONNECT: Duration = Duration::from_secs(3);
const JSON: &str = "application/vnd.schemaregistry.v1+json";

/// A client of one registry.
#[derive(Debug)]
pub(super) struct Api {
    http: reqwest::Client,
    url: Url,
    login: Option<(String, Secret)>,
}

/// A version as the registry has it.
#[derive(Debug, Deserialize)]
pub(super) struct Registered {
    pub(super) id: u32,
    pub(super) schema: String,
}

#[derive(Serialize)]
struct Schema<'s> {
    schema: &'s str,
}

#[derive(Deserialize)]
struct Id {
    id: u32,
}

#[derive(Deserialize)]
struct Text {
    schema: String,
}

/// It is written and read under different names.
#[derive(Serialize)]
struct NewMode<'m> {
    compatibility: &'m str,
}

#[derive(Deserialize)]
struct Mode {
    #[serde(rename = "compatibilityLevel")]
    compatibility: String,
}

#[derive(Deserialize)]
struct Complaint {
    error_code: u32,
    message: String,
}

/// Subject, version, schema or mode that is not there.
const ABSENT: std::ops::Range<u32> = 40_400..40_500;

impl Api {
    pub(super) fn new(options: &Options) -> Result<Self, Error> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // an error says that another thread was faster
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let url = address(&options.url)?;
        let builder = reqwest::Client::builder()
            .connect_timeout(CONNECT.min(options.timeout))
            .timeout(options.timeout)
            .redirect(redirect::Policy::none())
            // reached directly, as Kafka and ClickHouse are
            .no_proxy();
        let builder = match &options.ca {
            Some(path) => {
                let failed = |why: String| Error::Ca { path: path.clone(), why };
                let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
                let authorities =
                    Certificate::from_pem_bundle(&pem).map_err(|error| failed(chain(&error)))?;
                if authorities.is_empty() {
                    return Err(failed("holds no certificate in PEM".to_owned()));
                }
                builder.tls_certs_merge(authorities)
            }
            // else a system without authorities could not even speak plain HTTP
            None if url.scheme() == "http" => builder.tls_certs_only([]),
            None => builder,
        };
        let http = builder.build().map_err(|error| Error::Client(chain(&error)))?;
        Ok(Self { http, url, login: options.login.clone() })
    }

    /// Its address.
    pub(super) fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// The compatibility that a subject has; `None` when it has none of its own.
    pub(super) async fn mode(&self, subject: &str) -> Result<Option<String>, Error> {
        let mode = self.ask::<Mode>(Method::GET, &["config", subject], None::<()>).await?;
        Ok(mode.map(|mode| mode.compatibility))
    }

    pub(super) async fn set_mode(&self, subject: &str, mode: &str) -> Result<(), Error> {
        let (path, body) = (["config", subject], NewMode { compatibility: mode });
        self.sure::<serde::de::IgnoredAny>(Method::PUT, &path, Some(body)).await.map(drop)
    }

    /// The id of this schema under a subject, if it is there.
    pub(super) async fn find(&self, subject: &str, schema: &str) -> Result<Option<u32>, Error> {
        let (path, body) = (["subjects", subject], Schema { schema });
        Ok(self.ask::<Id>(Method::POST, &path, Some(body)).await?.map(|found| found.id))
    }

    /// Registers a schema, once: the id is the same however often.
    pub(super) async fn register(&self, subject: &str, schema: &str) -> Result<u32, Error> {
        let (path, body) = (["subjects", subject, "versions"], Schema { schema });
        Ok(self.sure::<Id>(Method::POST, &path, Some(body)).await?.id)
    }

    /// The numbers of a subject's versions, oldest first.
    pub(super) async fn versions(&self, subject: &str) -> Result<Vec<u32>, Error> {
        let path = ["subjects", subject, "versions"];
        Ok(self.ask(Method::GET, &path, None::<()>).await?.unwrap_or_default())
    }

    /// A version; `None` when it was deleted meanwhile.
    pub(super) async fn version(
        &self,
        subject: &str,
        version: u32,
    ) -> Result<Option<Registered>, Error> {
        let path = ["subjects", subject, "versions", &version.to_string()];
        self.ask(Method::GET, &path, None::<()>).await
    }

    /// The schema of an id, if the registry knows it.
    pub(super) async fn schema(&self, id: u32) -> Result<Option<String>, Error> {
        let path = ["schemas", "ids", &id.to_string()];
        Ok(self.ask::<Text>(Method::GET, &path, None::<()>).await?.map(|text| text.schema))
    }

    /// As [`Api::ask`], of what must be there.
    async fn sure<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: Option<impl Serialize>,
    ) -> Result<T, Error> {
        let request = format!("{method} /{}", path.join("/"));
        let answer = self.ask(method, path, body).await?;
        let says = "404: not there".to_owned();
        answer.ok_or_else(|| Error::Strange { url: self.url().to_owned(), request, says })
    }

    /// Sends a request; `None` when the registry says that what it names is not there.
    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: Option<impl Serialize>,
    ) -> Result<Option<T>, Error> {
        let request = format!("{method} /{}", path.join("/"));
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let mut asked = self.http.request(method, url).header(ACCEPT, JSON);
        if let Some((user, password)) = &self.login {
            asked = asked.basic_auth(user, Some(password.expose()));
        }
        if let Some(body) = body {
            asked = asked.header(CONTENT_TYPE, JSON).json(&body);
        }
        let answer = asked.send().await.map_err(|error| self.away(error))?;
        let status = answer.status();
        let bytes = self.read(answer, &request).await?;
        if status.is_success() {
            let read = serde_json::from_slice(&bytes);
            return read.map(Some).map_err(|error| self.strange(request, error.to_string()));
        }
        let complaint = serde_json::from_slice::<Complaint>(&bytes).ok();
        let says = says(status, complaint.as_ref());
        let url = self.url().to_owned();
        Err(match (status, complaint) {
            (StatusCode::NOT_FOUND, Some(complaint)) if ABSENT.contains(&complaint.error_code) => {
                return Ok(None);
            }
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => {
                Error::Login { url, request, says }
            }
            (StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS, _) => {
                Error::Away { url, why: says }
            }
            (status, _) if status.is_server_error() => Error::Away { url, why: says },
            (status, Some(_)) => Error::Refused { url, request, status: status.as_u16(), says },
            (_, None) => self.strange(request, says),
        })
    }

    async fn read(&self, mut answer: Response, request: &str) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        while let Some(more) = answer.chunk().await.map_err(|error| self.away(error))? {
            if bytes.len() + more.len() > LARGEST {
                let says = format!("more than {LARGEST} bytes");
                return Err(self.strange(request.to_owned(), says));
            }
            bytes.extend_from_slice(&more);
        }
        Ok(bytes)
    }

    fn away(&self, error: reqwest::Error) -> Error {
        Error::Away { url: self.url().to_owned(), why: chain(&error.without_url()) }
    }

    fn strange(&self, request: String, says: String) -> Error {
        Error::Strange { url: self.url().to_owned(), request, says }
    }
}

fn says(status: StatusCode, complaint: Option<&Complaint>) -> String {
    match complaint {
        Some(Complaint { message, .. }) => {
            format!("{status}: {}", message.chars().take(SAYS).collect::<String>())
        }
        None => status.to_string(),
    }
}

/// An error and what it came from.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn address(text: &str) -> Result<Url, Error> {
    let wanted = |found: &str, wanted| Error::Url { found: found.to_owned(), wanted };
    let url = Url::parse(text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        // what can't be parsed may hold a password
        let found = if text.contains('@') { "…" } else { text };
        return Err(wanted(found, "an address such as http://127.0.0.1:8081"));
    };
    if !url.username().is_empty() || url.password().is_some() {
        let found = format!("{}://…@{}", url.scheme(), url.host_str().unwrap_or_default());
        return Err(wanted(
            &found,
            "without user and password: set registry.user and registry.password",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        let found = format!("{}://{}…", url.scheme(), url.host_str().unwrap_or_default());
        return Err(wanted(&found, "without a query"));
    }
    Ok(url)
}
