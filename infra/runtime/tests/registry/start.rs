//! What a hub does with the registry when it starts.

use runtime::registry::fake::Mood;

use super::*;

#[tokio::test]
async fn every_schema_is_registered_under_its_topic_and_record() {
    let fake = Fake::start().await;
    fake.add("somebody-value", r#"{"type": "record", "name": "x", "fields": []}"#);
    let mut hub = Hub::of(&fake.url);
    hub.options.prefix = "staging.".into();
    hub.options.login = Some(("hub".into(), "word".into()));
    let codec = hub.open().await.unwrap();
    for (.., text) in SCHEMAS {
        let found = fake.add("another-value", text);
        assert!(found > 1 && codec.knows(found), "{found}");
    }
    assert!(!codec.knows(1));
    for name in SchemaName::ALL {
        let subject = format!("staging.{}-{}", name.topic(), name.record());
        assert_eq!(fake.mode(&subject).as_deref(), Some("FULL_TRANSITIVE"), "{subject}");
    }
    let requests = fake.requests();
    let registered = requests.iter().filter(|request| request.line.ends_with("/versions"));
    let registered = registered.filter(|request| request.line.starts_with("POST"));
    assert_eq!(registered.count(), SCHEMAS.len());
    for request in &requests {
        assert!(request.head.contains("authorization: Basic aHViOndvcmQ="), "{}", request.head);
        if !request.line.starts_with("GET") {
            let kind = "content-type: application/vnd.schemaregistry.v1+json\r\n";
            assert_eq!(request.head.matches("content-type").count(), 1, "{}", request.head);
            assert!(format!("{}\r\n", request.head).contains(kind), "{}", request.head);
        }
    }
}

#[tokio::test]
async fn a_second_hub_registers_nothing_and_gets_the_same_ids() {
    let fake = Fake::start().await;
    let first = Hub::of(&fake.url).open().await.unwrap();
    let before = fake.requests().len();
    let second = Hub::of(&fake.url).open().await.unwrap();
    assert_eq!(tick_id(&first), tick_id(&second));
    for request in fake.requests().split_off(before) {
        let writes = request.line.starts_with("PUT")
            || (request.line.starts_with("POST") && request.line.ends_with("/versions"));
        assert!(!writes, "{}", request.line);
    }
}

#[tokio::test]
async fn versions_of_other_hubs_are_read_from_the_start() {
    let fake = Fake::start().await;
    Hub::of(&fake.url).open().await.unwrap();
    let (text, _) = newer_tick(0);
    let (_, value) = newer_tick(fake.add(TICKS, &text));
    let older = Hub::of(&fake.url).open().await.unwrap();
    assert_eq!(older.decode::<Tick>(&value).unwrap(), Tick { period_us: 2 });
    assert_ne!(tick_id(&older), id(&value), "it writes its own version");
}

#[tokio::test]
async fn a_weaker_mode_is_raised_and_a_strong_one_left() {
    let fake = Fake::start().await;
    fake.set_mode(TICKS, "BACKWARD");
    fake.set_mode("hub.usage.v1-hub.Usage", "FULL");
    Hub::of(&fake.url).open().await.unwrap();
    assert_eq!(fake.mode(TICKS).unwrap(), "FULL_TRANSITIVE");
    assert_eq!(fake.mode("hub.usage.v1-hub.Usage").unwrap(), "FULL");
}

#[tokio::test]
async fn a_hub_that_has_seen_the_registry_starts_while_it_is_away() {
    for mood in [Mood::Gone, Mood::Silent, Mood::Says(503, "<html>busy</html>".into())] {
        let fake = Fake::start().await;
        let hub = Hub::of(&fake.url);
        let seen = hub.open().await.unwrap();
        fake.mood("", mood);
        let hub = hub.again().hasty();
        let codec = hub.open().await.unwrap();
        assert_eq!(tick_id(&codec), tick_id(&seen));
        // and settles once it is back
        let before = fake.requests().len();
        fake.is_well();
        let (text, _) = newer_tick(0);
        let (_, value) = newer_tick(fake.add(TICKS, &text));
        assert_eq!(until_read(&codec, &value).await, Tick { period_us: 2 });
        let asked = fake.requests().split_off(before);
        assert!(asked.iter().any(|request| request.line.starts_with("GET /config")));
    }
}

#[tokio::test]
async fn a_hub_that_never_saw_the_registry_waits_for_it() {
    let fake = Fake::start().await;
    fake.mood("", Mood::Gone);
    let hub = Hub::of(&fake.url);
    let told = std::sync::Mutex::new(Vec::new());
    let opening = open(hub.options.clone(), &hub.tasks, |error| {
        told.lock().unwrap().push(error.to_string());
    });
    let well = async {
        // asked, and asked again
        fake.until_asked("GET /config", 2 * SCHEMAS.len()).await;
        assert!(!hub.options.cache.exists());
        fake.is_well();
    };
    let (codec, ()) =
        tokio::time::timeout(LONG, async { tokio::join!(opening, well) }).await.unwrap();
    codec.unwrap();
    let told = told.into_inner().unwrap();
    assert!(!told.is_empty() && told[0].contains("is away"), "{told:?}");
    assert!(hub.options.cache.exists());

    let other = Hub::of("http://127.0.0.1:1").hasty();
    let refused = other.refused().await;
    assert!(refused.starts_with("the schema registry http://127.0.0.1:1 is away"), "{refused}");
    assert!(refused.contains("onnection refused"), "{refused}");
}

#[tokio::test]
async fn kept_ids_are_of_one_registry() {
    let (fake, other) = (Fake::start().await, Fake::start().await);
    let mut hub = Hub::of(&fake.url);
    let seen = hub.open().await.unwrap();
    // under another name while it is away: who knows which registry that is
    other.mood("", Mood::Gone);
    hub = hub.again().hasty();
    hub.options.url = other.url.clone();
    assert!(hub.refused().await.contains("is away"));
    // there, with other ids
    other.is_well();
    other.add("somebody-value", "\"string\"");
    let refused = hub.refused().await;
    let says = [
        &format!("{} gives hub.", other.url),
        "when events of this data folder were written",
        "registry.json",
        "registry.url",
    ];
    assert!(says.iter().all(|part| refused.contains(part)), "{refused}");
    // the same one under another name
    let port = fake.url.rsplit_once(':').unwrap().1;
    hub.options.url = format!("http://localhost:{port}/");
    let codec = hub.again().open().await.unwrap();
    assert_eq!(tick_id(&codec), tick_id(&seen));
}

#[tokio::test]
async fn a_file_that_is_damaged_is_named() {
    let fake = Fake::start().await;
    let hub = Hub::of(&fake.url);
    std::fs::create_dir(hub.folder.path().join("data")).unwrap();
    for text in ["", "{}", r#"{"url": "x", "schemas": [{"id": "y"}]}"#] {
        std::fs::write(&hub.options.cache, text).unwrap();
        let refused = hub.refused().await;
        assert!(refused.contains("the file of schema ids") && refused.contains("registry.json"));
        assert!(fake.requests().is_empty());
    }
}
