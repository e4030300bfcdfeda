//! The settings of a hub in front of the upstreams, and the play of one way to fail.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use super::load::Load;
use super::measure::Measured;
use super::states::States;
use super::way::{Upstreams, Way};

/// The model that all upstreams serve.
pub(super) const MODEL: &str = "m";

/// Where calls go, and where health is looked at.
#[derive(Clone, Debug)]
pub struct Gateways {
    /// Callers' listeners.
    pub callers: Vec<SocketAddr>,
    /// Operators' listeners.
    pub operators: Vec<SocketAddr>,
    /// An API key of them.
    pub key: String,
}

/// How long the upstream is well, ill, and well again.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Before.
    pub well: Duration,
    /// In trouble.
    pub ill: Duration,
    /// After.
    pub after: Duration,
}

/// Upstreams, gateways and a rate.
#[derive(Debug)]
pub struct Setting {
    /// The upstreams.
    pub upstreams: Upstreams,
    /// The gateways.
    pub gateways: Gateways,
    /// Calls a second.
    pub rate: f64,
}

/// What the hub is told of the upstreams; silence is given up after three seconds.
///
/// # Errors
/// The file of vendors can't be written.
pub fn settings(upstreams: &Upstreams, folder: &Path) -> anyhow::Result<String> {
    let vendors = folder.join("vendors.toml");
    std::fs::create_dir_all(folder)?;
    std::fs::write(
        &vendors,
        "[[vendors]]\nid = \"scripted\"\nbase_url = \"http://127.0.0.1:9/v1\"\nfirst_byte = \"3s\"\n\
         credit_texts = [\"insufficient_quota\"]\n",
    )?;
    let mut more = format!("vendors_file = {vendors:?}\n");
    let mut targets = Vec::new();
    for (id, url) in upstreams.urls() {
        write!(
            more,
            "[[providers]]\nid = {id:?}\nvendor = \"scripted\"\nbase_url = {url:?}\n\
             credentials = [{{ id = \"main\", secret = \"upstream-key\" }}]\n"
        )?;
        targets.push(format!("{{ provider = {id:?} }}"));
    }
    write!(more, "[[models]]\nname = {MODEL:?}\ntargets = [{}]\n", targets.join(", "))?;
    Ok(more)
}

impl Setting {
    /// Plays one way to fail. `ill` is called when the trouble has lasted for half of its time.
    ///
    /// # Errors
    /// An upstream could not be started again.
    pub async fn play(
        &mut self,
        way: Way,
        times: Times,
        ill: impl FnOnce(),
    ) -> anyhow::Result<Measured> {
        let Gateways { callers, operators, key } = &self.gateways;
        let states = States::watch(operators);
        let load = Load::start(callers, key, MODEL, self.rate);
        tokio::time::sleep(times.well).await;
        let onset = Instant::now();
        self.upstreams.fail(way).await?;
        tokio::time::sleep(times.ill / 2).await;
        tokio::task::block_in_place(ill);
        tokio::time::sleep(times.ill / 2).await;
        let repair = Instant::now();
        self.upstreams.mend().await?;
        tokio::time::sleep(times.after).await;
        let end = Instant::now();
        let (calls, seen) = tokio::task::block_in_place(|| (load.stop(), states.stop()));
        Ok(Measured::of(&calls, &seen, (onset, repair, end)))
    }
}
