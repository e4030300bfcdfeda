//! The processors on a real broker, beside a bare client that reads, copies and writes in
//! transactions, all in one run: `HUB_TEST_KAFKA` and `HUB_TEST_CLICKHOUSE` name what they run
//! against. Prints Markdown.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench stops at the first mistake"
)]

mod events;

use std::sync::Arc;
use std::time::{Duration, Instant};

use analytics::Layout;
use analytics::migrate::migrate;
use bytes::Bytes;
use processors::{Board, Deps, End, Share, billing, sink};
use runtime::clock::Clock;
use runtime::log::kafka::{self, KafkaLog, bare};
use runtime::log::{Header, Limit, Log, NewRecord, Outgoing};
use runtime::task::{self, CancellationToken};
use schemas::event::{Balance, Control};
use schemas::ids::PriceVersion;
use schemas::price::{self, PriceBook};
use schemas::topics::{Topic, TopicPartition};
use schemas::wire::Codec;

const ROUNDS: u32 = 3;
/// Events of each round.
const EVENTS: u64 = 100_000;
/// What the shipper sends at once.
const SHIPPED: u64 = 2_000;
/// What billing commits at most as one step.
const STEP: usize = 5_000;
/// Events of which each is followed to its balance and its row, and the time between two.
const FOLLOWED: (u64, Duration) = (200, Duration::from_millis(50));

const USAGE: TopicPartition = Topic::Usage.at(0);

fn given(name: &str) -> String {
    let mut environment = runtime::config::environment().into_iter();
    let found = environment.find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("{name} is not set: run make bench-kafka")).1
}

/// A log of its own with one partition per topic, and a database of its own.
struct Stage {
    deps: Deps,
    log: Arc<KafkaLog>,
    client: clickhouse::Client,
    version: PriceVersion,
}

impl Stage {
    async fn new() -> Self {
        let name = uuid::Uuid::now_v7().simple().to_string();
        let options = kafka::Options {
            prefix: format!("b{name}."),
            replication: 1,
            min_insync: 1,
            ..kafka::Options::new(given("HUB_TEST_KAFKA"), 1)
        };
        let log = KafkaLog::open(options).await.unwrap();
        let url = given("HUB_TEST_CLICKHOUSE");
        let (login, address) = url.strip_prefix("http://").unwrap().rsplit_once('@').unwrap();
        let (user, password) = login.split_once(':').unwrap();
        let options = analytics::Options {
            url: format!("http://{address}"),
            user: user.to_owned(),
            password: password.to_owned(),
            database: format!("hub_bench_{name}"),
            connector: analytics::Connector::Plain,
        };
        migrate(&options, &Layout::default()).await.unwrap();
        let deps = Deps {
            log: Arc::clone(&log) as Arc<dyn Log>,
            codec: Codec::fixed(),
            clock: Clock::system(),
            board: Board::new(),
            share: Share::ALL,
        };
        let book = price::shipped().unwrap();
        let version = book.version();
        let stage = Self { deps, log, client: analytics::client(&options), version };
        stage.log.append(vec![stage.book(&book)]).await.unwrap();
        stage
    }

    fn book(&self, book: &PriceBook) -> Outgoing {
        let control = Control {
            kind: "price_book".to_owned(),
            id: book.version().to_string(),
            version: 1,
            body: book.to_json(),
            actor: "bench".to_owned(),
            ..Control::default()
        };
        let value = Some(self.deps.codec.to_vec(&control).unwrap().into());
        let record = NewRecord { key: control.id.into(), value, headers: Vec::new() };
        Outgoing { to: Topic::Control.at(0), record }
    }

    /// The event as the outbox ships it.
    fn event(&self, seq: u64) -> Outgoing {
        let event = events::usage(seq, &self.version);
        let header = |name, value: &[u8]| Header { name, value: Bytes::copy_from_slice(value) };
        let headers = vec![
            header("origin", &event.origin.0),
            header("seq", &seq.to_be_bytes()),
            header("account", event.account.as_str().as_bytes()),
            header("call", &event.call.0),
        ];
        let key = Bytes::copy_from_slice(event.account.as_str().as_bytes());
        let value = Some(self.deps.codec.to_vec(&event).unwrap().into());
        Outgoing { to: USAGE, record: NewRecord { key, value, headers } }
    }

    /// Appends as the shipper does, and gives the time.
    async fn produce(&self) -> Duration {
        let mut batches = Vec::new();
        for first in (1..=EVENTS).step_by(usize::try_from(SHIPPED).unwrap()) {
            batches.push((first..first + SHIPPED).map(|seq| self.event(seq)).collect::<Vec<_>>());
        }
        let began = Instant::now();
        for batch in batches {
            self.log.append(batch).await.unwrap();
        }
        began.elapsed()
    }

    async fn bare(&self) -> Duration {
        let log = Arc::clone(&self.log);
        let copied = tokio::task::spawn_blocking(move || {
            bare::copy(&log, USAGE, Topic::Dead.at(0), EVENTS, STEP).unwrap()
        });
        let (count, time) = copied.await.unwrap();
        assert_eq!(count, EVENTS);
        time
    }

    fn billing(&self) -> Running {
        Running::start(&self.deps, billing::run)
    }

