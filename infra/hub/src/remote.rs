//! Commands that a running hub does: the command line as a client of the admin API.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};

use crate::config::{Config, Environment};
use crate::own::{self, Trust};
use crate::secrets::Secrets;

/// Longest time for an answer: checks of providers ask them.
const TIME: Duration = Duration::from_secs(120);
/// Holds a key of the admin API, where it is not the owner's.
pub(crate) const TOKEN: &str = "HUB_TOKEN";
/// Says where the admin API is, where it is not that of the settings.
pub(crate) const URL: &str = "HUB_ADMIN_URL";
/// A file with the authority of its certificate, where this machine does not know it.
pub(crate) const CA: &str = "HUB_ADMIN_CA";
/// Fields that are money.
const MONEY: [&str; 4] = ["amount", "max_cost_per_call", "max_price.input", "max_price.output"];
/// Entities on a page.
const PAGE: usize = 500;

/// What can be done with entities of a kind.
#[derive(Debug, Subcommand)]
pub enum Entities {
    /// Lists them.
    List {
        /// Those whose id or title holds this.
        #[arg(long)]
        q: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows one.
    Get {
        /// Which.
        id: String,
    },
    /// Shows the changes of one.
    History {
        /// Which.
        id: String,
    },
    /// Makes one.
    Create {
        /// Its id.
        id: String,
        /// What it says.
        #[command(flatten)]
        spec: Spec,
    },
    /// Changes fields of one; the others stay as they are.
    Set {
        /// Which.
        id: String,
        /// What it is to say.
        #[command(flatten)]
        spec: Spec,
    },
    /// Deletes one.
    Delete {
        /// Which.
        id: String,
    },
}

/// What an entity says, by fields.
#[derive(Debug, Args)]
pub struct Spec {
    /// A field, such as `title="Team A"`, `scopes.models=["gpt-*"]` or `disabled=true`: JSON, or else text.
    #[arg(value_name = "FIELD=VALUE")]
    pub fields: Vec<String>,
    /// The secret is in this variable.
    #[arg(long, value_name = "NAME")]
    pub secret_env: Option<String>,
    /// The secret is read from standard input.
    #[arg(long, conflicts_with = "secret_env")]
    pub secret_stdin: bool,
    /// Why, for the history.
    #[arg(long)]
    pub reason: Option<String>,
}

/// API keys.
#[derive(Debug, Subcommand)]
pub enum Keys {
    #[command(flatten)]
    Entities(Entities),
    /// Gives a key a new secret, shown once.
    Rotate {
        /// Which.
        id: String,
        /// How long the old secret is taken beside the new one, seconds.
        #[arg(long)]
        overlap: Option<u32>,
    },
}

/// People.
#[derive(Debug, Subcommand)]
pub enum Users {
    #[command(flatten)]
    Entities(Entities),
    /// Makes a one-time link with which a user chooses a password and is signed in.
    Link {
        /// Who.
        id: String,
    },
    /// Ends all sessions of a user.
    SignOut {
        /// Who.
        id: String,
    },
}

/// Limits, or budgets.
#[derive(Debug, Subcommand)]
pub enum Bounds {
    #[command(flatten)]
    Entities(Entities),
    /// Shows what is used of one now, by whom it is set on.
    Usage {
        /// Which.
        id: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// A client of the admin API.
#[derive(Debug)]
pub(crate) struct Remote {
    url: String,
    token: String,
    client: reqwest::Client,
    environment: Environment,
}

impl Remote {
    /// The hub of these settings, asked with the key of the environment, else as its owner.
    ///
    /// # Errors
    /// There is no key.
    pub(crate) fn new(config: &Config, environment: &Environment) -> anyhow::Result<Self> {
        let token = match environment.get(TOKEN).filter(|token| !token.is_empty()) {
            Some(token) => token.clone(),
            None => {
                let path = Secrets::new(&config.data).owner_token_path()?;
                let secret = runtime::secret::read_0600(&path).with_context(|| {
                    format!("no owner's token: start the hub once, or set {TOKEN} to a key of the admin API")
                })?;
                secret.expose().to_owned()
            }
        };
        let (url, client) = match environment.get(URL).filter(|url| !url.is_empty()) {
            None => own::client(config, Trust::Settings, TIME)?,
            Some(url) => {
                let own = environment.get(CA).filter(|path| !path.is_empty()).map(Path::new);
                let client = reqwest::Client::builder()
                    .use_preconfigured_tls(runtime::tls::client(own).context(CA)?)
                    .redirect(reqwest::redirect::Policy::none())
                    .no_proxy()
                    .timeout(TIME);
                (url.clone(), client.build()?)
            }
        };
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { url, token, client, environment: environment.clone() })
    }

    /// Asks below `/admin/v1/`.
    ///
    /// # Errors
    /// No hub answers, or it refuses; in its words.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let url = format!("{}/admin/v1/{path}", self.url);
        let mut request = self.client.request(method, &url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answered = request.send().await.with_context(|| {
            format!("no hub answers on {}: is it running? {URL} says where else to look", self.url)
        })?;
        let status = answered.status();
        let text = answered.text().await?;
        if status.is_success() {
            return if text.is_empty() {
                Ok(Value::Null)
            } else {
                Ok(serde_json::from_str(&text)?)
            };
        }
        let told: Value = serde_json::from_str(&text).unwrap_or_default();
        let field = told["field"].as_str().map(|field| format!("{field}: ")).unwrap_or_default();
        let detail = told["detail"].as_str().map_or_else(|| status.to_string(), str::to_owned);
        bail!("{field}{detail}")
    }

    /// What a spec says, put into `spec`.
    fn fill(&self, spec: &mut Map<String, Value>, of: &Spec) -> anyhow::Result<()> {
        for field in &of.fields {
            let (path, text) = field
                .split_once('=')
                .with_context(|| format!("{field:?} is no field: field=value is wanted"))?;
            let value: Value = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
            // money is text, so that no digit of it is lost
            let is_money = MONEY.contains(&path) && value.is_number();
            let value = if is_money { json!(text) } else { value };
            put(spec, path, value)?;
        }
        let secret = match &of.secret_env {
            Some(name) => Some(
                self.environment
                    .get(name)
                    .cloned()
                    .with_context(|| format!("{name} is not set"))?,
            ),
            None if of.secret_stdin => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text)?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            None => None,
        };
        if let Some(secret) = secret {
            spec.insert("secret".into(), json!(secret));
        }
        Ok(())
    }

