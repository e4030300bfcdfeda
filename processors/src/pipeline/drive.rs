//! The loop that moves one partition, and the supervisor that starts it again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use runtime::log::{Writer, WriterId};
use runtime::task::{self, CancellationToken};
use tokio::time::Instant;

use super::source::{Input, wait_any};
use super::{Error, Folding, Held, Loaded, Phase, Processor, Remedy, Taken};
use super::{ids, output};
use crate::Deps;

/// After this many records other tasks of the process get their turn.
const TURN: usize = 64;
/// The longest wait for records before the processor's pulse.
const PULSE: Duration = Duration::from_secs(1);
/// How soon a record that waits for something is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// First and longest pause before a partition is taken over again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// How a partition's task ended.
#[derive(Debug)]
pub enum End {
    /// It was asked to stop.
    Stopped,
    /// Another owner took over.
    Fenced(String),
    /// Going on would have been wrong.
    Failed(Error),
}

/// Runs the processor's share of partitions until `token` is cancelled or each of them ended.
pub async fn run<P: Processor>(processor: P, deps: Deps, token: CancellationToken) -> Vec<End> {
    let Some(first) = processor.inputs().first().copied() else {
        return Vec::new();
    };
    let processor = Arc::new(processor);
    let own = deps.share.of(deps.log.partitions(first));
    // on the board at once: who looks must not find fewer than there are
    own.clone().for_each(|partition| deps.board.update(processor.name(), partition, |_| {}));
    let tasks = own.map(|partition| {
        let (processor, deps, token) = (Arc::clone(&processor), deps.clone(), token.clone());
        task::spawn(
            "processor",
            async move { supervise(&*processor, &deps, partition, token).await },
        )
    });
    let ends = futures::future::join_all(tasks.collect::<Vec<_>>()).await;
    ends.into_iter()
        .map(|end| end.unwrap_or_else(|error| End::Failed(Error::Panicked(error.to_string()))))
        .collect()
}

