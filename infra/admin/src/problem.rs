//! Errors as `application/problem+json` (RFC 9457).

use axum::body::Body;
use axum::response::IntoResponse;
use control::audit;
use control::bound::Wait;
use control::entity::Misfit;
use control::plane;
use control::validate::Refused;
use gateway::error::{Error, Kind};
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: &'static str,
    /// The code in words.
    pub title: &'static str,
    /// What is wrong here, and what would be right.
    pub detail: String,
    /// The field that it is about.
    pub field: Option<String>,
    /// The version that the entity is at, after a conflict.
    pub version: Option<i64>,
    /// When it may be tried again, seconds; told as `Retry-After`.
    #[serde(skip)]
    pub(crate) retry_after: Option<u32>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: String) -> Self {
        Self {
            status: status.as_u16(),
            code,
            title,
            detail,
            field: None,
            version: None,
            retry_after: None,
        }
    }

    /// A field is wrong.
    pub fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
        let field = field.into();
        let problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_field",
            "A field is not what it must be",
            why.into(),
        );
        Self { field: (!field.is_empty()).then_some(field), ..problem }
    }

    /// No credential, or none that is known.
    pub fn unauthenticated(why: &str) -> Self {
        let title = "Who asks is not known";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", title, why.to_owned())
    }

    /// Not for this caller.
    pub fn forbidden(why: String) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Who asks may not do this", why)
    }

    /// Asked for with a session, but not by a page of the hub's own.
    pub fn csrf(why: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "csrf", "Who asks may not do this", why.to_owned())
    }

    /// Too often.
    pub fn limited(wait: Wait) -> Self {
        let seconds = wait.0.div_euclid(1_000_000).saturating_add(1);
        let (code, title) = ("too_many_tries", "Too many tries");
        let told = format!("too many tries: wait {seconds} s");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, code, title, told);
        Self { retry_after: Some(u32::try_from(seconds).unwrap_or(u32::MAX)), ..problem }
    }

    /// Too much at once.
    pub fn busy() -> Self {
        let told = "too many passwords are being checked: try again".to_owned();
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Too much at once", told);
        Self { retry_after: Some(5), ..problem }
    }

    /// No such entity.
    pub fn not_found(what: String) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no such thing", what)
    }

    /// Somebody else was first.
    pub fn conflict(version: i64, why: String) -> Self {
        let title = "It is not as was expected";
        let problem = Self::new(StatusCode::CONFLICT, "conflict", title, why);
        Self { version: Some(version), ..problem }
    }

    /// What must be recorded can't be.
    pub fn unrecorded(error: &audit::Error) -> Self {
        let (code, title) = ("audit_unavailable", "It can't be recorded");
        let told = format!("nothing was done: {error}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, title, told)
    }

    /// What the answer takes is not there.
    pub fn away(why: impl Into<String>) -> Self {
        let (code, title) = ("unavailable", "What the answer takes is away");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, title, why.into())
    }

    /// The same where the field is one of an entity's spec, in a body that has others beside it.
    pub(crate) fn in_spec(self) -> Self {
        let field = match self.field.as_deref() {
            Some("id" | "kind" | "Idempotency-Key") => self.field,
            Some(field) if field == "spec" || field.starts_with("spec.") => self.field,
            Some(field) if !field.is_empty() => Some(format!("spec.{field}")),
            _ if self.code == "invalid_field" => Some("spec".to_owned()),
            _ => self.field,
        };
        Self { field, ..self }
    }

    /// A bug.
    pub fn internal() -> Self {
        let why = "the hub's own fault; its log says more".to_owned();
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "A bug", why)
    }

    /// A body that can't be read.
    pub fn of_body(error: &Error) -> Self {
        let (status, code) = match error.kind {
            Kind::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Kind::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "body_timeout"),
            Kind::ContentType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_content_type"),
            _ => (StatusCode::BAD_REQUEST, "malformed_body"),
        };
        Self::new(status, code, "The body can't be read", error.message.to_string())
    }

    /// A body that is no JSON of its kind.
    pub fn malformed(why: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_body", "The body can't be read", why)
    }
}

impl From<Misfit> for Problem {
    fn from(misfit: Misfit) -> Self {
        Self::invalid(misfit.field, misfit.why)
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let told = refused.to_string();
        match refused {
            Refused::Misfit(misfit) => misfit.into(),
            Refused::Unknown(..) => Self::not_found(told),
            Refused::InUse(..) => {
                Self::new(StatusCode::CONFLICT, "in_use", "Others refer to it", told)
            }
            Refused::LastOwner => {
                Self::new(StatusCode::CONFLICT, "last_owner", "Nobody would be left", told)
            }
        }
    }
}

impl From<plane::Error> for Problem {
    fn from(error: plane::Error) -> Self {
        let title = "The log is away";
        match error {
            plane::Error::Refused(refused) => refused.into(),
            plane::Error::Log(error) => {
                let told = format!("nothing was changed: {error}");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "log_unavailable", title, told)
            }
            plane::Error::Unknown(why) => {
                let told = format!(
                    "whether it counts is not known ({why}): send it again with the same Idempotency-Key"
                );
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "outcome_unknown", title, told)
            }
            plane::Error::Vault(error) => {
                tracing::error!(%error, "a secret could not be sealed");
                Self::internal()
            }
            plane::Error::Encode(error) => {
                tracing::error!(%error, "a control event could not be written");
                Self::internal()
            }
        }
    }
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        tracing::error!(%error, "an answer could not be written");
        Self::internal()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let status = StatusCode::from_u16(self.status).unwrap_or_default();
        let mut response = axum::Json(&self).into_response();
        *response.status_mut() = status;
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}
