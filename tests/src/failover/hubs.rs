//! The hub in front of the upstreams: alone with everything embedded, or two gateways on Kafka.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::setting::Gateways;
use super::states::{Transition, now};
use crate::hub::Hub;
use crate::kafka::Kafka;
use crate::process::Process;

/// Variables that a hub may see of this machine's.
const KEPT: [&str; 6] =
    ["PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "HUB_CLICKHOUSE_LIBRARY"];

/// A hub that runs; all its processes are killed when it is dropped.
#[derive(Debug)]
pub struct Hubs {
    hubs: Vec<Hub>,
    health: Option<Process>,
    others: Vec<Process>,
    kafka: Option<Kafka>,
}

impl Hubs {
    /// Everything in one process.
    ///
    /// # Errors
    /// It does not start.
    pub fn alone(binary: &Path, folder: &Path, more: &str) -> anyhow::Result<Self> {
        let hubs = vec![Hub::new(binary, &folder.join("alone"), &[], more)?];
        let mut alone = Self { hubs, health: None, others: Vec::new(), kafka: None };
        let serve = alone.start(0, "serve")?;
        alone.others.push(serve);
        alone.until_ready()?;
        Ok(alone)
    }

    /// Two gateways, billing and health, each a process, on a broker of their own.
    ///
    /// # Errors
    /// One of them does not start.
    pub fn on_kafka(binary: &Path, folder: &Path, more: &str) -> anyhow::Result<Self> {
        let kafka = Kafka::start(&folder.join("kafka"))?;
        let hubs = ["left", "right"].map(|name| Hub::new(binary, &folder.join(name), &[], more));
        let hubs = hubs.into_iter().collect::<anyhow::Result<_>>()?;
        let mut all = Self { hubs, health: None, others: Vec::new(), kafka: Some(kafka) };
        for (place, role) in [(0, "gateway"), (1, "gateway"), (0, "billing")] {
            let process = all.start(place, role)?;
            all.others.push(process);
        }
        all.start_health()?;
        all.until_ready()?;
        Ok(all)
    }

    /// Where its gateways are.
    pub fn gateways(&self) -> Gateways {
        Gateways {
            callers: self.hubs.iter().map(|hub| hub.listen).collect(),
            operators: self.hubs.iter().map(|hub| hub.admin).collect(),
            key: self.hubs.first().map(|hub| hub.key.clone()).unwrap_or_default(),
        }
    }

    /// Kills the health processor, where it is a process of its own.
    ///
    /// # Errors
    /// It could not be waited for.
    pub fn kill_health(&mut self) -> anyhow::Result<()> {
        self.health.take().map(|mut health| health.kill()).transpose()?;
        Ok(())
    }

    /// Starts it, or starts it again.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_health(&mut self) -> anyhow::Result<()> {
        self.health = Some(self.start(0, "health")?);
        Ok(())
    }

    /// What each gateway knows of health now, in the order of the subjects.
    pub fn states(&self) -> Vec<Vec<Transition>> {
        self.hubs.iter().map(|hub| now(hub.admin)).collect()
    }

    /// Derives health again from the log and holds it against what is published.
    ///
    /// # Errors
    /// They differ.
    pub fn replay(&self) -> anyhow::Result<()> {
        let said = self.command(0, &["replay", "health", "--json"])?.output()?;
        let told = String::from_utf8_lossy(&said.stdout);
        ensure!(said.status.success(), "{told} {}", String::from_utf8_lossy(&said.stderr));
        Ok(())
    }

    fn start(&self, place: usize, role: &str) -> anyhow::Result<Process> {
        let hub = self.hubs.get(place).context("there is such a hub")?;
        Process::start(role, &mut self.command(place, &[role])?, &hub.log(role))
    }

    fn command(&self, place: usize, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = self.hubs.get(place).context("there is such a hub")?.command(arguments);
        for (name, _) in runtime::config::environment() {
            let own = command.get_envs().any(|(known, _)| known == name.as_str());
            if !own && !KEPT.contains(&name.as_str()) {
                command.env_remove(name);
            }
        }
        if let Some(kafka) = &self.kafka {
            kafka.keeps_log_of(&mut command);
        }
        Ok(command)
    }

    fn until_ready(&mut self) -> anyhow::Result<()> {
        for (hub, process) in self.hubs.iter().zip(&mut self.others) {
            let role = if self.kafka.is_some() { "gateway" } else { "serve" };
            let ready = process.until("was ready", || hub.is_ready());
            ready.with_context(|| hub.tail(role))?;
        }
        Ok(())
    }
}
