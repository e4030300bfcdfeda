//! One run: callers, two gateways, three upstreams, one of which (or two) fails and is repaired.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use gateway::control::Snapshot;
use gateway::providers::Failure;
use gateway::routing::{Course, Then, Wanted, plan};
use processors::health::Thresholds;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use runtime::clock::Micros;
use schemas::event::{Attempt, AttemptError, Purpose};
use schemas::ids::{CallId, ModelId, Origin};

use crate::derived::Derived;
use crate::fault::{Fault, Said, Upstream};
use crate::hub::{Gateway, MODEL, PROVIDERS};
use crate::measure::{Measured, Pick, Seen};
use crate::peers::{ATTEMPTS, Cooling, Peer};
use crate::time::{SECOND, Time};

/// When a run begins: some day.
const START: i64 = 1_800_000_000 * SECOND;
/// How long a caller waits.
const PATIENCE: i64 = 60 * SECOND;

/// Who routes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Router {
    /// The hub.
    Hub,
    /// LiteLLM's cool-down.
    CoolDown,
    /// In turn.
    RoundRobin,
    /// By chance.
    Random,
}

/// What happens in a run.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// Who routes.
    pub router: Router,
    /// What goes wrong, with the first so many upstreams.
    pub fault: Option<(Fault, usize)>,
    /// Calls a second, all gateways together.
    pub rate: f64,
    /// When it goes wrong, when it is repaired, and when the run ends; since its start.
    pub times: (i64, i64, i64),
    /// Chance.
    pub seed: u64,
}

impl Scene {
    /// Half a minute of trouble after 20 s of peace.
    pub const fn new(router: Router, fault: Option<(Fault, usize)>, seed: u64) -> Self {
        let times = (20 * SECOND, 50 * SECOND, 90 * SECOND);
        Self { router, fault, rate: 50.0, times, seed }
    }
}

struct World {
    time: Time,
    upstreams: RefCell<Vec<Upstream>>,
    random: RefCell<SmallRng>,
    derived: Option<Rc<Derived>>,
    gateways: Vec<Rc<Gateway>>,
    peers: RefCell<Vec<Peer>>,
    seen: RefCell<Seen>,
}

/// Plays the scene.
pub fn run(scene: &Scene, snapshot: &Snapshot, rules: Thresholds) -> Measured {
    let time = Time::starting(START);
    let hub = scene.router == Router::Hub;
    let derived = hub.then(|| Derived::start(&time, rules, scene.seed));
    let peer = || match scene.router {
        Router::Hub | Router::Random => Peer::Random,
        Router::RoundRobin => Peer::RoundRobin(0),
        Router::CoolDown => Peer::CoolDown(vec![Cooling::default(); PROVIDERS.len()]),
    };
    let world = Rc::new(World {
        time: time.clone(),
        upstreams: RefCell::new(PROVIDERS.iter().map(|_| Upstream::default()).collect()),
        random: RefCell::new(SmallRng::seed_from_u64(scene.seed)),
        derived,
        gateways: (0..2).map(|_| Rc::new(Gateway::new(snapshot))).collect(),
        peers: RefCell::new((0..2).map(|_| peer()).collect()),
        seen: RefCell::default(),
    });
    let end = START + scene.times.2;
    time.spawn(calls(Rc::clone(&world), scene.rate, end));
    if let Some((fault, count)) = scene.fault {
        time.spawn(trouble(Rc::clone(&world), fault, count, scene.times));
    }
    // calls that are open at the end are played to theirs
    time.run(end + PATIENCE);
    let states = world.derived.as_ref().map(|derived| derived.seen.take()).unwrap_or_default();
    Measured::of(&world.seen.borrow(), &states, scene, START)
}

async fn trouble(world: Rc<World>, fault: Fault, count: usize, times: (i64, i64, i64)) {
    let (onset, repair, _) = times;
    world.time.sleep(onset).await;
    let since = world.time.now();
    world
        .upstreams
        .borrow_mut()
        .iter_mut()
        .take(count)
        .for_each(|one| one.fault = Some((fault, since)));
    world.time.sleep(repair - onset).await;
    world.upstreams.borrow_mut().iter_mut().for_each(|one| one.fault = None);
    if fault == Fault::BadKey {
        for gateway in &world.gateways {
            PROVIDERS.iter().take(count).for_each(|id| gateway.rotate(id));
        }
    }
}

/// Callers come by chance, to either gateway.
async fn calls(world: Rc<World>, rate: f64, end: i64) {
    let mut number = 0_u64;
    while world.time.now() < end {
        let (pause, random) = {
            let mut random = world.random.borrow_mut();
            let chance: f64 = random.random_range(f64::EPSILON..1.0);
            (-chance.ln() / rate * SECOND as f64, random.random::<[u8; 10]>())
        };
        world.time.sleep(pause as i64).await;
        number += 1;
        let call = CallId::new(world.time.now() / 1000, &random);
        world.time.spawn(serve(Rc::clone(&world), call, usize::from(number.is_multiple_of(2))));
    }
}

