//! Load on an HTTP/1.1 server, measured from outside: blocking sockets, one thread per
//! connection, a request that is made once. Cheap enough to leave the cores to what is measured.

mod connection;
pub mod proc;

use std::net::SocketAddr;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

pub use connection::{Connection, Error, Expect};

/// When requests are sent.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Pace {
    /// Each connection sends its next request when it has its answer.
    Closed,
    /// So many requests each second over all connections, due at fixed times: a late answer makes
    /// the next request late, and its latency counts from when it was due.
    Open(f64),
}

/// What is put on a server.
#[derive(Clone, Debug)]
pub struct Load {
    /// The server.
    pub address: SocketAddr,
    /// The whole request, head and body.
    pub request: Vec<u8>,
    /// What a good answer is.
    pub expect: Expect,
    /// Connections, each with its thread.
    pub connections: u32,
    /// When requests are sent.
    pub pace: Pace,
    /// Time before counting starts.
    pub warmup: Duration,
    /// Time that counts.
    pub duration: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Good answers.
    pub answers: u64,
    /// Failed requests.
    pub errors: u64,
    /// The first error.
    pub error: Option<String>,
    /// Time that counted.
    pub time: Duration,
    /// Nanoseconds from when a request was due to its whole answer.
    pub latency: Histogram<u64>,
    /// Nanoseconds from when a request was sent to its first content.
    pub first: Histogram<u64>,
}

impl Outcome {
    fn empty() -> Self {
        // a minute at most, to three digits: these bounds are valid
        #[expect(clippy::expect_used, reason = "constant bounds that the library accepts")]
        let histogram = Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("valid bounds");
        Self {
            answers: 0,
            errors: 0,
            error: None,
            time: Duration::ZERO,
            latency: histogram.clone(),
            first: histogram,
        }
    }

    fn add(&mut self, other: &Self) {
        self.answers += other.answers;
        self.errors += other.errors;
        self.error = self.error.take().or_else(|| other.error.clone());
        self.time = self.time.max(other.time);
        let added =
            [self.latency.add(&other.latency).is_ok(), self.first.add(&other.first).is_ok()];
        debug_assert_eq!(added, [true; 2], "all histograms have the same bounds");
    }

    /// Good answers per second.
    pub fn rate(&self) -> f64 {
        as_f64(self.answers) / self.time.as_secs_f64()
    }
}

/// A count as a float, for ratios.
#[expect(clippy::cast_precision_loss, reason = "for reports; counts stay far below 2^52")]
pub fn as_f64(count: u64) -> f64 {
    count as f64
}

/// Runs a load; `during` is called on this thread when counting starts and when it ends.
///
/// # Errors
/// No connection could be made.
pub fn run(load: &Load, mut during: impl FnMut(Phase)) -> Result<Outcome, Error> {
    // else the kernel wakes sleepers up to 50 µs late; threads take it from the one that starts them
    drop(std::fs::write("/proc/self/timerslack_ns", "1"));
    let connections = (0..load.connections)
        .map(|_| Connection::open(load.address))
        .collect::<Result<Vec<_>, _>>()?;
    let barrier = Barrier::new(connections.len() + 1);
    let mut total = Outcome::empty();
    std::thread::scope(|scope| {
        let threads: Vec<_> = connections
            .into_iter()
            .zip(0..)
            .map(|(connection, index)| {
                let barrier = &barrier;
                scope.spawn(move || worker(load, connection, index, barrier))
            })
            .collect();
        barrier.wait();
        let start = Instant::now();
        std::thread::sleep(load.warmup);
        during(Phase::Start);
        let left = (load.warmup + load.duration).saturating_sub(start.elapsed());
        std::thread::sleep(left);
        during(Phase::End);
        for thread in threads {
            match thread.join() {
                Ok(outcome) => total.add(&outcome),
                Err(_) => total.errors += 1,
            }
        }
    });
    Ok(total)
}

/// The moments that a measurement is taken at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Counting starts.
    Start,
    /// Counting ends.
    End,
}

fn worker(load: &Load, mut connection: Connection, index: u32, barrier: &Barrier) -> Outcome {
    let mut outcome = Outcome::empty();
    let schedule = match load.pace {
        Pace::Closed => None,
        Pace::Open(rate) => {
            let step = Duration::from_secs_f64(f64::from(load.connections) / rate);
            Some((step, step * index / load.connections))
        }
    };
    barrier.wait();
    let start = Instant::now();
    let counted = start + load.warmup;
    let end = counted + load.duration;
    let mut due = start + schedule.map_or(Duration::ZERO, |(_, offset)| offset);
    loop {
        let mut now = Instant::now();
        if let Some((step, _)) = schedule {
            if now < due {
                std::thread::sleep(due - now);
                now = Instant::now();
            }
            if now >= end {
                break;
            }
            let asked = due;
            due += step;
            one(load, &mut connection, asked, now, counted, &mut outcome);
        } else {
            if now >= end {
                break;
            }
            one(load, &mut connection, now, now, counted, &mut outcome);
        }
    }
    outcome.time = counted.elapsed().min(load.duration);
    outcome
}

fn one(
    load: &Load,
    connection: &mut Connection,
    due: Instant,
    sent: Instant,
    counted: Instant,
    outcome: &mut Outcome,
) {
    let answer = connection.exchange(&load.request, &load.expect);
    let counts = due >= counted;
    match answer {
        Ok(first) => {
            if counts {
                outcome.answers += 1;
                outcome.latency.saturating_record(nanos(due.elapsed()));
                outcome.first.saturating_record(nanos(first.duration_since(sent)));
            }
        }
        Err(error) => {
            outcome.errors += 1;
            outcome.error.get_or_insert_with(|| error.to_string());
            if let Ok(anew) = Connection::open(load.address) {
                *connection = anew;
            } else {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
