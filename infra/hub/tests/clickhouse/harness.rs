//! A supervised child in a folder of its own, and a plain HTTP client for what no ClickHouse client would send.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hub::embedded::clickhouse::{Role, Supervisor, SupervisorOptions, find_library};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use runtime::task::Tasks;
use tempfile::TempDir;

pub(crate) struct Hub {
    pub(crate) supervisor: Supervisor,
    pub(crate) folder: TempDir,
    http: Client<HttpConnector, Full<Bytes>>,
    tasks: Tasks,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The body ended before its proper end.
    pub(crate) broken: bool,
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment where the library is"
)]
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).map(PathBuf::from)
}

pub(crate) fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

pub(crate) fn cache() -> PathBuf {
    variable("HUB_CACHE").unwrap_or_else(|| checkout().join("target/cache"))
}

pub(crate) fn library() -> PathBuf {
    // A named library that is not there yet is looked for where `make clickhouse` puts it.
    let named = variable("HUB_CLICKHOUSE_LIBRARY").filter(|file| file.is_file());
    find_library(named.as_deref(), &[cache()]).unwrap()
}

pub(crate) fn options(folder: &Path) -> SupervisorOptions {
    SupervisorOptions {
        program: PathBuf::from(env!("CARGO_BIN_EXE_hub")),
        arguments: vec!["clickhouse".to_owned()],
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        data_dir: folder.to_owned(),
        library: library(),
        memory_mib: 1024,
    }
}

impl Hub {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tasks = Tasks::new();
        let supervisor = Supervisor::start(options(folder.path()), &tasks).await.unwrap();
        let http = Client::builder(TokioExecutor::new()).build_http();
        Self { supervisor, folder, http, tasks }
    }

    pub(crate) async fn stop(self) -> TempDir {
        self.tasks.stop();
        assert!(self.tasks.drained(Duration::from_secs(120)).await);
        self.folder
    }

    pub(crate) fn password(&self, role: Role) -> String {
        self.supervisor.password(role).expose().to_owned()
    }

    pub(crate) fn client(&self, role: Role) -> clickhouse::Client {
        clickhouse::Client::default()
            .with_url(self.supervisor.url())
            .with_user(role.user())
            .with_password(self.password(role))
            .with_database("hub")
    }

    /// Sends exactly this; `target` is path and query.
    pub(crate) async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let mut request =
            Request::builder().method(method).uri(format!("{}{target}", self.supervisor.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response =
            self.http.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        let (parts, mut incoming) = response.into_parts();
        let mut body = Vec::new();
        let mut broken = false;
        while let Some(frame) = incoming.frame().await {
            match frame {
                Ok(frame) => body.extend(frame.into_data().unwrap_or_default()),
                Err(_) => broken = true,
            }
        }
        Reply { status: parts.status, headers: parts.headers, body: body.into(), broken }
    }

    /// A statement of a user, with URL parameters (`name=value&…`, already encoded).
    pub(crate) async fn ask(&self, role: Role, parameters: &str, sql: impl Into<Bytes>) -> Reply {
        let password = self.password(role);
        let headers = [("x-clickhouse-user", role.user()), ("x-clickhouse-key", password.as_str())];
        self.send(Method::POST, &format!("/?{parameters}"), &headers, sql).await
    }

    /// The text of an answer that must be good.
    pub(crate) async fn good(&self, role: Role, sql: &str) -> String {
        let reply = self.ask(role, "", sql.to_owned()).await;
        assert_eq!(reply.status, StatusCode::OK, "{sql}: {}", reply.text());
        reply.text().trim_end().to_owned()
    }
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// ClickHouse's error code.
    pub(crate) fn code(&self) -> i32 {
        self.header("x-clickhouse-exception-code").parse().unwrap_or(0)
    }
}
