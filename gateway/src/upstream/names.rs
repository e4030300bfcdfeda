//! Names to addresses. What is connected to is what was checked: a name is resolved once for each connection.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec::IntoIter;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::dns;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::connect::Refused;
use super::zone::{Denied, Zone};

/// What names mean.
pub(super) trait Names: fmt::Debug + Send + Sync {
    /// The addresses of a host, with port 0.
    ///
    /// # Errors
    /// It has none, or nobody says.
    fn find(&self, host: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// As this machine resolves them.
#[derive(Debug)]
pub(super) struct System;

impl Names for System {
    fn find(&self, host: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) }.boxed()
    }
}

/// Resolves names to addresses that may be connected to.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    names: Arc<dyn Names>,
    zone: Zone,
    /// Hosts that may be at private addresses all the same.
    trusted: Arc<[String]>,
}

impl Resolver {
    pub(super) fn new(names: &Arc<dyn Names>, zone: Zone) -> Self {
        Self { names: Arc::clone(names), zone, trusted: [].into() }
    }

    pub(super) fn trusting(self, hosts: impl IntoIterator<Item = String>) -> Self {
        Self { trusted: hosts.into_iter().collect(), ..self }
    }

    /// One address that is not allowed refuses them all: who answers so is mistaken, or an attacker.
    async fn resolve(self, host: String) -> Result<IntoIter<SocketAddr>, Refused> {
        let trusted = self.trusted.contains(&host);
        let zone = if trusted { Zone::Private } else { self.zone };
        let found = self.names.find(host).await?;
        found.iter().try_for_each(|address| zone.check(address.ip()))?;
        Ok(found.into_iter())
    }
}

/// For the connections of calls.
impl tower::Service<dns::Name> for Resolver {
    type Response = IntoIter<SocketAddr>;
    type Error = Refused;
    type Future = BoxFuture<'static, Result<Self::Response, Refused>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: dns::Name) -> Self::Future {
        self.clone().resolve(name.as_str().to_owned()).boxed()
    }
}

/// For what is beside them.
impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.clone().resolve(name.as_str().to_owned());
        found.map(|found| Ok(Box::new(found?) as Addrs)).boxed()
    }
}

impl From<Denied> for io::Error {
    fn from(denied: Denied) -> Self {
        Self::new(io::ErrorKind::PermissionDenied, denied)
    }
}
