//! A log that is away for long: what the gateways do meanwhile, and afterwards.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::callers::{Ended, Seen};
use super::cluster::eventually;
use super::kills::{Gateway, ROLES, Rig};
use crate::hub::get;
use crate::load::proc::resident;

/// How often memory is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Memory that a process may gain in the second half of an outage, bytes.
const GAIN: u64 = 16 << 20;
/// Calls that must be answered after it, and how old the oldest event outside of the log may be.
const SERVED: u64 = 100;
const SHIPPED: u64 = 3_000;

/// An outage and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Outage {
    /// How long.
    pub lasted: Duration,
    /// Answers with their good end before any call was refused for a full outbox.
    pub served: u64,
    /// When the first call was refused for that.
    pub full_after: Option<Duration>,
    /// How many were.
    pub refused: u64,
    /// Events that waited at its end.
    pub waiting: u64,
    /// How long it took afterwards to ship them and to take calls as before.
    pub over_after: Duration,
    /// Resident memory, bytes: at its begin, in the middle, at the end, and the most.
    pub memory: BTreeMap<String, [u64; 4]>,
}

impl Outage {
    pub(super) fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.full_after.is_none() {
            wrong.push("the outage was too short to fill an outbox".to_owned());
        }
        if self.served == 0 {
            wrong.push("no call was served in the outage".to_owned());
        }
        for (name, [_, middle, end, _]) in &self.memory {
            if *end > middle + GAIN {
                wrong.push(format!("{name} grew in the outage from {middle} to {end} bytes"));
            }
        }
        wrong
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "outage of {:?}: {} calls served until an outbox was full after {:?}, {} refused with 503; \
             {} events waited, shipped and calls taken again {:?} after it",
            self.lasted, self.served, self.full_after, self.refused, self.waiting, self.over_after
        )?;
        for (name, memory) in &self.memory {
            let [begin, middle, end, most] = memory.map(|bytes| bytes >> 20);
            writeln!(
                f,
                "memory of {name}: {begin} MiB before, {middle} in the middle, {end} at the end, {most} at most"
            )?;
        }
        Ok(())
    }
}

impl Rig {
    /// Takes the broker away for some time, under load.
    ///
    /// # Errors
    /// A gateway died, or calls are not taken again.
    pub(super) fn lose_broker(&mut self, time: Duration, seen: &Seen) -> anyhow::Result<Outage> {
        self.loaded()?;
        self.servers()?.broker.process().kill()?;
        let mut outage = Outage::default();
        let (began, served, full) =
            (Instant::now(), seen.count(Ended::Whole), seen.count(Ended::Full));
        while began.elapsed() < time {
            std::thread::sleep(LOOK);
            if outage.full_after.is_none() {
                outage.served = seen.count(Ended::Whole) - served;
                outage.full_after = (seen.count(Ended::Full) > full).then(|| began.elapsed());
            }
            let late = began.elapsed() > time / 2;
            self.watch(&mut outage.memory, late)?;
        }
        outage.refused = seen.count(Ended::Full) - full;
        outage.waiting = self.gateways.iter().map(|gateway| waiting(gateway).0).sum();
        outage.lasted = began.elapsed();
        let back = Instant::now();
        let broker = &mut self.servers()?.broker;
        broker.restart()?;
        broker.until_it_serves()?;
        let served = seen.count(Ended::Whole);
        eventually("shipping and calls after the outage", || {
            let shipped = self.gateways.iter().all(|gateway| waiting(gateway).1 < SHIPPED);
            Ok(shipped && seen.count(Ended::Whole) >= served + SERVED)
        })?;
        outage.over_after = back.elapsed();
        Ok(outage)
    }

    /// Looks at the memory of gateways and processors.
    fn watch(&mut self, memory: &mut BTreeMap<String, [u64; 4]>, late: bool) -> anyhow::Result<()> {
        let gateways = (1..).zip(&mut self.gateways).filter_map(|(number, gateway)| {
            let number: u32 = number;
            Some((format!("gateway {number}"), gateway.process.as_mut()?))
        });
        let roles =
            ROLES.iter().zip(&mut self.roles).map(|(role, process)| ((*role).to_owned(), process));
        // the engine's memory is another program's matter
        for (name, process) in gateways.chain(roles.filter(|(role, _)| role != "clickhouse")) {
            anyhow::ensure!(process.runs(), "{name} died in the outage");
            let now = resident(&[process.id()]);
            let [_, middle, end, most] = memory.entry(name).or_insert([now; 4]);
            if !late {
                *middle = now;
            }
            *end = now;
            *most = now.max(*most);
        }
        Ok(())
    }
}

/// Events that a gateway has not shipped yet, and the age of the oldest, in ms.
fn waiting(gateway: &Gateway) -> (u64, u64) {
    let report = get(gateway.hub.admin, "/readyz").ok();
    let report: Value =
        report.and_then(|(_, body)| serde_json::from_str(&body).ok()).unwrap_or_default();
    let number = |name: &str| report["outbox"][name].as_u64().unwrap_or(u64::MAX);
    (number("unshipped_records"), number("oldest_unshipped_ms"))
}
