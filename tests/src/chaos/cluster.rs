//! What happens to a hub on a cluster beside the deaths of its parts: a broker that dies or stands
//! still, a registry that is away, and owners that were given up and come back.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use runtime::log::{Log, Offset};
use schemas::topics::Topic;

use super::kills::{ROLES, Rig};
use super::log::Place;
use super::{PARTITIONS, Report};
use crate::hub::Hub;
use crate::kafka::{Kafka, Registry};

/// How long a second owner may take to be at work, and the first to see that it is fenced.
const PATIENCE: Duration = Duration::from_secs(240);

/// How a cluster is tried.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Gateways, each with a data folder of its own.
    pub gateways: u32,
    /// MiB that each gateway's outbox may take.
    pub outbox: u32,
    /// Times that the broker is killed and started again.
    pub broker_kills: u32,
    /// How long the broker stands still, once; not at all when zero.
    pub broker_pause: Duration,
    /// How long the schema registry is away, once; there is none when zero.
    pub registry_away: Duration,
    /// Times that a billing processor stands still until another has taken over, and goes on then.
    pub zombies: u32,
    /// How long the broker is away under load, at the end; not at all when zero.
    pub outage: Duration,
}

/// Something that happens to a cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    BrokerKill,
    BrokerPause(Duration),
    RegistryAway(Duration),
    Zombie,
}

impl Fault {
    const fn name(self) -> &'static str {
        match self {
            Self::BrokerKill => "broker killed",
            Self::BrokerPause(_) => "broker paused",
            Self::RegistryAway(_) => "registry away",
            Self::Zombie => "billing zombie",
        }
    }
}

impl Cluster {
    /// All that is to happen but the outage, in an order made by chance.
    pub(super) fn plan(&self, rng: &mut StdRng) -> Vec<Fault> {
        let times = |fault, count: u32| (0..count).map(move |_| fault);
        let once = |fault, time: Duration| times(fault, u32::from(!time.is_zero()));
        let mut plan: Vec<Fault> = times(Fault::BrokerKill, self.broker_kills)
            .chain(once(Fault::BrokerPause(self.broker_pause), self.broker_pause))
            .chain(once(Fault::RegistryAway(self.registry_away), self.registry_away))
            .chain(times(Fault::Zombie, self.zombies))
            .collect();
        plan.shuffle(rng);
        plan
    }
}

/// What a hub on a cluster stands on.
#[derive(Debug)]
pub struct Servers {
    pub(super) broker: Kafka,
    pub(super) registry: Option<Registry>,
}

impl Servers {
    /// Starts them, with their data in `folder`.
    pub(super) fn start(cluster: &Cluster, folder: &Path) -> anyhow::Result<Self> {
        let broker = Kafka::start(&folder.join("kafka"))?;
        let start = || Registry::start(broker.address(), &folder.join("registry"));
        let registry = (!cluster.registry_away.is_zero()).then(start).transpose()?;
        Ok(Self { broker, registry })
    }

    /// Where they are.
    pub(super) fn place(&self) -> Place {
        let registry = self.registry.as_ref().map(Registry::url);
        Place::Kafka { broker: self.broker.address(), registry }
    }
}

/// A hub's settings once more, on another data folder, and its log: what a second owner needs.
pub(super) struct Second<'a> {
    pub(super) hub: &'a dyn Fn() -> anyhow::Result<Hub>,
    pub(super) place: &'a Place,
    pub(super) tokio: &'a tokio::runtime::Runtime,
}

