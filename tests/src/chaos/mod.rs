//! Conservation: a hub whose parts run as processes of their own is killed at random while calls
//! are in flight, and at the end every call that the vendor saw has exactly one settled event,
//! everywhere where one must be.
//!
//! The judge stands outside: the fake provider's log says what the vendor saw, the clients say
//! what they saw, and a dead gateway's outbox is read by its stated layout.

mod callers;
mod cluster;
mod kills;
mod log;
pub mod oracle;
pub mod order;
mod outage;
pub mod outbox;
mod power;
mod report;
mod verdicts;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use schemas::partition::partition_of;
use schemas::wire::Codec;

use self::cluster::{Second, Servers};
use self::log::Place;
use crate::fake_provider::FakeProvider;
use crate::hub::{Hub, Provider};

pub use callers::Seen;
pub use cluster::Cluster;
pub use kills::{ROLES, Rig, Stages};
pub use outage::Outage;
pub use report::Report;

/// How long and how hard.
#[derive(Clone, Debug)]
pub struct Options {
    /// The hub's binary.
    pub hub: PathBuf,
    /// Where everything is kept.
    pub folder: PathBuf,
    /// Calls at least.
    pub calls: u64,
    /// Times that the gateway is killed.
    pub gateway_kills: u32,
    /// Times that each other role is killed.
    pub processor_kills: u32,
    /// Power losses tried on copies.
    pub power_losses: u32,
    /// Clients.
    pub callers: u64,
    /// What chance is made from.
    pub seed: u64,
    /// The log is on Kafka, there are several gateways, and more can go wrong; else it is a file.
    pub cluster: Option<Cluster>,
}

/// Requests that are in flight at least when the gateway is killed.
pub const IN_FLIGHT: u64 = 8;

/// Partitions of the log; the hub's default.
pub const PARTITIONS: u32 = 4;

/// Runs the whole of it. `said` hears of each step.
///
/// # Errors
/// The hub can't be started, or something else than the hub failed; what the hub did wrong is in
/// the report.
pub fn run(options: &Options, said: &mut dyn FnMut(&str)) -> anyhow::Result<Report> {
    let tokio =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let fake = Arc::new(tokio.block_on(FakeProvider::start(crate::fake_provider::Options {
        file: Some(options.folder.join("vendor.jsonl")),
        ..Default::default()
    }))?);
    let folder = |name: &str| options.folder.join(name);
    let start = |cluster| Servers::start(cluster, &options.folder);
    let servers = options.cluster.as_ref().map(start).transpose()?;
    let place = match &servers {
        Some(servers) => servers.place(),
        None => Place::File(log_file(&folder("hub"))),
    };
    let settings = |name: &str| settings(options, &folder(name), &place, &fake);
    let hub = settings("hub")?;
    let gateways = match &options.cluster {
        None => vec![hub.clone()],
        Some(cluster) => (1..=cluster.gateways)
            .map(|number| settings(&format!("gateway-{number}")))
            .collect::<Result<_, _>>()?,
    };
    let mut rig = Rig::start(&hub, &gateways, Arc::clone(&fake), servers)?;
    let codec = tokio.block_on(place.codec(&options.folder))?;
    let seen = Arc::new(Seen::default());
    let stop = Arc::new(AtomicBool::new(false));
    let addresses: Vec<_> = gateways.iter().map(|gateway| gateway.listen).collect();
    let keys = accounts();
    let each = addresses
        .iter()
        .cycle()
        .zip(keys.iter().flat_map(|key| vec![key; addresses.len()]).cycle());
    let threads: Vec<_> = (0..options.callers)
        .zip(each)
        .map(|(caller, (address, key))| {
            let (seen, stop, key) = (Arc::clone(&seen), Arc::clone(&stop), key.clone());
            let (address, seed) = (*address, options.seed.wrapping_add(caller));
            std::thread::spawn(move || callers::call(address, &key, seed, &seen, &stop))
        })
        .collect();
    let mut rng = StdRng::seed_from_u64(options.seed);
    let second = Second { hub: &|| settings("second"), place: &place, tokio: &tokio };
    let killed = kill_all(options, &mut rig, &seen, &second, &mut rng, said);
    stop.store(true, Ordering::Relaxed);
    for thread in threads {
        drop(thread.join());
    }
    let mut report = killed?;
    said("load is over; waiting for the events to arrive");
    report.verdicts.extend(rig.drain()?);
    report.calls = seen.calls.load(Ordering::Relaxed);
    report.ends = seen.ends.each_ref().map(|count| count.load(Ordering::Relaxed));
    report.verdicts.extend(verdicts::of(&hub, said)?);
    report.verdicts.extend(verdicts::attempts(&hub)?);
    // not before: this process copies data folders, and a file that it closes loses SQLite's locks
    let log = tokio.block_on(place.open())?;
    report.verdicts.extend(tokio.block_on(order::broken(&*log))?);
    let served = oracle::served(&fake.record().entries());
    let events = tokio.block_on(oracle::settled(&*log, &codec))?;
    let whole = seen.whole.lock().map(|whole| whole.clone()).unwrap_or_default();
    report.findings = oracle::compare(&served, &events, &whole, &BTreeSet::new());
    report.rows = verdicts::rows(&hub)?;
    rig.stop()?;
    for loss in std::mem::take(&mut report.copies) {
        said("a power loss on a copy");
        report.losses.push(recover(options, &loss, &fake, &tokio, said)?);
    }
    Ok(report)
}

/// A data folder as a power loss may have left it.
#[derive(Clone, Debug)]
pub struct Copy {
    /// The folder of a hub's settings and data.
    pub folder: PathBuf,
    /// Entries of the vendor's log that were there at that moment.
    pub entries: usize,
}

