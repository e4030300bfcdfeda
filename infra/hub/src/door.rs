//! Where callers connect: from the first moment on, with a clear refusal until there is a gateway.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use gateway::Gateway;
use gateway::error::{Error, Kind};
use gateway::http::error::openai_response;
use gateway::http::{Body, Request, healthz, readiness, routes};
use http::Response;
use runtime::lanes::Lanes;
use runtime::task::Tasks;
use tower::ServiceExt as _;

use crate::config::Config;
use crate::listen::{Listener, Serving, serve};
use crate::status::Status;
use crate::uptime::{self, Audience, Uptime};

/// The bound listener.
#[derive(Debug)]
pub(crate) struct Door {
    /// Where callers connect.
    pub(crate) address: SocketAddr,
    /// How that begins.
    pub(crate) scheme: &'static str,
    /// What is behind it, as soon as there is something.
    behind: Arc<OnceLock<Open>>,
    /// What is to be had here beside calls.
    beside: Router,
    tasks: Tasks,
}

/// What callers see, with and without scripts of pages.
#[derive(Debug)]
struct Open {
    gateway: Arc<Gateway>,
    plain: Router,
    scripts: Router,
}

impl Open {
    /// As the keys are now.
    fn now(&self) -> Router {
        let scripts = self.gateway.snapshot.load().scripts;
        if scripts { self.scripts.clone() } else { self.plain.clone() }
    }
}

/// What a caller is told meanwhile.
#[derive(Clone)]
struct Closed {
    status: Status,
    behind: Arc<OnceLock<Open>>,
}

impl Door {
    /// Serves the listener: for now, calls are refused. `public`: what anybody may see.
    ///
    /// # Errors
    /// There are no threads to serve calls.
    pub(crate) fn new(
        listener: Listener,
        config: &Config,
        status: Status,
        public: Option<Uptime>,
    ) -> anyhow::Result<Self> {
        let (address, scheme) = (listener.address()?, listener.scheme());
        let lanes = Arc::new(Lanes::start("calls").context("threads to serve calls")?);
        let serving = Serving {
            lanes: Some(lanes),
            write_time: config.limits.write_time.into(),
            proxies: Arc::new(config.proxies()?),
        };
        let behind = Arc::<OnceLock<Open>>::default();
        let closed = closed(Closed { status, behind: Arc::clone(&behind) });
        let tasks = Tasks::new();
        let open = Arc::clone(&behind);
        let now = move || open.get().map_or_else(|| closed.clone(), Open::now);
        serve(listener, now, serving, &tasks, "callers");
        let beside = public.map(|uptime| uptime::routes(uptime, Audience::Public, tasks.token()));
        Ok(Self { address, scheme, behind, beside: beside.unwrap_or_default(), tasks })
    }

    /// Lets calls through to the gateway. Gives the tasks of the listener.
    pub(crate) fn open(self, gateway: &Arc<Gateway>) -> Tasks {
        let open = |scripts| routes(Arc::clone(gateway), scripts).merge(self.beside.clone());
        let (plain, scripts) = (open(false), open(true));
        drop(self.behind.set(Open { gateway: Arc::clone(gateway), plain, scripts }));
        self.tasks
    }
}

#[rustfmt::skip]
fn closed(state: Closed) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .fallback(refuse)
        .with_state(state)
}

/// A connection that was made before the door opened may live on after it.
async fn refuse(State(closed): State<Closed>, request: Request) -> Response<Body> {
    if let Some(open) = closed.behind.get() {
        return match open.now().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
    }
    let (ready, report) = closed.status.readiness();
    if request.uri().path() == "/readyz" {
        return readiness(ready, &report);
    }
    let mut error = Error::new(Kind::NotReady, "the hub is starting: /readyz says what is missing");
    error.retry_after = Some(Duration::from_secs(1));
    openai_response(&error, None)
}
