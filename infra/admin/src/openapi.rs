//! The API's description: OpenAPI 3.1, made of the table of routes and of the types of bodies.

use control::entity::{
    Account, Binding, Budget, Credential, Key, Kind, Limit, Model, Organisation, Price, Project,
    Provider, User, Webhook,
};
use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema as _, ToSchema};

use crate::entities::{Change, NewEntity};
use crate::keys::Rotation;
use crate::problem::Problem;
use crate::signin::{LinkUse, NewPassword, Password};
use crate::table::{COLLECTIONS, Op, Route, routes};

/// The document.
pub(crate) fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes() {
        let operation = operation(&route);
        let of = paths.entry(route.path.clone()).or_insert_with(|| json!({}));
        if let Some(of) = of.as_object_mut() {
            of.insert(route.method.as_str().to_ascii_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Hub admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What is configured, and who may change it. Every change is an event; a reply comes once this node has applied it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"key": []}, {"session": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A key whose scopes name a role for the admin API, such as the owner's token."},
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-hub-session", "description": "The session of who signed in; on a loopback address the cookie is hub-session-PORT. What changes something wants the header x-csrf-token too, which whoami tells, and an Origin that is the hub's own."},
            },
            "schemas": schemas(),
        },
    })
}

/// The name of the schema of what an entity of a kind says; `None` where nobody may say it.
fn spec_of(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Organisation => "Organisation",
        Kind::Project => "Project",
        Kind::Account => "Account",
        Kind::User => "User",
        Kind::Binding => "Binding",
        Kind::Key => "Key",
        Kind::Provider => "Provider",
        Kind::Credential => "Credential",
        Kind::Model => "Model",
        Kind::Price => "Price",
        Kind::Limit => "Limit",
        Kind::Budget => "Budget",
        Kind::Webhook => "Webhook",
        Kind::PriceBook | Kind::Secret => return None,
    })
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn schemas() -> Value {
    let mut all: Vec<(String, RefOr<Schema>)> = Vec::new();
    macro_rules! add {
        ($($body:ty),*) => {$(
            all.push((<$body>::name().into_owned(), <$body>::schema()));
            <$body>::schemas(&mut all);
        )*};
    }
    add!(
        Organisation,
        Project,
        Account,
        User,
        Binding,
        Key,
        Provider,
        Credential,
        Model,
        Price,
        Limit,
        Budget,
        Webhook,
        Problem,
        NewEntity,
        Change,
        Rotation,
        Password,
        NewPassword,
        LinkUse
    );
    let mut schemas: Map<String, Value> = all
        .into_iter()
        .filter_map(|(name, schema)| Some((name, serde_json::to_value(schema).ok()?)))
        .collect();
    for (kind, _) in COLLECTIONS {
        if let Some(spec) = spec_of(kind) {
            schemas.insert(format!("{spec}Spec"), writable(kind, schemas.get(spec)));
            schemas.insert(format!("New{spec}"), with_spec(spec, &["id", "spec"]));
            schemas.insert(format!("{spec}Change"), with_spec(spec, &["spec"]));
        }
    }
    schemas.insert("Entity".into(), entity());
    schemas.insert("Caller".into(), caller());
    Value::Object(schemas)
}

/// A body as it may be written: without what only the hub sets, secrets as text.
fn writable(kind: Kind, schema: Option<&Value>) -> Value {
    let mut schema = schema.cloned().unwrap_or_else(|| json!({"type": "object"}));
    let secret = json!({
        "description": "The secret itself; left out, or given as it was shown, it stays as it is.",
        "type": ["string", "object", "null"],
    });
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        match kind {
            Kind::Key => {
                properties.remove("hash");
                properties.remove("previous");
                properties.insert(
                    "aws".into(),
                    json!({
                        "type": ["object", "null"],
                        "properties": {"access_key_id": {"type": "string"}, "secret": secret},
                        "required": ["access_key_id"],
                        "additionalProperties": false,
                    }),
                );
            }
            Kind::Credential => {
                properties.remove("secret_version");
                properties.insert("secret".into(), secret);
            }
            Kind::Webhook => {
                properties.insert("secret".into(), secret);
            }
            Kind::User => {
                for own in ["sessions_from", "ended", "link"] {
                    properties.remove(own);
                }
            }
            _ => {}
        }
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| name != "secret");
    }
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("additionalProperties".into(), json!(false));
    }
    schema
}

