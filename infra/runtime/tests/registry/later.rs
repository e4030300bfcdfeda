//! Ids that turn up in events.

use runtime::registry::fake::Mood;

use super::*;

#[tokio::test]
async fn an_unknown_id_is_asked_for_until_it_is_known() {
    let fake = Fake::start().await;
    let hub = Hub::of(&fake.url);
    let codec = hub.open().await.unwrap();
    let clone = codec.clone();
    fake.mood("", Mood::Gone);
    let (text, _) = newer_tick(0);
    let id = fake.add(TICKS, &text);
    let (_, value) = newer_tick(id);
    let line = format!("GET /schemas/ids/{id}");
    assert!(clone.decode::<Tick>(&value).is_err());
    fake.until_asked(&line, 2).await;
    // told again and again, but asked for in its own time
    for _ in 0..1000 {
        assert!(clone.decode::<Tick>(&value).is_err());
    }
    fake.is_well();
    assert_eq!(until_read(&codec, &value).await, Tick { period_us: 2 });
    assert!(clone.knows(id));
    let asked = fake.requests().iter().filter(|request| request.line == line).count();
    assert!(asked < 20, "{asked}");
    // and known from then on
    fake.mood("", Mood::Gone);
    let codec = hub.again().hasty().open().await.unwrap();
    assert_eq!(codec.decode::<Tick>(&value).unwrap(), Tick { period_us: 2 });
}

#[tokio::test]
async fn an_id_that_the_registry_does_not_know_yet_is_asked_for_again() {
    let fake = Fake::start().await;
    let codec = Hub::of(&fake.url).open().await.unwrap();
    let next = u32::try_from(SCHEMAS.len()).unwrap() + 1;
    let (text, value) = newer_tick(next);
    assert!(codec.decode::<Tick>(&value).is_err());
    fake.until_asked(&format!("GET /schemas/ids/{next}"), 2).await;
    assert_eq!(fake.add(TICKS, &text), next);
    assert_eq!(until_read(&codec, &value).await, Tick { period_us: 2 });
}

/// Registries that number each subject on its own do so.
#[tokio::test]
async fn a_second_id_of_a_schema_is_read_and_never_written() {
    let fake = Fake::start().await;
    let hub = Hub::of(&fake.url);
    let codec = hub.open().await.unwrap();
    let first = tick_id(&codec);
    let body = serde_json::json!({"schema": TICK}).to_string();
    fake.mood("GET /schemas/ids/77", Mood::Says(200, body));
    let value = [0, 0, 0, 0, 77, 4]; // period_us 2
    assert!(codec.decode::<Tick>(&value).is_err());
    assert_eq!(until_read(&codec, &value).await, Tick { period_us: 2 });
    let codec = hub.again().open().await.unwrap();
    assert_eq!(tick_id(&codec), first);
    assert!(codec.decode::<Tick>(&value).is_err(), "it is asked for anew");
    assert_eq!(until_read(&codec, &value).await, Tick { period_us: 2 });
}

/// It stays unknown, it is not asked for again, and others are found all the same.
#[tokio::test]
async fn an_id_of_somebody_elses_schema_stays_unknown() {
    let fake = Fake::start().await;
    let codec = Hub::of(&fake.url).open().await.unwrap();
    let records = [
        r#"{"type": "record", "name": "other.Tick", "fields": [{"name": "a", "type": "long"}]}"#,
        r#""string""#,
        r#"{"type": "record", "name": "hub.Tick", "fields": [{"name": "a", "type": "double"}]}"#,
        "not a schema",
    ];
    let mut lines = Vec::new();
    for record in records {
        let (_, value) = newer_tick(fake.add("somebody-value", record));
        assert!(codec.decode::<Usage>(&value).is_err());
        lines.push(format!("GET /schemas/ids/{}", id(&value)));
    }
    for line in &lines {
        tokio::time::timeout(LONG, fake.until_asked(line, 1)).await.unwrap();
    }
    let (text, _) = newer_tick(0);
    let (_, value) = newer_tick(fake.add(TICKS, &text));
    until_read(&codec, &value).await;
    for line in lines {
        let asked = fake.requests().iter().filter(|request| request.line == line).count();
        assert_eq!(asked, 1, "{line}");
    }
}
