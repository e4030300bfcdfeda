//! Other ids than the fixed ones: as a schema registry gives them, and as they become known.

#![cfg(test)]

use std::sync::{Arc, Mutex};

use schemas::event::{Tick, Usage};
use schemas::wire::{Codec, Error, SCHEMAS, SchemaName};

const TICK: &str = include_str!("../avro/tick.avsc");

/// Each schema under its fixed id and a thousand.
fn assigned<'t>() -> impl Iterator<Item = (u32, &'t str)> {
    SCHEMAS.iter().map(|(id, _, text)| (id + 1000, *text))
}

fn newer() -> String {
    TICK.replace(
        r#"{"name": "period_us""#,
        r#"{"name": "late", "type": "boolean", "default": false}, {"name": "period_us""#,
    )
}

#[test]
fn a_name_is_the_record_of_its_schema() {
    for (id, name, text) in SCHEMAS {
        let schema: serde_json::Value = serde_json::from_str(text).unwrap();
        let record = format!("hub.{}", schema["name"].as_str().unwrap());
        assert_eq!(name.record(), record, "{id}");
        assert_eq!(SchemaName::from_record(&record), Some(*name));
        assert_eq!(SchemaName::ALL[*name as usize], *name);
    }
    assert_eq!(SchemaName::from_record("hub.Tock"), None);
}

#[test]
fn events_carry_the_ids_that_were_given() {
    let codec = Codec::assigned(assigned(), |_| ()).unwrap();
    let framed = codec.to_vec(&Tick { period_us: 1 }).unwrap();
    assert_eq!(framed, [0, 0, 0, 3, 0xeb, 2]);
    assert_eq!(codec.decode::<Tick>(&framed).unwrap(), Tick { period_us: 1 });
    let fixed = Codec::fixed().to_vec(&Tick { period_us: 1 }).unwrap();
    let error = codec.decode::<Tick>(&fixed).unwrap_err();
    assert!(matches!(error, Error::UnknownSchema(3)), "{error}");
}

#[test]
fn an_unknown_id_is_told_and_once_learnt_every_clone_reads_it() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    let codec = Codec::assigned(assigned(), move |id| listener.lock().unwrap().push(id)).unwrap();
    let clone = codec.clone();
    let framed = [0, 0, 0, 0, 7, 1, 4]; // late, period_us 2
    for _ in 0..2 {
        let error = codec.decode::<Tick>(&framed).unwrap_err();
        assert!(matches!(error, Error::UnknownSchema(7)), "{error}");
    }
    assert!(matches!(codec.name_of(&framed), Err(Error::UnknownSchema(7))));
    assert_eq!(*told.lock().unwrap(), [7, 7, 7]);

    assert!(!clone.knows(7));
    assert_eq!(clone.learn(7, &newer()).unwrap(), SchemaName::Tick);
    assert!(codec.knows(7));
    assert_eq!(codec.decode::<Tick>(&framed).unwrap(), Tick { period_us: 2 });
    assert_eq!(told.lock().unwrap().len(), 3);
    // what this build writes is as it was
    assert_eq!(codec.to_vec(&Tick { period_us: 1 }).unwrap(), [0, 0, 0, 3, 0xeb, 2]);
}

#[test]
fn older_versions_that_a_registry_has_are_read_from_the_start() {
    let newer = newer();
    let codec = Codec::assigned(assigned().chain([(7, &*newer)]), |_| ()).unwrap();
    assert_eq!(codec.decode::<Tick>(&[0, 0, 0, 0, 7, 1, 4]).unwrap(), Tick { period_us: 2 });
    assert_eq!(codec.to_vec(&Tick { period_us: 1 }).unwrap()[4], 0xeb);
}

#[test]
fn an_assignment_that_can_not_be_is_an_error() {
    let refused = |schemas: Vec<(u32, &str)>| Codec::assigned(schemas, |_| ()).unwrap_err();
    let error = refused(assigned().filter(|(id, _)| *id != 1003).collect());
    assert_eq!(error.to_string(), "no id is given for the schema Tick");
    let error = refused(assigned().map(|(_, text)| (1, text)).collect());
    assert_eq!(error.to_string(), "schema id 1 is given for Usage and for Attempt");

    let codec = Codec::assigned(assigned(), |_| ()).unwrap();
    let error = codec.learn(1001, TICK).unwrap_err();
    assert_eq!(error.to_string(), "schema id 1001 is given for Usage and for Tick");
    for (text, wanted) in [
        (TICK.replace("hub", "other"), "the record \"other.Tick\" is none of the hub's"),
        (r#""string""#.to_owned(), "the record \"\" is none of the hub's"),
        ("<html>".to_owned(), "avro: "),
        (TICK.replace(r#""long""#, r#""double""#), "avro: no event can have Double"),
    ] {
        let error = codec.learn(9, &text).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{error}");
        assert!(!codec.knows(9));
    }
    let usage = codec.decode::<Usage>(&[0, 0, 0, 3, 0xe9]).unwrap_err();
    assert!(matches!(usage, Error::Avro(_)), "{usage}");
}
