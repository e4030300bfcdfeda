//! What survives the child's death, and what follows it.

use std::process::Stdio;
use std::time::Duration;

use clickhouse::Row;
use hub::embedded::clickhouse::{Role, State, Supervisor, SupervisorError};
use runtime::task::Tasks;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::harness::{Hub, library, options};

const KILLS: u32 = 12;
const BATCH: u64 = 2_000;

#[derive(Row, Serialize)]
struct Item {
    batch: u64,
    item: u64,
}

#[derive(Row, Deserialize)]
struct Batch {
    batch: u64,
    rows: u64,
    distinct: u64,
}

/// Every acknowledged batch is there, whole and once; one whose answer was lost is there whole or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn kill_9_loses_no_acknowledged_row() {
    let hub = Hub::start().await;
    let client = hub.client(Role::Writer);
    client
        .query("CREATE TABLE items (batch UInt64, item UInt64) ENGINE = MergeTree ORDER BY (batch, item)")
        .execute()
        .await
        .unwrap();
    let done = runtime::task::CancellationToken::new();
    let writers: Vec<_> = (0..3_u64)
        .map(|writer| {
            let (client, done) = (client.clone(), done.clone());
            runtime::task::spawn("writer", async move {
                let mut acknowledged = Vec::new();
                let mut next = writer << 32;
                while !done.is_cancelled() {
                    next += 1;
                    if insert(&client, next).await.is_ok() {
                        acknowledged.push(next);
                    } else {
                        tokio::task::yield_now().await;
                    }
                }
                acknowledged
            })
        })
        .collect();
    let mut state = hub.supervisor.state();
    for kill in 0..KILLS {
        let before = count(&client).await;
        let State::Serving(pid) = *state.borrow_and_update() else {
            panic!("not serving before kill {kill}")
        };
        // A different moment each time: after some more batches, in the midst of others.
        while count(&client).await < before + u64::from(kill % 4) * BATCH {}
        kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
        let started = std::time::Instant::now();
        let again = |state: &State| matches!(state, State::Serving(now) if *now != pid);
        tokio::time::timeout(Duration::from_secs(180), state.wait_for(again))
            .await
            .unwrap()
            .unwrap();
        println!("kill {kill}: serving again after {:?}, {before} rows before", started.elapsed());
    }
    done.cancel();
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    let sql =
        "SELECT batch, count() AS rows, uniqExact(item) AS distinct FROM items GROUP BY batch";
    let found = client.query(sql).fetch_all::<Batch>().await.unwrap();
    for batch in &found {
        assert_eq!(
            (batch.rows, batch.distinct),
            (BATCH, BATCH),
            "batch {} is not whole",
            batch.batch
        );
    }
    for batch in &acknowledged {
        assert!(
            found.iter().any(|found| found.batch == *batch),
            "batch {batch} was acknowledged and is lost"
        );
    }
    println!("{KILLS} kills, {} batches acknowledged, {} found", acknowledged.len(), found.len());
    assert!(acknowledged.len() > KILLS as usize);
    hub.stop().await;
}

async fn insert(client: &clickhouse::Client, batch: u64) -> Result<(), clickhouse::error::Error> {
    let mut insert = client.insert::<Item>("items").await?;
    for item in 0..BATCH {
        insert.write(&Item { batch, item }).await?;
    }
    insert.end().await
}

/// Zero while the child is away.
async fn count(client: &clickhouse::Client) -> u64 {
    client.query("SELECT count() FROM items").fetch_one().await.unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn data_and_passwords_outlive_a_restart() {
    let hub = Hub::start().await;
    hub.good(Role::Writer, "CREATE TABLE hub.t (a UInt8) ENGINE = MergeTree ORDER BY a").await;
    hub.good(Role::Writer, "INSERT INTO hub.t VALUES (1), (2)").await;
    let password = hub.password(Role::Reader);
    let folder = hub.stop().await;
    let tasks = Tasks::new();
    let supervisor = Supervisor::start(options(folder.path()), &tasks).await.unwrap();
    assert_eq!(supervisor.password(Role::Reader).expose(), password);
    let client = clickhouse::Client::default()
        .with_url(supervisor.url())
        .with_user("reader")
        .with_password(password);
    assert_eq!(client.query("SELECT sum(a) FROM hub.t").fetch_one::<u64>().await.unwrap(), 3);
    tasks.stop();
    assert!(tasks.drained(Duration::from_secs(120)).await);
    assert_eq!(*supervisor.state().borrow(), State::Stopped);
}

/// A supervisor that is killed closes the pipe, and its child ends.
#[tokio::test(flavor = "multi_thread")]
async fn the_child_ends_with_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_hub"))
        .args(["clickhouse", "--supervised", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path())
        .arg("--library")
        .arg(library())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next_line().await.unwrap().unwrap().starts_with("ready 127.0.0.1:"));
    drop(child.stdin.take());
    let status =
        tokio::time::timeout(Duration::from_secs(120), child.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_cannot_be_says_why() {
    let hub = Hub::start().await;
    let tasks = Tasks::new();
    let folder = tempfile::tempdir().unwrap();
    let taken = || async { Supervisor::start(options(hub.folder.path()), &tasks).await };
    let port = || {
        let mut options = options(folder.path());
        options.listen = hub.supervisor.address();
        options
    };
    let wrong = || {
        let mut options = options(folder.path());
        options.library = std::path::PathBuf::from("/bin/true");
        options
    };
    for (outcome, told) in [
        (taken().await, "is in use by another process"),
        (Supervisor::start(port(), &tasks).await, "cannot listen on"),
        (Supervisor::start(wrong(), &tasks).await, "cannot load /"),
    ] {
        match outcome {
            Err(SupervisorError::Refused(text)) => assert!(text.contains(told), "{text}"),
            other => panic!("{told}: {other:?}"),
        }
    }
    hub.stop().await;
}