async fn supervise<P: Processor>(
    processor: &P,
    deps: &Deps,
    partition: u32,
    token: CancellationToken,
) -> End {
    let name = processor.name();
    let board = |phase, detail: Option<String>| {
        deps.board.update(name, partition, |progress| {
            progress.phase = phase;
            progress.detail = detail;
        });
    };
    let mut pause = PAUSE.0;
    loop {
        board(Phase::Starting, None);
        let mut moved = false;
        let drive = drive(processor, deps, partition, &mut moved);
        let driven = tokio::select! {
            driven = AssertUnwindSafe(drive).catch_unwind() => driven,
            () = token.cancelled() => {
                board(Phase::Stopped, None);
                return End::Stopped;
            }
        };
        let error = match driven {
            Ok(Ok(never)) => match never {},
            Ok(Err(error)) => error,
            Err(panic) => Error::Panicked(message(&*panic)),
        };
        match error.remedy() {
            Remedy::Yield => {
                tracing::warn!(processor = name, partition, %error, "another owner took over");
                board(Phase::Fenced, Some(error.to_string()));
                return End::Fenced(error.to_string());
            }
            Remedy::Stop => {
                tracing::error!(processor = name, partition, %error, "stopped");
                board(Phase::Failed, Some(error.to_string()));
                return End::Failed(error);
            }
            Remedy::TakeOver => {
                pause = if moved { PAUSE.0 } else { pause.saturating_mul(2).min(PAUSE.1) };
                tracing::warn!(processor = name, partition, %error, ?pause, "will take over again");
                board(Phase::Retrying, Some(error.to_string()));
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = token.cancelled() => {
                board(Phase::Stopped, None);
                return End::Stopped;
            }
        }
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Nothing: the loop ends only by an error, or by being dropped.
enum Never {}

/// One ownership of a partition, from takeover to the first error. Being dropped at any await is
/// like being killed there: the next takeover goes on from what was committed.
async fn drive<P: Processor>(
    processor: &P,
    deps: &Deps,
    partition: u32,
    moved: &mut bool,
) -> Result<Never, Error> {
    let (name, log) = (processor.name(), &*deps.log);
    processor.ready(deps).await?;
    let mut writer = log.writer(WriterId(format!("{name}/{partition}"))).await?;
    let held = Held::take_over(log, &deps.codec, name, partition, &mut *writer).await?;
    let buried = held.positions.clone();
    let Loaded { fold, marks, positions } = processor.load(deps, partition, held).await?;
    let mut inputs = Vec::with_capacity(processor.inputs().len());
    for topic in processor.inputs() {
        let at = topic.at(partition);
        let start = log.ends(at).await?.start;
        let from = positions.get(&at).copied().unwrap_or(start);
        inputs.push(Input::open(log, at, from).await?);
    }
    let out = output(deps, name, partition);
    let folding = Folding::new(name, partition, fold, marks, out).buried(buried);
    deps.board.update(name, partition, |progress| progress.takeovers += 1);
    let mut ownership = Ownership { processor, deps, partition, writer, inputs, folding, turn: 0 };
    loop {
        ownership.step().await?;
        *moved = true;
    }
}

struct Ownership<'d, P: Processor> {
    processor: &'d P,
    deps: &'d Deps,
    partition: u32,
    writer: Box<dyn Writer>,
    inputs: Vec<Input>,
    folding: Folding<P::Fold>,
    /// Which input goes first in the next step: a busy one must not starve the others.
    turn: usize,
}

impl<P: Processor> Ownership<'_, P> {
    /// Gathers a step, commits it, and does its effect.
    async fn step(&mut self) -> Result<(), Error> {
        let before = self.folding.tally();
        self.processor.pulse(self.deps, self.partition, self.folding.fold()).await?;
        self.turn = self.turn.wrapping_add(1);
        self.gather().await?;
        let step = self.folding.close(ids(self.deps))?;
        let started = Instant::now();
        self.writer.commit(step).await?;
        self.deps.board.committed(self.processor.name(), started.elapsed());
        self.processor.effect(self.deps, self.folding.fold_mut()).await?;
        let (tally, missing) = (self.folding.tally(), self.folding.marks().missing());
        self.deps.board.update(self.processor.name(), self.partition, |progress| {
            progress.count(before, tally);
            progress.missing = missing;
            progress.steps += 1;
        });
        Ok(())
    }

    /// Takes records until the step has to be closed.
    async fn gather(&mut self) -> Result<(), Error> {
        let batching = self.processor.batching();
        let mut due: Option<Instant> = None;
        loop {
            let mut cut = false;
            for at in 0..self.inputs.len() {
                let at = (at + self.turn) % self.inputs.len();
                cut |= self.drain(at, batching.records).await?;
            }
            self.tell();
            let out = self.folding.out();
            if cut
                || out.urgent()
                || out.bytes() >= batching.bytes
                || self.folding.open() >= batching.records
            {
                return Ok(());
            }
            let open = self.folding.open() > 0;
            let now = Instant::now();
            if open && now >= *due.get_or_insert(now + batching.linger) {
                return Ok(());
            }
            self.processor.pulse(self.deps, self.partition, self.folding.fold()).await?;
            let mut wait = due.map_or(PULSE, |due| due.saturating_duration_since(now)).min(PULSE);
            if self.inputs.iter().any(|input| input.waits.is_some()) {
                wait = wait.min(LOOK_AGAIN);
            }
            wait_any(&mut self.inputs, batching.records, wait).await?;
        }
    }

    /// Takes what is there of an input; whether the step must be closed before it can go on.
    async fn drain(&mut self, at: usize, limit: usize) -> Result<bool, Error> {
        let Some(input) = self.inputs.get_mut(at) else {
            return Ok(false);
        };
        if input.ahead.is_empty() {
            input.fill(limit, Duration::ZERO).await?;
        }
        input.waits = None;
        let mut turn = 0;
        while self.folding.open() < limit {
            let Some(record) = input.ahead.front() else {
                self.folding.passed(input.at, input.next);
                break;
            };
            match self.folding.take(input.at, record)? {
                Taken::Done => input.ahead.pop_front(),
                Taken::Cut => return Ok(true),
                Taken::Wait(wait) => {
                    input.waits = Some(wait);
                    break;
                }
            };
            turn += 1;
            if turn % TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok(false)
    }

    fn tell(&self) {
        let waits = self.inputs.iter().find_map(|input| {
            let wait = input.waits.as_ref()?;
            Some(format!("{} waits for {wait}", input.at))
        });
        self.deps.board.update(self.processor.name(), self.partition, |progress| {
            progress.phase = if waits.is_some() { Phase::Waiting } else { Phase::Running };
            progress.detail = waits;
            for input in &self.inputs {
                progress.lag.insert(input.at.topic.name(), input.lag());
            }
        });
    }
}
