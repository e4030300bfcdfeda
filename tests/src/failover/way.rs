//! Ways in which an upstream fails, and three upstreams of which the first does.

use std::net::SocketAddr;

use anyhow::Context as _;

use crate::fake_provider::{Behaviour, FakeProvider, Options};
use crate::process::free_address;

/// A way to fail.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// In words.
    pub name: &'static str,
    /// As [`Behaviour::parse`] reads it; `gone` for nobody listening.
    pub behaviour: &'static str,
    /// Of how many percent of the requests.
    pub percent: u32,
}

const fn way(name: &'static str, behaviour: &'static str, percent: u32) -> Way {
    Way { name, behaviour, percent }
}

/// The matrix.
pub const WAYS: [Way; 11] = [
    way("outage: 500", "500", 100),
    way("overload: 503", "503", 100),
    way("answers that can't be read", "malformed", 100),
    way("connections cut", "no_answer", 100),
    way("connections refused", "gone", 100),
    way("a stall: taken, never answered", "stall_first", 100),
    way("brown-out: half fails", "500", 50),
    way("rate limit, Retry-After 2 s", "rate_limit=2", 70),
    way("a slow tail: 1 of 10 waits 3 s", "latency_ms=3000", 10),
    way("a bad key", "401", 100),
    way("no credit", "quota", 100),
];

/// Names of the upstreams' providers; the first one fails.
pub(super) const PROVIDERS: [&str; 3] = ["a", "b", "c"];

/// Three upstreams.
#[derive(Debug)]
pub struct Upstreams {
    addresses: Vec<SocketAddr>,
    fakes: Vec<Option<FakeProvider>>,
}

impl Upstreams {
    /// Starts them; all are well.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> anyhow::Result<Self> {
        let (mut addresses, mut fakes) = (Vec::new(), Vec::new());
        for _ in PROVIDERS {
            let listen = free_address()?;
            fakes.push(Some(fake(listen).await?));
            addresses.push(listen);
        }
        Ok(Self { addresses, fakes })
    }

    /// Base URLs, by provider.
    pub fn urls(&self) -> Vec<(&'static str, String)> {
        let urls = self.addresses.iter().map(|address| format!("http://{address}/v1"));
        PROVIDERS.into_iter().zip(urls).collect()
    }

    /// How many requests the first one has had since it was started.
    pub fn asked(&self) -> usize {
        let first = self.fakes.first().and_then(Option::as_ref);
        first.map_or(0, |fake| fake.record().entries().len())
    }

    /// The first one fails from now on.
    ///
    /// # Errors
    /// The way can't be read.
    pub async fn fail(&mut self, way: Way) -> anyhow::Result<()> {
        let first = self.fakes.first_mut().context("there are upstreams")?;
        if way.behaviour == "gone" {
            if let Some(fake) = first.take() {
                fake.stop().await;
            }
        } else if let Some(fake) = first {
            fake.usually(Behaviour::parse(way.behaviour)?, way.percent);
        }
        Ok(())
    }

    /// It is well again.
    ///
    /// # Errors
    /// Its port was taken meanwhile.
    pub async fn mend(&mut self) -> anyhow::Result<()> {
        let listen = *self.addresses.first().context("there are upstreams")?;
        match self.fakes.first_mut() {
            Some(Some(fake)) => fake.usually(Behaviour::default(), 100),
            Some(gone) => *gone = Some(fake(listen).await?),
            None => {}
        }
        Ok(())
    }
}

async fn fake(listen: SocketAddr) -> anyhow::Result<FakeProvider> {
    let options = Options { listen, ..Options::default() };
    FakeProvider::start(options).await.with_context(|| format!("a provider at {listen}"))
}
