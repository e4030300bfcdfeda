//! One example per version of each schema: the event as JSON and its bytes on the wire. A version
//! that was ever written stays readable, to the byte.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use schemas::event;
use schemas::wire::{Codec, Event, SCHEMAS, SchemaName};

#[derive(serde::Deserialize)]
struct Example {
    event: serde_json::Value,
    wire: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn file(name: SchemaName, id: u32) -> String {
    format!("{name:?}.{id}.json").to_lowercase()
}

fn example(name: SchemaName, id: u32) -> Example {
    let path = folder().join(file(name, id));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

/// Every event type, and what to do with it.
fn with_each_type(mut each: impl FnMut(SchemaName, fn(u32, bool))) {
    fn run<E: Event + PartialEq + Debug>(id: u32, newest: bool) {
        let Example { event, wire } = example(E::SCHEMA, id);
        let codec = Codec::fixed();
        let told: E = serde_json::from_value(event.clone()).unwrap();
        let read: E = codec.decode(&unhex(&wire)).unwrap_or_else(|error| {
            let now = codec.to_vec(&told).map(|bytes| hex(&bytes));
            panic!("{:?}: {error}; encoded it is {now:?}", E::SCHEMA)
        });
        assert_eq!(read, told, "the bytes say what the example says");
        if newest {
            assert_eq!(
                hex(&codec.to_vec(&told).unwrap()),
                wire,
                "{:?} as it is written",
                E::SCHEMA
            );
            assert_eq!(serde_json::to_value(&told).unwrap(), event, "nothing is left out");
        }
    }
    macro_rules! types {
        ($($name:ident),*) => {$( each(event::$name::SCHEMA, run::<event::$name>); )*};
    }
    types!(
        Usage, Attempt, Tick, Control, Credit, Ledger, Balance, Health, Limit, Audit, Dead, State
    );
}

#[test]
fn every_version_is_read_and_the_newest_is_written_to_the_byte() {
    let mut checked = BTreeSet::new();
    with_each_type(|name, check| {
        let versions: Vec<u32> =
            SCHEMAS.iter().filter(|(_, of, _)| *of == name).map(|(id, ..)| *id).collect();
        for id in &versions {
            check(*id, versions.last() == Some(id));
            checked.insert(*id);
        }
        assert!(!versions.is_empty(), "{name:?} is in the table");
    });
    let all: BTreeSet<u32> = SCHEMAS.iter().map(|(id, ..)| *id).collect();
    assert_eq!(checked, all, "every schema has a Rust type");
    assert_eq!(all.len(), SCHEMAS.len(), "an id is used once");
}

#[test]
fn no_example_is_left_behind() {
    let known: BTreeSet<String> = SCHEMAS.iter().map(|(id, name, _)| file(*name, *id)).collect();
    let found = fs::read_dir(folder()).unwrap();
    let found: BTreeSet<String> =
        found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(found, known);
}

/// A log is read for years, and disks lie: whatever the bytes, decoding ends, with an event or an
/// error, and without asking for all memory.
#[test]
fn damaged_bytes_are_an_error_and_never_a_panic() {
    let codec = Codec::fixed();
    let decode = |name: SchemaName, bytes: &[u8]| -> bool {
        match name {
            SchemaName::Usage => codec.decode::<event::Usage>(bytes).is_ok(),
            SchemaName::Ledger => codec.decode::<event::Ledger>(bytes).is_ok(),
            SchemaName::Balance => codec.decode::<event::Balance>(bytes).is_ok(),
            SchemaName::Dead => codec.decode::<event::Dead>(bytes).is_ok(),
            _ => unreachable!("not asked for"),
        }
    };
    for (id, name) in [
        (1, SchemaName::Usage),
        (6, SchemaName::Ledger),
        (7, SchemaName::Balance),
        (11, SchemaName::Dead),
    ] {
        let whole = unhex(&example(name, id).wire);
        assert!(decode(name, &whole));
        for cut in 0..whole.len() {
            assert!(!decode(name, &whole[..cut]), "{name:?} cut at {cut}");
        }
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            decode(name, &damaged);
        }
    }
}
