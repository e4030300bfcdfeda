//! Schemas change only so that old and new readers both work: every version of a name against
//! every other, by Avro's own rules and by reading into today's Rust type.

#![expect(clippy::unwrap_used, reason = "a test may stop")]

use apache_avro::Schema;
use apache_avro::schema_compatibility::SchemaCompatibility;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use schemas::event::{Meter, Operation, Tick, Usage};
use schemas::wire::{Codec, Error, SCHEMAS, SchemaName};

const TICK: &str = include_str!("../avro/tick.avsc");
const USAGE: &str = include_str!("../avro/usage.13.avsc");

/// Pairs of versions of one name that can't read each other.
fn broken(schemas: &[(u32, SchemaName, &str)]) -> Vec<(u32, u32)> {
    let parsed: Vec<(u32, SchemaName, Schema)> = schemas
        .iter()
        .map(|(id, name, text)| (*id, *name, Schema::parse_str(text).unwrap()))
        .collect();
    let mut broken = Vec::new();
    for (index, (id, name, schema)) in parsed.iter().enumerate() {
        for (other_id, other_name, other) in parsed.iter().skip(index + 1) {
            if name == other_name && SchemaCompatibility::mutual_read(schema, other).is_err() {
                broken.push((*id, *other_id));
            }
        }
    }
    broken
}

#[test]
fn all_versions_read_each_other() {
    assert_eq!(broken(SCHEMAS), []);
}

/// What keeps a version changeable: a symbol can be added to an enum only if it has a default.
#[test]
fn every_enum_defaults_to_other_and_every_option_to_null() {
    fn walk(at: &str, value: &serde_json::Value) {
        match value {
            serde_json::Value::Object(object) => {
                if object.get("type") == Some(&"enum".into()) {
                    assert_eq!(object.get("default"), Some(&"other".into()), "{at}");
                    assert_eq!(object["symbols"][0], "other", "{at}");
                }
                let kind = object.get("type");
                if kind.and_then(|kind| kind.get(0)) == Some(&"null".into()) {
                    assert_eq!(object.get("default"), Some(&serde_json::Value::Null), "{at}");
                }
                for (name, inner) in object {
                    walk(&format!("{at}/{name}"), inner);
                }
            }
            serde_json::Value::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(index, inner)| walk(&format!("{at}/{index}"), inner));
            }
            _ => {}
        }
    }
    for (id, _, text) in SCHEMAS {
        let schema: serde_json::Value = serde_json::from_str(text).unwrap();
        for field in schema["fields"].as_array().unwrap() {
            walk(&format!("{id}/{}", field["name"]), field);
        }
    }
}

