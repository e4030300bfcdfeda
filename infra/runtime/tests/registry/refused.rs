//! What is wrong is said, and what would be right.

use runtime::registry::fake::Mood;

use super::*;

/// What the registry does, at which requests, and what must be said.
struct Case {
    name: &'static str,
    requests: &'static str,
    status: u16,
    body: &'static str,
    says: &'static [&'static str],
}

const fn case(
    name: &'static str,
    requests: &'static str,
    status: u16,
    body: &'static str,
    says: &'static [&'static str],
) -> Case {
    Case { name, requests, status, body, says }
}

const INCOMPATIBLE: &str =
    r#"{"error_code": 409, "message": "reader field period_us has no default"}"#;
const FORBIDDEN: &str = r#"{"error_code": 40301, "message": "User is denied operation Write"}"#;

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("a wrong password", "", 401, r#"{"error_code": 401, "message": "Unauthorized"}"#, &["does not let the hub do", "401", "registry.user and registry.password"]),
    case("a wrong password, said by a proxy", "", 401, "<html>", &["401", "registry.password"]),
    case("a user who may not read", "GET /config", 403, FORBIDDEN, &["GET /config/hub.", "User is denied operation Write", "of a user who may"]),
    case("a user who may not set modes", "PUT /config", 403, FORBIDDEN, &["the subject hub.", "has compatibility", "must have FULL_TRANSITIVE or FULL", "denied operation Write"]),
    case("a user who may not register", "POST /subjects/hub.usage.v1-hub.Usage/versions", 403, FORBIDDEN, &["POST /subjects/hub.usage.v1-hub.Usage/versions", "of a user who may"]),
    case("an incompatible schema", "POST /subjects/hub.attempts.v1-hub.Tick/versions", 409, INCOMPATIBLE, &["subject hub.attempts.v1-hub.Tick", "not compatible", "reader field period_us has no default"]),
    case("a registry that takes no schemas", "POST /subjects/hub.usage.v1-hub.Usage/versions", 422, r#"{"error_code": 42205, "message": "Subject is in read-only mode"}"#, &["refuses POST /subjects/hub.usage.v1-hub.Usage/versions", "422", "read-only mode"]),
    case("a wrong path", "", 404, "<html>nothing here</html>", &["does not answer", "404", "registry.url must be the address of Confluent's API", "/apis/ccompat/v7"]),
    case("an address that moved", "", 301, "", &["301", "registry.url"]),
    case("a web page", "", 200, "<html>welcome</html>", &["does not answer", "expected value", "registry.url"]),
    case("JSON of another kind", "GET /config", 200, r#"{"status": "ok"}"#, &["missing field `compatibilityLevel`", "registry.url"]),
    case("an id that is none", "POST /subjects", 200, r#"{"id": -1}"#, &["POST /subjects/hub.", "invalid value", "registry.url"]),
    case("one id for all", "POST /subjects", 200, r#"{"id": 7}"#, &["schema id 7 is given for Usage and for Attempt"]),
    case("a proxy without a server", "", 502, "<html>", &["is away", "502"]),
    case("too many requests", "", 429, r#"{"error_code": 429, "message": "slow down"}"#, &["is away", "slow down"]),
];

#[tokio::test]
async fn what_a_registry_refuses_has_its_clear_error() {
    for case in CASES {
        let fake = Fake::start().await;
        let mut hub = Hub::of(&fake.url).hasty();
        hub.options.login = Some(("hub".into(), "hidden-word".into()));
        fake.mood(case.requests, Mood::Says(case.status, case.body.to_owned()));
        let refused = hub.refused().await;
        for part in case.says {
            assert!(refused.contains(part), "{}: does not say {part:?}: {refused}", case.name);
        }
        assert!(!refused.contains("hidden-word"), "{}: {refused}", case.name);
        assert!(!hub.options.cache.exists(), "{}", case.name);
    }
}

/// Other than a registry that is away, one that refuses is not passed over with the ids kept.
#[tokio::test]
async fn a_refusal_is_an_error_also_with_ids_kept() {
    let fake = Fake::start().await;
    let hub = Hub::of(&fake.url);
    hub.open().await.unwrap();
    fake.mood("", Mood::Says(401, String::new()));
    assert!(hub.again().refused().await.contains("registry.password"));
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    let fake = Fake::start().await;
    fake.mood("GET /config", Mood::Says(200, " ".repeat(2 << 20)));
    let refused = Hub::of(&fake.url).refused().await;
    assert!(refused.contains("more than 1048576 bytes"), "{refused}");
}

#[tokio::test]
async fn a_slow_registry_is_away() {
    let fake = Fake::start().await;
    fake.mood("POST", Mood::Silent);
    let refused = Hub::of(&fake.url).hasty().refused().await;
    assert!(refused.contains("is away") && refused.contains("timed out"), "{refused}");
}

#[tokio::test]
async fn settings_that_can_not_be_are_named() {
    for (url, says) in [
        ("registry:8081", "registry.url = \"registry:8081\" must be an address such as"),
        ("ftp://host/", "registry.url = \"ftp://host/\" must be an address such as"),
        ("http://hub:hidden-word@host/", "set registry.user and registry.password"),
        ("//hub:hidden-word@host/", "must be an address such as"),
        ("http://host/?a=hidden-word", "without a query"),
    ] {
        let refused = Hub::of(url).refused().await;
        assert!(refused.contains(says) && !refused.contains("hidden-word"), "{refused}");
    }
    let mut hub = Hub::of("https://127.0.0.1:1");
    hub.options.ca = Some("/nowhere/ca.pem".into());
    assert!(hub.refused().await.contains("registry.ca /nowhere/ca.pem: No such file"));
    let empty = hub.folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing\n").unwrap();
    hub.options.ca = Some(empty);
    assert!(hub.refused().await.contains("holds no certificate in PEM"));
}