/// An account for each partition; the key of each is its name.
fn accounts() -> Vec<String> {
    let of = |partition| {
        let mut names = (0..).map(|number| format!("account-{number}"));
        names.find(|name| partition_of(name.as_bytes(), PARTITIONS) == partition)
    };
    (0..PARTITIONS).filter_map(of).collect()
}

fn settings(
    options: &Options,
    folder: &Path,
    place: &Place,
    fake: &FakeProvider,
) -> anyhow::Result<Hub> {
    let provider = |id: &str| Provider {
        id: id.to_owned(),
        url: fake.url(),
        models: vec!["chaos".to_owned()],
    };
    std::fs::create_dir_all(folder)?;
    let prices = folder.join("prices.csv");
    std::fs::write(&prices, "provider,model,input,output\none,*,1,2\ntwo,*,3,4\n")?;
    // small files, so that they are filled, trimmed and used again
    let limit = options.cluster.as_ref().map_or(1024, |cluster| cluster.outbox);
    let segment = (limit * 1024 / 4).min(1024);
    let mut more = format!(
        "prices_file = {prices:?}\n[outbox]\nsegment = \"{segment}KiB\"\nlimit = \"{limit}MiB\"\n{}",
        place.settings()
    );
    for account in accounts() {
        writeln!(more, "[[keys]]\nid = {account:?}\nsecret = {account:?}\naccount = {account:?}")?;
    }
    Hub::new(&options.hub, folder, &[provider("one"), provider("two")], &more)
}

/// Where the hub of a folder keeps its log, when that is a file.
fn log_file(folder: &Path) -> PathBuf {
    folder.join("data/log/hub.sqlite")
}

/// Kills until all has been killed often enough and enough calls were made.
fn kill_all(
    options: &Options,
    rig: &mut Rig,
    seen: &Seen,
    second: &Second<'_>,
    rng: &mut StdRng,
    said: &mut dyn FnMut(&str),
) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let cluster = options.cluster.as_ref();
    let mut faults = cluster.map_or_else(Vec::new, |cluster| cluster.plan(rng));
    // what happens to the cluster is spread over the kills
    let every = (options.gateway_kills / u32::try_from(faults.len().max(1))?).max(1);
    for number in 0.. {
        // kills go on until each stage was met; the report complains when that took too many
        let met = report.stages.all().iter().all(|(_, count)| *count > 0);
        let enough = seen.calls.load(Ordering::Relaxed) >= options.calls
            && (met || number >= options.gateway_kills.saturating_mul(4));
        let processors = number < options.processor_kills * u32::try_from(ROLES.len()).unwrap_or(0);
        if number >= options.gateway_kills && !processors && enough && faults.is_empty() {
            break;
        }
        if let Some(fault) = (number % every == 0).then(|| faults.pop()).flatten() {
            said(&format!("now: {fault:?}"));
            rig.suffer(fault, second, rng, &mut report)?;
        }
        if number < options.gateway_kills || !enough {
            let copy = (report.copies.len() < usize::try_from(options.power_losses).unwrap_or(0))
                .then(|| options.folder.join(format!("power-loss-{number}")));
            rig.kill_gateway(rng, &mut report, copy.as_deref())?;
        }
        if processors {
            rig.kill_role(usize::try_from(number).unwrap_or(0) % ROLES.len(), rng, &mut report)?;
        }
        said(&format!(
            "kill {}: {} calls so far, kills by stage: {}",
            number + 1,
            seen.calls.load(Ordering::Relaxed),
            report.stages
        ));
    }
    if let Some(time) = cluster.map(|cluster| cluster.outage).filter(|time| !time.is_zero()) {
        said(&format!("the log is away for {time:?}"));
        report.outage = Some(rig.lose_broker(time, seen)?);
    }
    Ok(report)
}

/// Starts a hub on a copy, waits for it to recover, and holds it against what the vendor had seen.
fn recover(
    options: &Options,
    copy: &Copy,
    fake: &Arc<FakeProvider>,
    tokio: &tokio::runtime::Runtime,
    said: &mut dyn FnMut(&str),
) -> anyhow::Result<report::Loss> {
    let place = Place::File(log_file(&copy.folder));
    let settled =
        || tokio.block_on(async { oracle::settled(&*place.open().await?, &Codec::fixed()).await });
    let before = settled()?;
    let logged = before.iter().map(|(_, event)| event.call.to_string()).collect();
    let mut rng = StdRng::seed_from_u64(options.seed ^ u64::try_from(copy.entries)?);
    let outbox = copy.folder.join("data/outbox");
    let (pages, lost) =
        power::roll_back(&outbox, &copy.folder.join(power::BEFORE), &logged, &mut rng)?;
    // what the recovery has to work with, for who looks into a failure
    power::copy(&outbox, &copy.folder.join("outbox-as-lost"))?;
    let hub = settings(options, &copy.folder, &place, fake)?;
    let mut rig = Rig::start(&hub, std::slice::from_ref(&hub), Arc::clone(fake), None)?;
    let mut verdicts = rig.drain()?;
    verdicts.extend(verdicts::of(&hub, said)?);
    rig.stop()?;
    let events = settled()?;
    let entries = fake.record().entries();
    let served = oracle::served(entries.get(..copy.entries).unwrap_or_default());
    let mut findings = oracle::compare(&served, &events, &[], &lost);
    // what stood in the log before may not be gone
    if events.len() < before.len() {
        findings.wrong.push(format!(
            "the log fell from {} to {} events",
            before.len(),
            events.len()
        ));
    }
    Ok(report::Loss { pages, findings, verdicts })
}