    async fn entities(&self, collection: &str, command: Entities) -> anyhow::Result<()> {
        let one = |id: &str| format!("{collection}/{}", segment(id));
        let told = match command {
            Entities::List { q, json } => return self.list(collection, q.as_deref(), json).await,
            Entities::Get { id } => self.ask(Method::GET, &one(&id), None).await?,
            Entities::History { id } => {
                self.ask(Method::GET, &format!("{}/history", one(&id)), None).await?
            }
            Entities::Create { id, spec } => {
                let mut body = Map::new();
                if collection == "credentials"
                    && let Some((provider, name)) = id.split_once('.')
                {
                    body.insert("provider".into(), json!(provider));
                    body.insert("name".into(), json!(name));
                }
                self.fill(&mut body, &spec)?;
                let body = json!({"id": id, "spec": body, "reason": spec.reason});
                self.ask(Method::POST, collection, Some(body)).await?
            }
            Entities::Set { id, spec } => {
                let now = self.ask(Method::GET, &one(&id), None).await?;
                let mut body = now["spec"].as_object().cloned().unwrap_or_default();
                self.fill(&mut body, &spec)?;
                let body = json!({
                    "spec": body, "expected_version": now["version"], "reason": spec.reason,
                });
                self.ask(Method::PUT, &one(&id), Some(body)).await?
            }
            Entities::Delete { id } => {
                self.ask(Method::DELETE, &one(&id), None).await?;
                json!({"deleted": id})
            }
        };
        tell(&told)
    }

