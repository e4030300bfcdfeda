//! The hub's processes, and how they die.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rand::Rng as _;
use rand::rngs::StdRng;

use super::cluster::Servers;
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
    /// The settings and the data folder of all roles beside the gateways.
    pub(super) hub: Hub,
    pub(super) fake: Arc<FakeProvider>,
    pub(super) gateways: Vec<Gateway>,
    pub(super) roles: Vec<Process>,
    /// The log and what belongs to it, when it is no file.
    pub(super) servers: Option<Servers>,
}

/// A gateway with its settings and its data folder.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) hub: Hub,
    /// While it lives.
    pub(super) process: Option<Process>,
}

impl Gateway {
    pub(super) fn launch(&mut self) -> anyhow::Result<()> {
        self.process = Some(self.hub.start("gateway")?);
        Ok(())
    }

    pub(super) fn until_ready(&mut self) -> anyhow::Result<()> {
        let Self { hub, process } = self;
        let process = process.as_mut().context("the gateway")?;
        process.until("got ready", || hub.is_ready()).with_context(|| hub.tail("gateway"))
    }

    /// Kills it; it must have been alive.
    pub(super) fn kill(&mut self, report: &mut Report) -> anyhow::Result<()> {
        let mut process = self.process.take().context("the gateway")?;
        anyhow::ensure!(process.runs(), "the gateway died by itself: {}", self.hub.tail("gateway"));
        process.kill()?;
        report.gateway_kills += 1;
        Ok(())
    }
}

impl Rig {
    /// Starts all roles and waits for the gateways.
    ///
    /// # Errors
    /// One of them ended.
    pub fn start(
        hub: &Hub,
        gateways: &[Hub],
        fake: Arc<FakeProvider>,
        servers: Option<Servers>,
    ) -> anyhow::Result<Self> {
        let roles = ROLES.iter().map(|role| hub.start(role)).collect::<Result<_, _>>()?;
        let gateway = |hub: &Hub| Gateway { hub: hub.clone(), process: None };
        let gateways = gateways.iter().map(gateway).collect();
        let mut rig = Self { hub: hub.clone(), fake, gateways, roles, servers };
        for gateway in &mut rig.gateways {
            gateway.launch()?;
        }
        rig.until_ready()?;
        Ok(rig)
    }

    /// Waits until all gateways take calls.
    pub(super) fn until_ready(&mut self) -> anyhow::Result<()> {
        self.gateways.iter_mut().try_for_each(Gateway::until_ready)
    }

    /// Asks the gateways to stop, which ships what their outboxes hold. Gives what is wrong when
    /// one did not end in order.
    ///
    /// # Errors
    /// One did not stop in time.
    pub fn drain(&mut self) -> anyhow::Result<Vec<String>> {
        let mut wrong = Vec::new();
        for gateway in &mut self.gateways {
            let status = gateway.process.take().context("the gateway")?.stop()?;
            if !status.success() {
                wrong.push(format!("a gateway was asked to stop and ended with {status}"));
            }
        }
        Ok(wrong)
    }

    /// Stops what runs.
    ///
    /// # Errors
    /// A role did not stop in time.
    pub fn stop(self) -> anyhow::Result<()> {
        let gateways = self.gateways.into_iter().filter_map(|gateway| gateway.process);
        for process in gateways.chain(self.roles.into_iter().rev()) {
            process.stop()?;
        }
        Ok(())
    }

    /// Kills a gateway at a random instant with calls in flight, says what they were in the
    /// middle of, and starts it again; one time in three it is killed while it starts, too. With
    /// `copy`, all roles die with it, and the data folder is copied as a power loss may leave it.
    ///
    /// # Errors
    /// There was no load, or the gateway did not come back.
    pub(super) fn kill_gateway(
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
        let held_log =
            copy.map(|_| power::hold(&super::log_file(self.hub.folder()))).transpose()?;
        if held_log.is_some() {
            std::thread::sleep(Duration::from_millis(rng.random_range(5..300)));
        }
        self.loaded()?;
        // half of the kills meet calls at the beginning of their way, the others at any place
        let burst = if rng.random() { BURST } else { 0 };
        let number = rng.random_range(0..self.gateways.len());
        // on a cluster the way to the outbox leads over the brokers
        let soon = if self.servers.is_some() { 600 } else { 60 };
        let gateway = self.gateways.get_mut(number).context("a gateway")?;
        let held = callers::burst(gateway.hub.listen, &gateway.hub.key, burst, rng);
        std::thread::sleep(Duration::from_micros(rng.random_range(0..2500)));
        gateway.kill(report)?;
        drop((held, held_log));
        let outbox = inspect(&gateway.hub, &self.fake, &mut report.stages)?;
        if let (Some(folder), Some(before)) = (copy, &before) {
            report.copies.push(self.lose_power(folder, before.path())?);
        }
        let gateway = self.gateways.get_mut(number).context("a gateway")?;
        if rng.random_ratio(1, 3) || report.stages.recovering == 0 {
            gateway.launch()?;
            std::thread::sleep(Duration::from_millis(rng.random_range(1..soon)));
            if !gateway.hub.is_ready() && !outbox.open().is_empty() {
                report.stages.recovering += 1;
            }
            gateway.kill(report)?;
        }
        gateway.launch()?;
        gateway.until_ready()
    }

    /// The end of what each gateway printed.
    fn tails(&self) -> String {
        let tails = self.gateways.iter().map(|gateway| gateway.hub.tail("gateway"));
        tails.collect::<Vec<_>>().join("\n\n")
    }

    /// Waits for enough calls in flight.
    pub(super) fn loaded(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(120);
        while self.fake.record().counts().1 < IN_FLIGHT {
            anyhow::ensure!(
                Instant::now() < deadline,
                "no {IN_FLIGHT} calls got in flight: {}",
                self.tails()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
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
    pub(super) fn kill_role(
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

/// What a dead gateway was in the middle of.
fn inspect(hub: &Hub, fake: &FakeProvider, stages: &mut Stages) -> anyhow::Result<Outbox> {
    let outbox = Outbox::read(&hub.data().join("outbox"))?;
    let deadline = Instant::now() + Duration::from_secs(10);
    let ends = loop {
        let served = oracle::served(&fake.record().entries());
        let open = outbox.open();
        let seen = open.iter().map(|call| served.get(*call));
        // the fake sees its connections close; then its log is whole
        let closed = seen.clone().flatten().all(|seen| seen.ended.is_some());
        if closed || Instant::now() > deadline {
            let end = |seen: Option<&oracle::Served>| {
                seen.and_then(|seen| Some((seen.ended?, seen.status)))
            };
            break seen.map(end).collect::<BTreeSet<Option<(Ended, u16)>>>();
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let met = |test: fn(&Option<(Ended, u16)>) -> bool| u32::from(ends.iter().any(test));
    stages.before_upstream += met(Option::is_none);
    stages.in_flight += met(|end| matches!(end, Some((Ended::ClientClosed, _))));
    stages.settling += met(|end| *end == Some((Ended::Answered, 200)));
    stages.shipping += u32::from(outbox.unshipped() > 0);
    Ok(outbox)
}