async fn serve(world: Rc<World>, call: CallId, gateway: usize) {
    let began = world.time.now();
    let (answered, attempts) = match &world.derived {
        Some(derived) => by_hub(&world, derived, call, gateway).await,
        None => by_peer(&world, gateway).await,
    };
    let known = answered.unwrap_or_else(|| world.time.now());
    let success = answered.is_some_and(|at| at - began <= PATIENCE);
    world.seen.borrow_mut().call(began, success, known - began, attempts);
}

/// Until when there was content, if there was any, and after how many attempts.
async fn by_hub(
    world: &Rc<World>,
    derived: &Rc<Derived>,
    call: CallId,
    number: usize,
) -> (Option<i64>, u32) {
    let time = &world.time;
    let began = time.now();
    let Some(gateway) = world.gateways.get(number) else { return (None, 0) };
    let (snapshot, seed) = (gateway.snapshot(), call.seed());
    let model = ModelId::from(MODEL);
    let planned = {
        let (health, view) = (derived.map.borrow(), gateway.local.view());
        plan(&Wanted::model(&model), &snapshot, &health, &view, time.micros(), seed)
    };
    let Ok(planned) = planned else { return (None, 0) };
    let mut course = Course::new(&planned, &gateway.local, time.micros(), seed);
    let mut attempts = 0;
    while let Some(here) = course.target() {
        let target = &here.target;
        loop {
            attempts += 1;
            let place =
                PROVIDERS.iter().position(|id| *id == target.provider.as_str()).unwrap_or(0);
            let start = time.now();
            world.seen.borrow_mut().pick(Pick { at: start, target: place, first: attempts == 1 });
            let mut flight = gateway.local.begin(target, here.keys, true, time.micros());
            let said = world.ask(place);
            let attempt = Attempt {
                origin: Origin([u8::try_from(number).unwrap_or(0); 16]),
                seq: 0,
                call,
                number: i32::try_from(attempts).unwrap_or(i32::MAX),
                purpose: Purpose::Call,
                provider: target.provider.clone(),
                credential: target.credential.clone(),
                credential_version: i32::try_from(target.credential_version).unwrap_or(0),
                model: target.model.clone(),
                status: 0,
                error: AttemptError::None,
                retry_after_ms: None,
                started_at: start,
                ttft_us: None,
                duration_us: said.after,
            };
            time.sleep(said.after).await;
            match said.result {
                Ok(rest) => {
                    let answered = time.now();
                    flight.answered(time.micros());
                    time.sleep(rest).await;
                    flight.ended(AttemptError::None, None, time.micros());
                    let (ttft_us, duration_us) = (Some(said.after), said.after + rest);
                    derived.log(Attempt { ttft_us, duration_us, ..attempt });
                    return (Some(answered), attempts);
                }
                Err(failure) => {
                    let Failure { error, retry_after, .. } = failure;
                    flight.ended(error, retry_after, time.micros());
                    let retry_after_ms = retry_after.map(|wait| wait.as_millis() as i64);
                    derived.log(Attempt { error, retry_after_ms, ..attempt });
                    let left = left(began, time.now());
                    match course.failed(&failure, false, left, time.micros()) {
                        Then::Again(wait) => time.sleep(wait.as_micros() as i64).await,
                        Then::Other => break,
                        Then::Stop => return (None, attempts),
                    }
                }
            }
        }
    }
    (None, attempts)
}

async fn by_peer(world: &World, gateway: usize) -> (Option<i64>, u32) {
    let time = &world.time;
    for attempt in 1..=ATTEMPTS {
        let number = u32::try_from(attempt).unwrap_or(0);
        let place = world
            .with_peer(gateway, |peer, random| peer.choose(PROVIDERS.len(), time.now(), random));
        world.seen.borrow_mut().pick(Pick { at: time.now(), target: place, first: attempt == 1 });
        let said = world.ask(place);
        time.sleep(said.after).await;
        let error =
            said.result.as_ref().map_or_else(|failure| failure.error, |_| AttemptError::None);
        world.with_peer(gateway, |peer, _| peer.note(place, error, time.now()));
        if said.result.is_ok() {
            return (Some(time.now()), number);
        }
    }
    (None, u32::try_from(ATTEMPTS).unwrap_or(0))
}

impl World {
    fn ask(&self, target: usize) -> Said {
        let now = self.time.now();
        let nobody = Said { after: 0, result: Err(Failure::of(AttemptError::Connect)) };
        let ask = |one: &mut Upstream| one.ask(now, &mut self.random.borrow_mut());
        self.upstreams.borrow_mut().get_mut(target).map_or(nobody, ask)
    }

    fn with_peer<T: Default>(
        &self,
        gateway: usize,
        tell: impl FnOnce(&mut Peer, &mut SmallRng) -> T,
    ) -> T {
        let mut random = self.random.borrow_mut();
        let mut peers = self.peers.borrow_mut();
        peers.get_mut(gateway).map(|peer| tell(peer, &mut random)).unwrap_or_default()
    }
}

fn left(began: i64, now: i64) -> Duration {
    Micros(began + PATIENCE).since(Micros(now))
}