fn with_spec(spec: &str, required: &[&str]) -> Value {
    let mut properties = json!({
        "spec": reference(&format!("{spec}Spec")),
        "reason": {"type": ["string", "null"], "maxLength": 500, "description": "Why, for the history."},
    });
    if required.contains(&"id") {
        properties["id"] = json!({"type": "string"});
    } else {
        properties["expected_version"] = json!({
            "type": ["integer", "null"], "format": "int64",
            "description": "The version that the change was made for; 409 when it is another by now.",
        });
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn entity() -> Value {
    let time = json!({"type": "integer", "format": "int64", "description": "Microseconds since the epoch."});
    json!({
        "type": "object",
        "required": ["id", "version", "spec", "created_at_us", "created_by", "changed_at_us", "changed_by"],
        "properties": {
            "id": {"type": "string"},
            "version": {"type": "integer", "format": "int64"},
            "spec": {"type": ["object", "null"], "description": "What it says; secrets as a tail at most."},
            "created_at_us": time,
            "created_by": {"type": "string"},
            "changed_at_us": time,
            "changed_by": {"type": "string"},
            "reason": {"type": ["string", "null"]},
            "secret": {"type": "string", "description": "Of a key that was just made: shown this once, and not to who sends the command again."},
            "old_secret_until_us": {"type": ["integer", "null"], "format": "int64"},
        },
    })
}

/// Requests, tokens and calls are numbers, money is USD as text.
fn used() -> Value {
    let amount = json!({"type": ["integer", "string"]});
    json!({
        "type": "object",
        "required": ["whose", "measure", "limit", "used", "held", "remaining", "resets_at"],
        "properties": {
            "whose": {"type": "string", "examples": ["project/team"]},
            "measure": {"type": "string", "examples": ["tokens_per_minute", "month"]},
            "limit": amount,
            "used": amount,
            "held": amount,
            "remaining": amount,
            "resets_at": {"type": ["string", "null"], "format": "date-time"},
        },
    })
}

fn operation(route: &Route) -> Value {
    let (summary, body, success) = words(route.op);
    let mut responses = Map::new();
    let told = |what: &str, schema: Value| json!({"description": what, "content": {"application/json": {"schema": schema}}});
    let (status, description, schema) = success;
    let answer = match schema {
        Some(schema) => told(description, schema),
        None => json!({"description": description}),
    };
    responses.insert(status.into(), answer);
    for (status, why) in errors(route) {
        let problem = json!({"schema": reference("Problem")});
        let content = json!({"application/problem+json": problem});
        responses.insert(status.into(), json!({"description": why, "content": content}));
    }
    let mut operation = json!({
        "summary": summary,
        "operationId": operation_id(route),
        "parameters": parameters(route),
        "responses": responses,
    });
    if route.op.action().is_none()
        && let Some(operation) = operation.as_object_mut()
    {
        operation.insert("security".into(), json!([]));
    }
    if let Some(schema) = body {
        let required = route.op != Op::RotateKey;
        let content = json!({"application/json": {"schema": schema}});
        operation["requestBody"] = json!({"required": required, "content": content});
    }
    if route.op == Op::OpenApi {
        operation["security"] = json!([]);
    }
    operation
}

fn operation_id(route: &Route) -> String {
    let path = route.path.trim_start_matches("/admin/v1/").replace(['/', '-', '.'], "_");
    format!("{}_{}", route.method.as_str().to_ascii_lowercase(), path.replace(['{', '}'], ""))
}

type Words = (String, Option<Value>, (&'static str, &'static str, Option<Value>));

fn words(op: Op) -> Words {
    let object = || Some(json!({"type": "object"}));
    let items = |item: Value| {
        json!({"type": "object", "required": ["items"], "properties": {
            "items": {"type": "array", "items": item}, "next": {"type": ["string", "null"]},
        }})
    };
    let one = |what| ("200", what, Some(reference("Entity")));
    let spec = |kind: Kind, before: &str, after: &str| {
        spec_of(kind).map(|name| reference(&format!("{before}{name}{after}")))
    };
    match op {
        Op::OpenApi => ("This document".into(), None, ("200", "OpenAPI 3.1", object())),
        Op::WhoAmI => ("Who asks".into(), None, ("200", "The caller", Some(reference("Caller")))),
        Op::SignIn
        | Op::UseLink
        | Op::SignOut
        | Op::SignOutEverywhere
        | Op::ChangePassword
        | Op::MakeLink
        | Op::EndSessions => of_people(op),
        Op::Problems => (
            "What is configured and can't be used by this node".into(),
            None,
            ("200", "Problems", Some(items(json!({"type": "object"})))),
        ),
        Op::Export => (
            "The whole configuration, secrets aside".into(),
            None,
            ("200", "The configuration", object()),
        ),
        Op::Apply => (
            "Makes the configuration what the document says".into(),
            Some(crate::apply::schema()),
            ("200", "What was changed, or would be", object()),
        ),
        Op::Rewrap => (
            "Wraps all secrets by the current master key".into(),
            None,
            ("200", "What was done", object()),
        ),
        Op::ExplainRoute => (
            "Why a call would go where it goes, by what is configured and known of health".into(),
            None,
            ("200", "Every candidate", object()),
        ),
        Op::SearchAudit => (
            "Who did what, newest first: changes, refused calls, secrets shown or used, exports"
                .into(),
            None,
            ("200", "A page, as far as ClickHouse has it", Some(items(crate::trail::entry()))),
        ),
        Op::VerifyAudit => (
            "Whether audit trail and changes are as they were written".into(),
            None,
            ("200", "What was found", Some(crate::trail::report())),
        ),
        Op::RotateKey => (
            "A new secret for a key".into(),
            Some(reference("Rotation")),
            one("The key and its new secret, shown this once"),
        ),
        Op::CheckProvider => (
            "Whether a provider's credentials work, asked with the cheapest real request".into(),
            None,
            ("200", "Each credential", Some(items(json!({"type": "object"})))),
        ),
        Op::List(kind) => (
            format!("Every {kind}, by id"),
            None,
            ("200", "A page", Some(items(reference("Entity")))),
        ),
        Op::Get(kind) => (format!("One {kind}"), None, one("As it is now")),
        Op::History(kind) => (
            format!("The changes of one {kind}, oldest first"),
            None,
            ("200", "Changes", Some(items(json!({"type": "object"})))),
        ),
        Op::Usage(kind) => (
            format!("What is used of one {kind} now, by whom it is set on"),
            None,
            ("200", "Each that was seen", Some(items(used()))),
        ),
        Op::Create(kind) => (
            format!("A new {kind}"),
            spec(kind, "New", ""),
            ("201", "As it was made", Some(reference("Entity"))),
        ),
        Op::Replace(kind) => (
            format!("One {kind} as it is to be, whole"),
            spec(kind, "", "Change"),
            one("As it is now"),
        ),
        Op::Delete(kind) => (format!("One {kind} less"), None, ("204", "It is gone", None)),
    }
}

/// Words for what people do with their own sessions, and with those of others.
fn of_people(op: Op) -> Words {
    let caller = || ("200", "Who is signed in now", Some(reference("Caller")));
    let none = ("204", "They are over", None);
    match op {
        Op::SignIn => ("A session, for a password".into(), Some(reference("Password")), caller()),
        Op::UseLink => (
            "A password of one's own and a session, for a one-time sign-in link".into(),
            Some(reference("LinkUse")),
            caller(),
        ),
        Op::SignOut => ("The own session is over, on every node".into(), None, none),
        Op::SignOutEverywhere => ("All own sessions are over".into(), None, none),
        Op::ChangePassword => (
            "Another password of one's own; the other sessions are over".into(),
            Some(reference("NewPassword")),
            caller(),
        ),
        Op::MakeLink => {
            let link = json!({
                "type": "object",
                "required": ["link", "until_us"],
                "properties": {
                    "link": {"type": "string", "description": "Where the user chooses a password; shown this once. A path, where no signin.url is set."},
                    "until_us": {"type": "integer", "format": "int64", "description": "Not taken from then on; microseconds since the epoch."},
                },
            });
            let what = "A one-time sign-in link for a user, in place of the one before";
            (what.into(), None, ("201", "The link", Some(link)))
        }
        _ => ("All sessions of a user are over".into(), None, none),
    }
}

fn caller() -> Value {
    let text = || json!({"type": ["string", "null"]});
    let time = || json!({"type": "integer", "format": "int64"});
    json!({
        "type": "object",
        "required": ["actor", "key", "user", "grants", "session"],
        "properties": {
            "actor": {"type": "string", "description": "As audit and histories name them."},
            "key": text(),
            "user": text(),
            "grants": {"type": "array", "items": {
                "type": "object",
                "required": ["role", "project"],
                "properties": {"role": {"type": "string"}, "project": text()},
            }},
            "session": {
                "type": ["object", "null"],
                "required": ["began_at_us", "ends_at_us", "csrf"],
                "properties": {"began_at_us": time(), "ends_at_us": time(), "csrf": {"type": "string"}},
            },
        },
    })
}

fn errors(route: &Route) -> Vec<(&'static str, &'static str)> {
    let mut errors = Vec::new();
    if route.op == Op::OpenApi {
        return errors;
    }
    errors.push(("401", "No credential, or none that is known"));
    errors.push(("403", "Not for this caller"));
    let writes = !matches!(route.method, http::Method::GET);
    if route.path.contains("{id}") {
        errors.push(("404", "There is no such entity"));
    }
    if writes {
        errors.push(("400", "The body can't be read"));
        errors.push(("408", "The body took too long"));
        errors.push(("409", "It is not as was expected, or others refer to it"));
        errors.push(("413", "The body is too large"));
        errors.push(("415", "The body is no JSON"));
        errors.push(("503", "The log is away"));
    }
    if matches!(route.op, Op::SignIn | Op::UseLink | Op::ChangePassword) {
        errors.push(("429", "Too many tries; Retry-After tells how long to wait"));
    }
    errors.push(("422", "A field is not what it must be"));
    if matches!(route.op, Op::History(_) | Op::Export | Op::VerifyAudit) {
        errors.push(("503", "The log is away"));
    }
    if matches!(route.op, Op::ExplainRoute | Op::SearchAudit) {
        errors.push(("503", "What the answer takes is away"));
    }
    if route.op == Op::ExplainRoute {
        errors.push(("404", "Nobody serves the model"));
    }
    errors
}

fn parameters(route: &Route) -> Value {
    let mut all = Vec::new();
    let parameter = |name: &str, place: &str, required: bool, schema: Value, what: &str| json!({"name": name, "in": place, "required": required, "schema": schema, "description": what});
    if route.path.contains("{id}") {
        let schema = json!({"type": "string", "minLength": 1});
        all.push(parameter("id", "path", true, schema, "Which one."));
    }
    if let Op::List(_) = route.op {
        let limit = json!({"type": "integer", "minimum": 1, "maximum": 500, "default": 100});
        all.push(parameter("limit", "query", false, limit, "The most on a page."));
        let text = || json!({"type": "string"});
        all.push(parameter("after", "query", false, text(), "Those behind this id."));
        all.push(parameter("q", "query", false, text(), "Those whose id or title holds this."));
        all.push(parameter("project", "query", false, text(), "Those of this project."));
    }
    for (name, required, schema, what) in crate::trail::parameters(route.op) {
        all.push(parameter(name, "query", required, schema, what));
    }
    if matches!(route.op, Op::Replace(_) | Op::Delete(_)) {
        let tag = json!({"type": "string", "pattern": "^\"?[0-9]{1,18}\"?$"});
        let what = "The version that the change was made for, as ETag gave it.";
        all.push(parameter("If-Match", "header", false, tag, what));
    }
    let command = matches!(
        route.op,
        Op::Create(_) | Op::Replace(_) | Op::Delete(_) | Op::RotateKey | Op::Apply
    );
    if command {
        let key = json!({"type": "string", "pattern": "^[!-~]{1,128}$"});
        let what =
            "Your own id of the command: it is done once, however often it is sent within a day.";
        all.push(parameter("Idempotency-Key", "header", false, key, what));
    }
    Value::Array(all)
}
