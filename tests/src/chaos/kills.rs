//! The hub's processes, and how they die.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rand::Rng as _;
use rand::rngs::StdRng;

use super::outbox::Outbox;
use super::{Copy, IN_FLIGHT, Report, callers, oracle, power};
use crate::fake_provider::{Ended, FakeProvider};
use crate::hub::Hub;
use crate::process::Process;

/// Calls that are sent at once before a kill.
const BURST: usize = 24;

/// The roles beside the gateway, in the order in which they are started.
pub const ROLES: [&str; 4] = ["clickhouse", "billing", "health", "sink"];

/// Kills of the gateway by what calls were in the middle of; a kill may count for several.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stages {
    /// Admitted, and the vendor never saw the call.
    pub before_upstream: u32,
    /// The vendor was answering.
    pub in_flight: u32,
    /// The vendor was done, the call was not settled.
    pub settling: u32,
    /// Settled, and not known to be in the log.
    pub shipping: u32,
    /// Not ready yet after a start.
    pub recovering: u32,
}

impl Stages {
    /// All of them, by name.
    pub const fn all(&self) -> [(&'static str, u32); 5] {
        [
            ("before the upstream call", self.before_upstream),
            ("in flight", self.in_flight),
            ("settling", self.settling),
            ("shipping", self.shipping),
            ("recovering", self.recovering),
        ]
    }
}

impl std::fmt::Display for Stages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = self.all().map(|(name, count)| format!("{count} {name}"));
        f.write_str(&parts.join(", "))
    }
}

/// A hub whose roles run as processes of their own.
#[derive(Debug)]
pub struct Rig {
    hub: Hub,
    fake: Arc<FakeProvider>,
    /// The gateway, while it lives.
    pub gateway: Option<Process>,
    roles: Vec<Process>,
}

impl Rig {
    /// Starts all roles and waits for the gateway.
    ///
    /// # Errors
    /// One of them ended.
    pub fn start(hub: &Hub, fake: Arc<FakeProvider>) -> anyhow::Result<Self> {
        let roles = ROLES.iter().map(|role| hub.start(role)).collect::<Result<_, _>>()?;
        let mut rig = Self { hub: hub.clone(), fake, gateway: None, roles };
        rig.start_gateway()?;
        Ok(rig)
    }

    fn start_gateway(&mut self) -> anyhow::Result<()> {
        let mut process = self.hub.start("gateway")?;
        process
            .until("got ready", || self.hub.is_ready())
            .with_context(|| self.hub.tail("gateway"))?;
        self.gateway = Some(process);
        Ok(())
    }

    /// Asks the gateway to stop, which ships what its outbox holds. Gives what is wrong when it
    /// did not end in order.
    ///
    /// # Errors
    /// It did not stop in time.
    pub fn drain(&mut self) -> anyhow::Result<Option<String>> {
        let status = self.gateway.take().context("the gateway")?.stop()?;
        Ok((!status.success())
            .then(|| format!("the gateway was asked to stop and ended with {status}")))
    }

    /// Stops what runs.
    ///
    /// # Errors
    /// A role did not stop in time.
    pub fn stop(self) -> anyhow::Result<()> {
        for process in self.gateway.into_iter().chain(self.roles.into_iter().rev()) {
            process.stop()?;
        }
        Ok(())
    }