impl Rig {
    /// Lets a fault happen under load.
    ///
    /// # Errors
    /// What was to outlive it did not.
    pub(super) fn suffer(
        &mut self,
        fault: Fault,
        second: &Second<'_>,
        rng: &mut StdRng,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let broker = &mut self.servers()?.broker;
        broker.until_it_serves()?;
        match fault {
            Fault::BrokerKill => {
                broker.process().kill()?;
                std::thread::sleep(Duration::from_millis(rng.random_range(0..3000)));
                // what is killed next may well start before it
                broker.restart()?;
            }
            Fault::BrokerPause(time) => {
                broker.process().pause()?;
                self.meanwhile(time, rng, report)?;
                self.servers()?.broker.process().resume()?;
                self.until_ready()?;
            }
            Fault::RegistryAway(time) => {
                self.registry()?.process().kill()?;
                self.meanwhile(time, rng, report)?;
                // who has seen it once starts without it
                self.until_ready()?;
                self.registry()?.restart()?;
                self.registry()?.until_it_serves()?;
            }
            Fault::Zombie => self.zombie(second, report)?,
        }
        *report.faults.entry(fault.name()).or_default() += 1;
        Ok(())
    }

    pub(super) fn servers(&mut self) -> anyhow::Result<&mut Servers> {
        self.servers.as_mut().context("a broker of our own")
    }

    fn registry(&mut self) -> anyhow::Result<&mut Registry> {
        self.servers()?.registry.as_mut().context("a registry of our own")
    }

    /// Time passes; a gateway dies, and a processor.
    fn meanwhile(
        &mut self,
        time: Duration,
        rng: &mut StdRng,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        std::thread::sleep(time / 2);
        let (gateway, role) =
            (rng.random_range(0..self.gateways.len()), rng.random_range(0..ROLES.len()));
        let gateway = self.gateways.get_mut(gateway).context("a gateway")?;
        gateway.kill(report)?;
        gateway.launch()?;
        self.kill_role(role, rng, report)?;
        std::thread::sleep(time / 2);
        Ok(())
    }

    /// The billing processor stands still, another takes over on another data folder, and the
    /// first goes on: it must see that it is fenced, in each partition.
    fn zombie(&mut self, second: &Second<'_>, report: &mut Report) -> anyhow::Result<()> {
        let at = ROLES.iter().position(|role| *role == "billing").context("billing")?;
        let log = second.tokio.block_on(second.place.open())?;
        let ends = || second.tokio.block_on(ledger_ends(&*log));
        let all_moved =
            |before: &[Offset], now: &[Offset]| before.iter().zip(now).all(|(b, n)| n > b);
        // it must be at work in each partition to be fenced there
        let before = ends()?;
        eventually("billing at work", || Ok(all_moved(&before, &ends()?)))?;

        let zombie = self.roles.get(at).context("billing")?;
        zombie.pause()?;
        let before = ends()?;
        let other = (second.hub)()?;
        let mut owner = other.start("billing")?;
        eventually("a second billing at work", || Ok(all_moved(&before, &ends()?)))
            .with_context(|| other.tail("billing"))?;
        let said = self.hub.said("billing").len();
        zombie.resume()?;
        // another owner's mark on each partition it held
        let fenced = |text: &str| text.matches("another owner took over").count();
        let partitions = usize::try_from(PARTITIONS)?;
        let told =
            || Ok(fenced(self.hub.said("billing").get(said..).unwrap_or_default()) == partitions);
        let seen = eventually("the first billing fenced", told);
        anyhow::ensure!(owner.runs(), "the second billing died: {}", other.tail("billing"));
        if let Err(error) = seen {
            report.verdicts.push(format!("{error}: {}", self.hub.tail("billing")));
        }
        if fenced(&other.said("billing")) > 0 {
            report.verdicts.push("the second billing was fenced by the first".to_owned());
        }
        // the second one dies in its turn, and the first starts again
        owner.kill()?;
        let process = self.roles.get_mut(at).context("billing")?;
        process.kill()?;
        *process = self.hub.start("billing")?;
        Ok(())
    }
}

/// Where the journal ends, in each partition.
async fn ledger_ends(log: &dyn Log) -> anyhow::Result<Vec<Offset>> {
    let mut ends = Vec::new();
    for partition in 0..log.partitions(Topic::Ledger) {
        ends.push(log.ends(Topic::Ledger.at(partition)).await?.end);
    }
    Ok(ends)
}

/// Looks until it is so.
pub(super) fn eventually(
    what: &str,
    mut look: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !look()? {
        anyhow::ensure!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
