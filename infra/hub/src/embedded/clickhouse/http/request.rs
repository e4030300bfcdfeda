//! What a request asks: ClickHouse's URL parameters and headers, and who asks.

use std::time::Duration;

use base64::Engine as _;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING};
use http::{HeaderMap, Method};

use super::super::Role;
use super::super::exception::{Code, Exception};
use super::codec::Coding;

/// URL parameters that are not settings.
#[derive(Default, Debug)]
pub(crate) struct Request {
    /// The text in the URL; the body follows it.
    pub(crate) query: String,
    pub(crate) database: Option<String>,
    pub(crate) query_id: Option<String>,
    pub(crate) format: Option<String>,
    pub(crate) session: Option<SessionAsk>,
    /// `param_x`, for `{x:Type}` in the text.
    pub(crate) params: Vec<(String, String)>,
    /// Everything else is a setting, checked by the engine.
    pub(crate) settings: Vec<(String, String)>,
    /// The answer is made of ClickHouse's blocks.
    pub(crate) compress: bool,
    /// The body is made of ClickHouse's blocks.
    pub(crate) decompress: bool,
    pub(crate) wait_end: bool,
    /// The method promises to change nothing.
    pub(crate) read_only: bool,
    pub(crate) request_coding: Option<Coding>,
    pub(crate) response_coding: Option<Coding>,
}

/// A session that outlives its requests.
#[derive(Debug)]
pub(crate) struct SessionAsk {
    pub(crate) id: String,
    pub(crate) timeout: Duration,
    /// It must exist already.
    pub(crate) check: bool,
}

/// Who a request says it is from.
pub(crate) struct Claim {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl SessionAsk {
    /// The mark of its statements: one runs at a time.
    pub(crate) fn mark(&self, role: Role) -> String {
        format!("{} session {}", role.user(), self.id)
    }
}

const LONGEST_SESSION: u64 = 3600;

impl Request {
    /// Reads URL and headers; `pairs` are the URL's parameters followed by those of a form.
    pub(crate) fn read(
        method: &Method,
        headers: &HeaderMap,
        pairs: Vec<(String, String)>,
    ) -> Result<Self, Exception> {
        let mut request = Self::default();
        let (mut session, mut timeout, mut check, mut http_compression) = (None, 60, false, true);
        for (name, value) in pairs {
            match name.as_str() {
                "query" => request.query.push_str(&value),
                "database" => request.database = Some(value).filter(|name| !name.is_empty()),
                "default_format" => request.format = Some(value),
                "query_id" => request.query_id = Some(value).filter(|id| !id.is_empty()),
                "session_id" => session = Some(value),
                "session_timeout" => {
                    timeout = value.parse().ok().filter(|seconds| *seconds <= LONGEST_SESSION).ok_or_else(|| {
                        Exception::new(
                            Code::InvalidSessionTimeout,
                            format_args!("session_timeout '{value}' is not a number of seconds up to {LONGEST_SESSION}"),
                        )
                    })?;
                }
                "session_check" => check = flag(&value),
                "compress" => request.compress = flag(&value),
                "decompress" => request.decompress = flag(&value),
                "wait_end_of_query" => request.wait_end = flag(&value),
                "enable_http_compression" => http_compression = flag(&value),
                // about transport or identity, and not for the engine
                "user"
                | "password"
                | "quota_key"
                | "role"
                | "buffer_size"
                | "client_protocol_version"
                | "stacktrace"
                | "http_zlib_compression_level"
                | "send_progress_in_http_headers"
                | "http_headers_progress_interval_ms"
                | "add_http_cors_header"
                | "cancel_http_readonly_queries_on_client_close" => {}
                _ => match name.strip_prefix("param_") {
                    Some(param) => request.params.push((param.to_owned(), value)),
                    None => request.settings.push((name, value)),
                },
            }
        }
        request.session =
            session.map(|id| SessionAsk { id, timeout: Duration::from_secs(timeout), check });
        request.format = request.format.or_else(|| text(headers, "x-clickhouse-format"));
        request.database = request.database.or_else(|| text(headers, "x-clickhouse-database"));
        request.request_coding =
            match headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()) {
                Some(name) => Coding::of_request(name)?,
                None => None,
            };
        request.response_coding = headers
            .get(ACCEPT_ENCODING)
            .and_then(|value| value.to_str().ok())
            .filter(|_| http_compression && !request.compress)
            .and_then(Coding::of_response);
        // As ClickHouse does: what can be repeated cannot write.
        request.read_only = method == Method::GET || method == Method::HEAD;
        Ok(request)
    }
}

impl Claim {
    /// The first of ClickHouse's headers, Basic authentication and the URL that names a user.
    pub(crate) fn read(headers: &HeaderMap, pairs: &[(String, String)]) -> Option<Self> {
        if let Some(user) = text(headers, "x-clickhouse-user") {
            return Some(Self {
                user,
                password: text(headers, "x-clickhouse-key").unwrap_or_default(),
            });
        }
        if let Some(basic) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) {
            let encoded = basic.strip_prefix("Basic ").or_else(|| basic.strip_prefix("basic "))?;
            let plain = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
            let plain = String::from_utf8(plain).ok()?;
            let (user, password) = plain.split_once(':')?;
            return Some(Self { user: user.to_owned(), password: password.to_owned() });
        }
        let of = |wanted: &str| {
            pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
        };
        Some(Self { user: of("user")?, password: of("password").unwrap_or_default() })
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
}

fn flag(value: &str) -> bool {
    matches!(value, "1" | "true" | "yes" | "on")
}