#[test]
fn a_change_that_breaks_readers_is_caught() {
    let period = r#"{"name": "period_us", "type": "long""#;
    for (change, from, to, works) in [
        (
            "a field with a default",
            period,
            r#"{"name": "late", "type": "boolean", "default": false}, {"name": "period_us", "type": "long""#,
            true,
        ),
        (
            "a field without a default",
            period,
            r#"{"name": "late", "type": "boolean"}, {"name": "period_us", "type": "long""#,
            false,
        ),
        ("a field renamed", period, r#"{"name": "period", "type": "long""#, false),
        ("a field made a text", period, r#"{"name": "period_us", "type": "string""#, false),
        ("a field made smaller", period, r#"{"name": "period_us", "type": "int""#, false),
        ("another record name", r#""name": "Tick""#, r#""name": "Tock""#, false),
        ("other words", "Time between ticks", "Time from tick to tick", true),
    ] {
        let changed = TICK.replace(from, to);
        assert_ne!(changed, TICK, "{change}");
        let found = broken(&[(1, SchemaName::Tick, TICK), (2, SchemaName::Tick, &changed)]);
        assert_eq!(found.is_empty(), works, "{change}");
    }
    for (change, from, to, works) in [
        ("a symbol", r#""chat", "embeddings""#, r#""chat", "embeddings", "rerank""#, true),
        (
            "an option made required",
            r#""type": ["null", "long"], "default": null, "doc": "Admission to"#,
            r#""type": "string", "doc": "Admission to"#,
            false,
        ),
        ("a fixed of another size", r#""size": 16"#, r#""size": 8"#, false),
    ] {
        let changed = USAGE.replace(from, to);
        assert_ne!(changed, USAGE, "{change}");
        let found = broken(&[(1, SchemaName::Usage, USAGE), (2, SchemaName::Usage, &changed)]);
        assert_eq!(found.is_empty(), works, "{change}");
    }
}

/// A value of a schema that this build does not have, framed under `id`.
fn written(id: u32, text: &str, value: Value) -> Vec<u8> {
    let schema = Schema::parse_str(text).unwrap();
    let writer = GenericDatumWriter::builder(&schema).build().unwrap();
    let mut framed = vec![0];
    framed.extend(id.to_be_bytes());
    writer.write_value(&mut framed, value).unwrap();
    framed
}

#[test]
fn a_newer_writers_fields_are_passed_over() {
    let newer = r#"{"type": "record", "name": "Tick", "namespace": "hub", "fields": [
        {"name": "notes", "default": {}, "type": {"type": "map", "values": ["null", "string"]}},
        {"name": "period_us", "type": "long"},
        {"name": "parts", "default": [], "type": {"type": "array", "items":
            {"type": "record", "name": "Part", "fields": [{"name": "id", "type": {"type": "fixed", "name": "Id", "size": 16}}]}}},
        {"name": "kind", "default": "other", "type": {"type": "enum", "name": "Kind", "symbols": ["other", "new"]}}
    ]}"#;
    assert_eq!(broken(&[(3, SchemaName::Tick, TICK), (99, SchemaName::Tick, newer)]), []);
    let note = Value::Union(1, Box::new(Value::String("hello".into())));
    let part = Value::Record(vec![("id".into(), Value::Fixed(16, vec![7; 16]))]);
    let value = Value::Record(vec![
        ("notes".into(), Value::Map([("a".to_owned(), note)].into())),
        ("period_us".into(), Value::Long(5)),
        ("parts".into(), Value::Array(vec![part.clone(), part])),
        ("kind".into(), Value::Enum(1, "new".into())),
    ]);
    let framed = written(99, newer, value);
    let unknown = Codec::fixed().decode::<Tick>(&framed).unwrap_err();
    assert!(matches!(unknown, Error::UnknownSchema(99)), "{unknown}");
    let codec = Codec::fixed();
    assert_eq!(codec.learn(99, newer).unwrap(), SchemaName::Tick);
    assert_eq!(codec.decode::<Tick>(&framed).unwrap(), Tick { period_us: 5 });
}

#[test]
fn an_older_writers_missing_fields_take_their_defaults() {
    let mut older: serde_json::Value = serde_json::from_str(USAGE).unwrap();
    let fields = older["fields"].as_array_mut().unwrap();
    let has_default = |field: &serde_json::Value| field.get("default").is_some();
    let before = fields.len();
    fields.retain(|field| !has_default(field));
    assert!(fields.len() < before);
    let older = older.to_string();
    assert_eq!(broken(&[(1, SchemaName::Usage, USAGE), (98, SchemaName::Usage, &older)]), []);

    let text = |text: &str| Value::String(text.into());
    let value = Value::Record(vec![
        ("call".into(), Value::Fixed(16, vec![1; 16])),
        ("origin".into(), Value::Fixed(16, vec![2; 16])),
        ("seq".into(), Value::Long(3)),
        ("account".into(), text("a")),
        ("project".into(), text("p")),
        ("key".into(), text("k")),
        ("operation".into(), Value::Enum(1, "chat".into())),
        ("dialect".into(), text("openai.chat")),
        ("streamed".into(), Value::Boolean(true)),
        ("model".into(), text("m")),
        ("outcome".into(), Value::Enum(1, "completed".into())),
        ("status".into(), Value::Int(200)),
        ("attempts".into(), Value::Int(1)),
        ("charges".into(), Value::Array(vec![])),
        ("price_version".into(), text("v")),
        ("admitted_at".into(), Value::TimestampMicros(4)),
        ("duration_us".into(), Value::Long(5)),
    ]);
    let codec = Codec::fixed();
    codec.learn(98, &older).unwrap();
    let usage: Usage = codec.decode(&written(98, &older, value)).unwrap();
    assert_eq!((usage.seq, usage.duration_us), (3, 5));
    assert_eq!((usage.user, usage.ttft_us, usage.error), (None, None, None));
    assert!(usage.tags.is_empty());
}

#[test]
fn a_symbol_of_a_newer_writer_is_other() {
    #[derive(serde::Deserialize)]
    struct Example {
        event: Usage,
    }
    let newer = USAGE
        .replace(r#""chat", "embeddings""#, r#""rerank", "chat", "embeddings""#)
        .replace(r#""input", "input_cached""#, r#""input", "page", "input_cached""#);
    let codec = Codec::fixed();
    codec.learn(97, &newer).unwrap();
    let text = include_str!("../examples/usage.1.json");
    let Example { event } = serde_json::from_str(text).unwrap();
    // the same bytes under the newer schema: symbols are numbers there
    let mut framed = codec.to_vec(&event).unwrap();
    framed[1..5].copy_from_slice(&97_u32.to_be_bytes());
    let read: Usage = codec.decode(&framed).unwrap();
    assert_eq!(event.operation, Operation::Chat);
    assert_eq!(read.operation, Operation::Other);
    let meters: Vec<Meter> =
        read.charges[0].quantities.iter().map(|quantity| quantity.meter).collect();
    assert_eq!(meters[..2], [Meter::Input, Meter::Other]);
    assert_eq!(read.outcome, event.outcome);
    let name: Operation = serde_json::from_str("\"rerank\"").unwrap();
    assert_eq!(name, Operation::Other, "as JSON too");
}