    async fn list(&self, collection: &str, q: Option<&str>, json: bool) -> anyhow::Result<()> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("limit", &PAGE.to_string());
            for (name, value) in [("q", q), ("after", after.as_deref())] {
                if let Some(value) = value {
                    query.append_pair(name, value);
                }
            }
            let path = format!("{collection}?{}", query.finish());
            let mut page = self.ask(Method::GET, &path, None).await?;
            if let Some(more) = page["items"].as_array_mut() {
                items.append(more);
            }
            after = page["next"].as_str().map(str::to_owned);
            if after.is_none() {
                break;
            }
        }
        if json {
            return tell(&Value::Array(items));
        }
        let mut out = std::io::stdout().lock();
        for item in items {
            let (id, version) = (item["id"].as_str().unwrap_or_default(), &item["version"]);
            let by = item["changed_by"].as_str().unwrap_or_default();
            writeln!(out, "{id}\tversion {version}\tby {by}")?;
        }
        Ok(())
    }
}

/// One segment of a path.
fn segment(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Puts a value at a path of names.
fn put(object: &mut Map<String, Value>, path: &str, value: Value) -> anyhow::Result<()> {
    match path.split_once('.') {
        None => {
            object.insert(path.to_owned(), value);
            Ok(())
        }
        Some((name, rest)) => {
            let inner = object.entry(name).or_insert_with(|| json!({}));
            if inner.is_null() {
                *inner = json!({});
            }
            let inner = inner.as_object_mut().with_context(|| format!("{name} has no fields"))?;
            put(inner, rest, value)
        }
    }
}

fn tell(value: &Value) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{value:#}")?)
}

/// Does what is asked with entities of a collection.
pub(crate) async fn entities(
    config: &Config,
    environment: &Environment,
    collection: &str,
    command: Entities,
) -> anyhow::Result<()> {
    Remote::new(config, environment)?.entities(collection, command).await
}

/// API keys.
pub(crate) async fn keys(
    config: &Config,
    environment: &Environment,
    command: Keys,
) -> anyhow::Result<()> {
    let remote = Remote::new(config, environment)?;
    match command {
        Keys::Entities(command) => remote.entities("keys", command).await,
        Keys::Rotate { id, overlap } => {
            let body = json!({"overlap_seconds": overlap});
            let path = format!("keys/{}/rotate", segment(&id));
            tell(&remote.ask(Method::POST, &path, Some(body)).await?)
        }
    }
}

/// Does what the command line says with people.
///
/// # Errors
/// No hub answers, or it refuses.
pub(crate) async fn users(
    config: &Config,
    environment: &Environment,
    command: Users,
) -> anyhow::Result<()> {
    let remote = Remote::new(config, environment)?;
    let of = |id: &str, what: &str| format!("users/{}/{what}", segment(id));
    match command {
        Users::Entities(command) => remote.entities("users", command).await,
        Users::Link { id } => {
            let mut told = remote.ask(Method::POST, &of(&id, "link"), None).await?;
            // a path, where the hub does not know by which address people come
            if let Some(path) = told["link"].as_str().filter(|link| link.starts_with('/')) {
                told["link"] = json!(format!("{}{path}", remote.url));
            }
            tell(&told)
        }
        Users::SignOut { id } => {
            remote.ask(Method::DELETE, &of(&id, "sessions"), None).await?;
            tell(&json!({"signed_out": id}))
        }
    }
}

/// Limits or budgets of a running hub.
pub(crate) async fn bounds(
    config: &Config,
    environment: &Environment,
    collection: &str,
    command: Bounds,
) -> anyhow::Result<()> {
    let remote = Remote::new(config, environment)?;
    let (id, json) = match command {
        Bounds::Entities(command) => return remote.entities(collection, command).await,
        Bounds::Usage { id, json } => (id, json),
    };
    let path = format!("{collection}/{}/usage", segment(&id));
    let told = remote.ask(Method::GET, &path, None).await?;
    if json {
        return tell(&told);
    }
    let mut out = std::io::stdout().lock();
    for line in told["items"].as_array().into_iter().flatten() {
        let text = |name: &str| match &line[name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let [whose, measure, used, most, resets] =
            ["whose", "measure", "used", "limit", "resets_at"].map(text);
        writeln!(out, "{whose}  {measure}  {used} of {most}  resets {resets}")?;
    }
    Ok(())
}

/// Wraps all secrets by the current master key.
pub(crate) async fn rewrap(config: &Config, environment: &Environment) -> anyhow::Result<()> {
    let remote = Remote::new(config, environment)?;
    tell(&remote.ask(Method::POST, "master-key/rewrap", Some(json!({}))).await?)
}

/// The whole configuration, secrets aside.
pub(crate) async fn export(config: &Config, environment: &Environment) -> anyhow::Result<()> {
    tell(&Remote::new(config, environment)?.ask(Method::GET, "config", None).await?)
}

/// Makes the configuration what a file says: tells what would change, and does it with `yes`.
pub(crate) async fn apply(
    config: &Config,
    environment: &Environment,
    file: &Path,
    prune: bool,
    yes: bool,
    reason: Option<String>,
) -> anyhow::Result<()> {
    let remote = Remote::new(config, environment)?;
    let mut document = read(file)?;
    if let Some(inner) = document.get_mut("config") {
        document = inner.take();
    }
    secrets(&mut document, environment)?;
    let body =
        |dry: bool| json!({"config": document, "prune": prune, "dry_run": dry, "reason": reason});
    let told = remote.ask(Method::POST, "config", Some(body(!yes))).await?;
    let changes = told["changes"].as_array().cloned().unwrap_or_default();
    let mut out = std::io::stdout().lock();
    for change in &changes {
        let text = |field: &str| change[field].as_str().unwrap_or_default();
        writeln!(out, "{} {}/{}", text("change"), text("kind"), text("id"))?;
        for (field, before, after) in differences(&change["before"], &change["after"]) {
            writeln!(out, "    {field}: {before} -> {after}")?;
        }
    }
    match (changes.is_empty(), yes) {
        (true, _) => writeln!(out, "nothing to change")?,
        (false, true) => writeln!(out, "{} changes made", changes.len())?,
        (false, false) => writeln!(out, "{} changes; --yes makes them", changes.len())?,
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<Value> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        text
    } else {
        std::fs::read_to_string(file).with_context(|| file.display().to_string())?
    };
    // JSON is YAML
    serde_saphyr::from_str(&text).with_context(|| file.display().to_string())
}

/// Secrets of a document that are references to this command's environment and files.
fn secrets(value: &mut Value, environment: &Environment) -> anyhow::Result<()> {
    match value {
        Value::Object(object) => {
            for (name, inner) in object.iter_mut() {
                match inner {
                    Value::String(text) if name == "secret" || name == "password" => {
                        *text = referred(text, environment)?;
                    }
                    inner => secrets(inner, environment)?,
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                secrets(item, environment)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn referred(text: &str, environment: &Environment) -> anyhow::Result<String> {
    if let Some(name) = text.strip_prefix("env:") {
        return environment.get(name).cloned().with_context(|| format!("{name} is not set"));
    }
    match text.strip_prefix("file:") {
        Some(path) => {
            let path = PathBuf::from(path);
            let text =
                std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        None => Ok(text.to_owned()),
    }
}

/// Fields of two bodies that differ.
fn differences(before: &Value, after: &Value) -> Vec<(String, Value, Value)> {
    let empty = Map::new();
    let (before, after) =
        (before.as_object().unwrap_or(&empty), after.as_object().unwrap_or(&empty));
    let mut all = Vec::new();
    for (name, after) in after {
        let before = before.get(name).cloned().unwrap_or_default();
        if before != *after {
            all.push((name.clone(), before, after.clone()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_put_at_their_paths() {
        let mut spec = json!({"scopes": null}).as_object().cloned().unwrap();
        put(&mut spec, "scopes.models", json!(["a"])).unwrap();
        put(&mut spec, "title", json!("x")).unwrap();
        assert_eq!(Value::Object(spec.clone()), json!({"scopes": {"models": ["a"]}, "title": "x"}));
        assert!(put(&mut spec, "title.x", json!(1)).is_err());
    }

    #[test]
    fn secrets_of_a_document_are_those_of_who_applies_it() {
        let environment = Environment::from([("KEY".to_owned(), "sk-1".to_owned())]);
        let mut document =
            json!({"credentials": {"a.b": {"secret": "env:KEY", "name": "env:KEY"}}});
        secrets(&mut document, &environment).unwrap();
        assert_eq!(
            document,
            json!({"credentials": {"a.b": {"secret": "sk-1", "name": "env:KEY"}}})
        );
        let mut missing = json!({"secret": "env:NONE"});
        assert!(secrets(&mut missing, &environment).is_err());
    }
}