    /// From the takeover to the last event's entry.
    async fn bill(&self) -> Duration {
        let began = Instant::now();
        let running = self.billing();
        self.deps.board.until(|board| board.iter().any(|at| at.takeovers > 0)).await;
        let owned = began.elapsed();
        self.deps
            .board
            .until(|board| board.iter().any(|at| at.records >= EVENTS && at.steps > 0))
            .await;
        let time = began.elapsed() - owned;
        running.stop().await;
        time
    }

    fn sink(&self) -> Running {
        let client = self.client.clone();
        Running::start(&self.deps, move |deps, token| {
            sink::run(deps, client, sink::Options::default(), token)
        })
    }

    async fn rows(&self) -> u64 {
        self.client.query_raw("SELECT count() FROM usage").fetch_one().await.unwrap()
    }

    /// From the start to the last row.
    async fn fill(&self) -> Duration {
        let board = Board::new();
        let stage = Self {
            deps: Deps { board, ..self.deps.clone() },
            log: Arc::clone(&self.log),
            client: self.client.clone(),
            version: self.version.clone(),
        };
        let began = Instant::now();
        let running = stage.sink();
        stage.deps.board.until(|board| board.iter().any(|at| at.takeovers > 0)).await;
        let owned = began.elapsed();
        while stage.rows().await < EVENTS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let time = began.elapsed() - owned;
        running.stop().await;
        time
    }

    /// How long after it was handed to the log an event is in the balance that a gateway reads,
    /// and in the table.
    async fn follow(&self) -> (Vec<Duration>, Vec<Duration>) {
        let running = [self.billing(), self.sink()];
        let (count, pace) = FOLLOWED;
        let at = Topic::Balances.at(0);
        let mut from = self.log.latest(at).await.unwrap().next;
        let (mut balances, mut rows) = (Vec::new(), Vec::new());
        for seq in EVENTS + 1..=EVENTS + count {
            let mut reader = self.log.reader(at, from).await.unwrap();
            // the reader of a gateway waits already
            reader.next(Limit { records: 1, bytes: 1, wait: Duration::ZERO }).await.unwrap();
            let began = Instant::now();
            self.log.append(vec![self.event(seq)]).await.unwrap();
            let balance = async {
                let limit = Limit { records: 1000, bytes: 1 << 20, wait: Duration::from_secs(60) };
                loop {
                    let page = reader.next(limit).await.unwrap();
                    let includes =
                        page.records.iter().filter_map(|record| record.value.as_deref()).any(
                            |value| {
                                let balance: Balance = self.deps.codec.decode(value).unwrap();
                                balance.included.iter().any(|own| own.seq.unsigned_abs() >= seq)
                            },
                        );
                    if includes {
                        return (began.elapsed(), page.next);
                    }
                }
            };
            let row = async {
                while self.rows().await < seq {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                began.elapsed()
            };
            let ((balance, next), row) = tokio::join!(balance, row);
            from = next;
            balances.push(balance);
            rows.push(row);
            tokio::time::sleep(pace).await;
        }
        for running in running {
            running.stop().await;
        }
        (balances, rows)
    }
}

/// A processor at work.
struct Running {
    task: tokio::task::JoinHandle<Vec<End>>,
    token: CancellationToken,
}

impl Running {
    fn start<F: Future<Output = Vec<End>> + Send + 'static>(
        deps: &Deps,
        run: impl FnOnce(Deps, CancellationToken) -> F,
    ) -> Self {
        let token = CancellationToken::new();
        Self { task: task::spawn("processor", run(deps.clone(), token.clone())), token }
    }

    async fn stop(self) {
        self.token.cancel();
        for end in self.task.await.unwrap() {
            assert!(matches!(end, End::Stopped), "{end:?}");
        }
    }
}

fn median(times: &mut [Duration], rank: f64) -> Duration {
    times.sort_unstable();
    let at = (times.len() as f64 * rank) as usize;
    times[at.min(times.len() - 1)]
}

fn main() {
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    tokio.block_on(async {
        let mut times: [Vec<Duration>; 4] = Default::default();
        let mut last = None;
        for _ in 0..ROUNDS {
            let stage = Stage::new().await;
            times[0].push(stage.produce().await);
            times[1].push(stage.bare().await);
            times[2].push(stage.bill().await);
            times[3].push(stage.fill().await);
            last = Some(stage);
        }
        let [produce, copy, bill, fill] =
            times.map(|mut times| EVENTS as f64 / median(&mut times, 0.5).as_secs_f64());
        println!("| what | events/s | of the bare client |\n| --- | ---: | ---: |");
        for (what, rate) in [
            ("produce, as the shipper does", produce),
            ("bare client: consume, copy, produce in transactions of 5,000", copy),
            ("billing", bill),
            ("sink, into ClickHouse", fill),
        ] {
            println!("| {what} | {rate:.0} | {:.2} |", rate / copy);
        }
        let (mut balances, mut rows) = last.unwrap().follow().await;
        println!(
            "\n| from the hand-over of an event to | p50 ms | p99 ms |\n| --- | ---: | ---: |"
        );
        for (what, times) in
            [("the balance that a gateway reads", &mut balances), ("the row in SQL", &mut rows)]
        {
            let ms = |rank, times: &mut Vec<Duration>| median(times, rank).as_secs_f64() * 1000.0;
            println!("| {what} | {:.0} | {:.0} |", ms(0.5, times), ms(0.99, times));
        }
    });
}
