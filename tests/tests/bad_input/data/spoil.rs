//! What is done to a data folder.

use std::any::Any;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::PathBuf;

use bytes::Bytes;
use e2e::hub::Hub;
use runtime::log::{Header, Log as _, NewRecord, Outgoing};
use schemas::partition::partition_of;
use schemas::topics::Topic;

use crate::rig;

/// Nothing that must live on.
fn done() -> Box<dyn Any> {
    Box::new(())
}

pub(super) fn nothing(_: &Hub) -> Box<dyn Any> {
    done()
}

fn segments(hub: &Hub) -> Vec<PathBuf> {
    let files = fs::read_dir(hub.data().join("outbox")).unwrap().map(|file| file.unwrap().path());
    let mut segments: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
    segments.sort();
    assert!(!segments.is_empty(), "no segment to spoil");
    segments
}

fn overwrite(file: PathBuf, at: u64, bytes: &[u8]) -> Box<dyn Any> {
    let file = fs::File::options().write(true).open(file).unwrap();
    file.write_all_at(bytes, at).unwrap();
    done()
}

/// The header page of each segment.
pub(super) fn segment_headers(hub: &Hub) -> Box<dyn Any> {
    segments(hub).into_iter().for_each(|path| drop(overwrite(path, 0, &[0x5a; 64])));
    done()
}

/// A segment of nothing but noise.
pub(super) fn segment_of_noise(hub: &Hub) -> Box<dyn Any> {
    fs::write(hub.data().join("outbox/00000000000000ff.seg"), vec![0x5a; 256 << 10]).unwrap();
    done()
}

/// A segment without a byte.
pub(super) fn segment_of_nothing(hub: &Hub) -> Box<dyn Any> {
    fs::write(hub.data().join("outbox/00000000000000ff.seg"), b"").unwrap();
    done()
}

/// The newest segment says that it is of version 9, with a right checksum.
pub(super) fn segment_of_a_newer_version(hub: &Hub) -> Box<dyn Any> {
    let path = segments(hub).pop().unwrap();
    let mut header = fs::read(&path).unwrap();
    header.truncate(48);
    header[8..12].copy_from_slice(&9u32.to_le_bytes());
    let sum = crc32(&header);
    overwrite(path.clone(), 0, &header);
    overwrite(path, 48, &u64::from(sum).to_le_bytes())
}

/// CRC-32 as in IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
    !bytes.iter().fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step))
}

pub(super) fn watermark(hub: &Hub) -> Box<dyn Any> {
    fs::write(hub.data().join("outbox/watermark"), vec![0x5a; 8192]).unwrap();
    done()
}

fn log_file(hub: &Hub) -> PathBuf {
    hub.data().join("log/hub.sqlite")
}

pub(super) fn log_header(hub: &Hub) -> Box<dyn Any> {
    overwrite(log_file(hub), 0, &[0x5a; 4096])
}

pub(super) fn log_pages(hub: &Hub) -> Box<dyn Any> {
    let file = log_file(hub);
    let size = fs::metadata(&file).unwrap().len();
    let noise = vec![0x5a; usize::try_from(size - 4096).unwrap()];
    overwrite(file, 4096, &noise)
}

pub(super) fn log_cut(hub: &Hub) -> Box<dyn Any> {
    let file = fs::File::options().write(true).open(log_file(hub)).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    done()
}

pub(super) fn log_gone(hub: &Hub) -> Box<dyn Any> {
    fs::remove_dir_all(hub.data().join("log")).unwrap();
    done()
}

/// Appends a record under the key of the account that the test's calls are paid by.
fn append(hub: &Hub, topic: Topic, value: Vec<u8>) -> Box<dyn Any> {
    let log = rig::log::open(hub);
    let header = |name, value: &[u8]| Header { name, value: Bytes::copy_from_slice(value) };
    let record = NewRecord {
        key: Bytes::from_static(b"default"),
        value: Some(value.into()),
        headers: vec![
            header("origin", &[7; 16]),
            header("seq", &1u64.to_be_bytes()),
            header("account", b"default"),
            header("call", &[8; 16]),
        ],
    };
    let to = topic.at(partition_of(b"default", log.partitions(topic)));
    let appended = async { log.append(vec![Outgoing { to, record }]).await };
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(appended)).unwrap();
    done()
}

pub(super) fn usage_of_noise(hub: &Hub) -> Box<dyn Any> {
    append(hub, Topic::Usage, b"\0\0\0\0\x01\xff\xff\xff\xff\xff\xff".to_vec())
}

pub(super) fn usage_without_framing(hub: &Hub) -> Box<dyn Any> {
    append(hub, Topic::Usage, b"{\"call\": 1}".to_vec())
}

pub(super) fn credit_of_noise(hub: &Hub) -> Box<dyn Any> {
    append(hub, Topic::Credits, b"\0\0\0\0\x05\xff\xff\xff\xff\xff\xff".to_vec())
}

pub(super) fn attempt_of_noise(hub: &Hub) -> Box<dyn Any> {
    append(hub, Topic::Attempts, b"\0\0\0\0\x02\xff\xff\xff\xff\xff\xff".to_vec())
}

/// Framed well, by a schema that nobody knows.
pub(super) fn usage_of_an_unknown_schema(hub: &Hub) -> Box<dyn Any> {
    append(hub, Topic::Usage, b"\0\0\0\x12\x67\x00".to_vec())
}

fn client_key(hub: &Hub) -> PathBuf {
    hub.data().join("secrets/client-key")
}

pub(super) fn key_for_all(hub: &Hub) -> Box<dyn Any> {
    fs::set_permissions(client_key(hub), fs::Permissions::from_mode(0o644)).unwrap();
    done()
}

pub(super) fn key_of_nothing(hub: &Hub) -> Box<dyn Any> {
    fs::write(client_key(hub), b"").unwrap();
    done()
}

pub(super) fn key_gone(hub: &Hub) -> Box<dyn Any> {
    fs::remove_file(client_key(hub)).unwrap();
    done()
}

/// Another hub runs on the folder.
pub(super) fn in_use(hub: &Hub) -> Box<dyn Any> {
    let mut command = rig::command(hub, &["serve"]);
    for name in ["HUB_LISTEN", "HUB_ADMIN_LISTEN"] {
        command.env(name, e2e::process::free_address().unwrap().to_string());
    }
    command.envs(super::VARIABLES);
    let mut other = e2e::process::Process::start("other", &mut command, &hub.log("other")).unwrap();
    let said = || fs::read_to_string(hub.log("other")).unwrap().contains("hub serves on");
    other.until("served", said).unwrap();
    Box::new(other)
}

/// A file where a library must be.
pub(super) fn library_of_noise(hub: &Hub) -> Box<dyn Any> {
    let folder = hub.data().join("clickhouse-library");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("libchdb.so"), b"no library").unwrap();
    done()
}

/// Something listens where the engine would.
pub(super) fn engine_port(hub: &Hub) -> Box<dyn Any> {
    Box::new(TcpListener::bind(hub.clickhouse).unwrap())
}