    /// Kills the gateway at a random instant with calls in flight, says what they were in the
    /// middle of, and starts it again; one time in three it is killed while it starts, too. With
    /// `copy`, all roles die with it, and the data folder is copied as a power loss may leave it.
    ///
    /// # Errors
    /// There was no load, or the gateway did not come back.
    pub fn kill_gateway(
        &mut self,
        rng: &mut StdRng,
        report: &mut Report,
        copy: Option<&Path>,
    ) -> anyhow::Result<()> {
        // long enough, one time in three, to fill the first file of the outbox and go on in the next
        let most = if rng.random_ratio(1, 3) { 2500 } else { 400 };
        std::thread::sleep(Duration::from_millis(rng.random_range(20..most)));
        let before = copy.map(|_| tempfile::tempdir()).transpose()?;
        if let Some(before) = &before {
            power::copy(&self.hub.data().join("outbox"), before.path())?;
        }
        // a log that stands still: what is settled meanwhile waits in the outbox
        let held_log = copy.map(|_| power::hold(&super::log_file(&self.hub.data()))).transpose()?;
        if held_log.is_some() {
            std::thread::sleep(Duration::from_millis(rng.random_range(5..300)));
        }
        self.loaded()?;
        // half of the kills meet calls at the beginning of their way, the others at any place
        let burst = if rng.random() { BURST } else { 0 };
        let held = callers::burst(self.hub.listen, &self.hub.key, burst, rng);
        std::thread::sleep(Duration::from_micros(rng.random_range(0..2500)));
        let mut gateway = self.gateway.take().context("the gateway")?;
        anyhow::ensure!(gateway.runs(), "the gateway died by itself: {}", self.hub.tail("gateway"));
        gateway.kill()?;
        drop((held, held_log));
        report.gateway_kills += 1;
        let outbox = self.inspect(&mut report.stages)?;
        if let (Some(folder), Some(before)) = (copy, &before) {
            report.copies.push(self.lose_power(folder, before.path())?);
        }
        if rng.random_ratio(1, 3) || report.stages.recovering == 0 {
            let mut gateway = self.hub.start("gateway")?;
            std::thread::sleep(Duration::from_millis(rng.random_range(1..60)));
            if !self.hub.is_ready() && !outbox.open().is_empty() {
                report.stages.recovering += 1;
            }
            gateway.kill()?;
            report.gateway_kills += 1;
        }
        self.start_gateway()
    }

    /// Waits for enough calls in flight.
    fn loaded(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.fake.record().counts().1 < IN_FLIGHT {
            anyhow::ensure!(
                Instant::now() < deadline,
                "no {IN_FLIGHT} calls got in flight: {}",
                self.hub.tail("gateway")
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// What the dead gateway was in the middle of.
    fn inspect(&self, stages: &mut Stages) -> anyhow::Result<Outbox> {
        // the fake sees its connections close; then its log is whole
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.fake.record().counts().1 > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        let outbox = Outbox::read(&self.hub.data().join("outbox"))?;
        let served = oracle::served(&self.fake.record().entries());
        let ends: BTreeSet<Option<(Ended, u16)>> = outbox
            .open()
            .iter()
            .map(|call| served.get(*call).and_then(|seen| Some((seen.ended?, seen.status))))
            .collect();
        let met = |test: fn(&Option<(Ended, u16)>) -> bool| u32::from(ends.iter().any(test));
        stages.before_upstream += met(Option::is_none);
        stages.in_flight += met(|end| matches!(end, Some((Ended::ClientClosed, _))));
        stages.settling += met(|end| *end == Some((Ended::Answered, 200)));
        stages.shipping += u32::from(outbox.unshipped() > 0);
        Ok(outbox)
    }

    /// Kills all else too, and copies the data folder, with the outbox as it stood a little before.
    fn lose_power(&mut self, folder: &Path, before: &Path) -> anyhow::Result<Copy> {
        for process in &mut self.roles {
            process.kill_tree()?;
        }
        power::copy(&self.hub.data(), &folder.join("data"))?;
        power::copy(before, &folder.join(power::BEFORE))?;
        let entries = self.fake.record().entries().len();
        for (process, role) in self.roles.iter_mut().zip(ROLES) {
            *process = self.hub.start(role)?;
        }
        Ok(Copy { folder: folder.to_owned(), entries })
    }

    /// Kills a role and starts it again.
    ///
    /// # Errors
    /// It had died by itself.
    pub fn kill_role(
        &mut self,
        index: usize,
        rng: &mut StdRng,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let (Some(process), Some(role)) = (self.roles.get_mut(index), ROLES.get(index)) else {
            return Ok(());
        };
        std::thread::sleep(Duration::from_millis(rng.random_range(0..150)));
        anyhow::ensure!(process.runs(), "{role} died by itself: {}", self.hub.tail(role));
        process.kill_tree()?;
        *report.role_kills.entry(role).or_default() += 1;
        *process = self.hub.start(role)?;
        Ok(())
    }
}
