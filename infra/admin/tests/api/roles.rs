//! Every route, asked by every role and by who has none: what each may is what the table says.

use std::collections::BTreeMap;

use admin::table::{COLLECTIONS, Op, routes};
use control::entity::Kind;
use control::role::{Action, Reach, Role, reach};
use http::Method;
use serde_json::{Value, json};

use crate::browser::{Browser, ORIGIN};
use crate::rig::{MASTER, Node};

const PASSWORD: &str = "correct horse battery staple";

/// An entity of each kind that can be there and changed.
fn specs() -> Vec<(Kind, &'static str, Value)> {
    vec![
        (Kind::Organisation, "default", json!({"title": "o"})),
        (Kind::Account, "acme", json!({})),
        (Kind::Project, "team", json!({})),
        (Kind::User, "ada", json!({})),
        (Kind::Binding, "ada-views", json!({"user": "ada", "role": "viewer"})),
        (Kind::Key, "app", json!({"project": "team"})),
        (Kind::Provider, "openai", json!({})),
        (
            Kind::Credential,
            "openai.main",
            json!({"provider": "openai", "name": "main", "secret": "sk-of-a-test"}),
        ),
        (Kind::Model, "fast", json!({"targets": [{"provider": "openai", "model": "gpt-4o-mini"}]})),
        (
            Kind::Price,
            "own",
            json!({"provider": "openai", "model": "own", "tiers": [{"rates": {"input": "1"}}]}),
        ),
        (Kind::Webhook, "hook", json!({"url": "https://example.com/hook"})),
        (
            Kind::Limit,
            "team-rate",
            json!({"scope": {"kind": "project", "id": "team"}, "concurrent": 3}),
        ),
        (
            Kind::Budget,
            "team-month",
            json!({"scope": {"kind": "project", "id": "team"}, "period": "month", "amount": "10"}),
        ),
    ]
}

fn path_of(route: &str, kind: Option<Kind>) -> String {
    let known: BTreeMap<&str, &str> =
        specs().into_iter().map(|(kind, id, _)| (kind.as_str(), id)).collect();
    let id = kind.and_then(|kind| known.get(kind.as_str()).copied()).unwrap_or("nothing");
    route.trim_start_matches("/admin/v1/").replace("{id}", id)
}

/// What is sent to a route, so that who may does no harm.
fn body_of(op: Op) -> Option<Value> {
    let spec = |kind: Kind| specs().into_iter().find(|(of, ..)| *of == kind).map(|(_, _, it)| it);
    match op {
        // known already, so that 409 says that it was let through
        Op::Create(kind) => {
            let (_, id, spec) = specs().into_iter().find(|(of, ..)| *of == kind)?;
            Some(json!({"id": id, "spec": spec}))
        }
        // of a version that is not the present one
        Op::Replace(kind) => Some(json!({"spec": spec(kind)?, "expected_version": 999_999})),
        Op::RotateKey => Some(json!({"overlap_seconds": 4_000_000_000_u32})),
        Op::Apply => Some(json!({"config": {}, "dry_run": true})),
        Op::SignIn | Op::UseLink | Op::ChangePassword => Some(json!({})),
        _ => None,
    }
}

/// What a caller who is let through gets.
fn let_through(op: Op) -> &'static [u16] {
    match op {
        Op::Create(_) | Op::Replace(_) => &[409],
        // a version that is not the present one
        Op::Delete(_) => &[409],
        Op::RotateKey | Op::SignIn | Op::UseLink | Op::ChangePassword => &[422],
        Op::SignOut | Op::SignOutEverywhere | Op::EndSessions => &[204],
        Op::MakeLink => &[201],
        Op::Get(Kind::PriceBook) | Op::History(Kind::PriceBook) => &[404],
        // there is no gateway here, and no ClickHouse
        Op::ExplainRoute | Op::SearchAudit => &[503],
        _ => &[200],
    }
}

fn kind_of(op: Op) -> Option<Kind> {
    match op {
        Op::Get(kind)
        | Op::History(kind)
        | Op::Create(kind)
        | Op::Replace(kind)
        | Op::Delete(kind)
        | Op::Usage(kind)
        | Op::List(kind) => Some(kind),
        Op::RotateKey => Some(Kind::Key),
        Op::CheckProvider => Some(Kind::Provider),
        Op::MakeLink | Op::EndSessions => Some(Kind::User),
        _ => None,
    }
}

/// What a caller shows.
#[derive(Clone)]
enum Shows {
    Key(String),
    Session(Browser),
}

/// Who asks: by which name, with what, in which role, where.
type Caller = (String, Shows, Option<Role>, Option<&'static str>);

/// Each role everywhere, in the entities' project and in another; and who has none.
async fn keys(node: &Node) -> Vec<Caller> {
    let mut callers = Vec::new();
    for role in Role::ALL {
        for project in [None, Some("team"), Some("other")] {
            let id = format!("as-{role}-{}", project.unwrap_or("everywhere"));
            let spec = json!({"project": project, "scopes": {"admin": role}});
            let secret = node.key(&id, spec).await;
            callers.push((id, Shows::Key(secret), Some(role), project));
        }
    }
    let calls = node.key("calls", json!({})).await;
    callers.push(("calls models alone".into(), Shows::Key(calls), None, None));
    callers
}

/// The same as people who signed in.
async fn people(node: &Node) -> Vec<Caller> {
    let everywhere = Role::ALL.map(|role| (Some(role), None));
    let team = Role::ALL.map(|role| (Some(role), Some("team")));
    let other = Role::ALL.map(|role| (Some(role), Some("other")));
    let bound = team.into_iter().chain(other).filter(|(role, _)| *role != Some(Role::Owner));
    let all = everywhere.into_iter().chain(bound).chain([(None, None)]);
    let mut callers = Vec::new();
    for (at, (role, project)) in all.enumerate() {
        let id = format!("person-{at}");
        let spec = json!({"id": id, "spec": {"password": PASSWORD}});
        node.post("users", spec).await.is(201);
        if let Some(role) = role {
            let bind = json!({"user": id, "role": role, "project": project});
            node.post("bindings", json!({"id": id, "spec": bind})).await.is(201);
        }
        let peer = format!("203.0.113.{at}:1");
        let mut browser = Browser { peer, ..Browser::default() };
        browser.sign_in(node, &id, PASSWORD).await.is(200);
        callers.push((id, Shows::Session(browser), role, project));
    }
    callers
}

#[tokio::test]
async fn every_route_lets_through_whom_the_table_of_roles_does_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    for (kind, id, spec) in specs() {
        let (_, collection) = COLLECTIONS.into_iter().find(|(of, _)| *of == kind).unwrap();
        if kind == Kind::Organisation {
            continue;
        }
        node.post(collection, json!({"id": id, "spec": spec})).await.is(201);
    }
    node.post("projects", json!({"id": "other", "spec": {}})).await.is(201);
    let mut callers = keys(&node).await;
    callers.extend(people(&node).await);

    let expired = node.key("expired", json!({"expires_at": 1, "scopes": {"admin": "owner"}})).await;
    let revoked = node.key("revoked", json!({"scopes": {"admin": "owner"}})).await;
    node.delete("keys/revoked").await.is(204);
    let disabled =
        node.key("disabled", json!({"disabled": true, "scopes": {"admin": "owner"}})).await;
    let elsewhere = json!({"addresses": ["192.0.2.0/24"], "scopes": {"admin": "owner"}});
    let elsewhere = node.key("elsewhere", elsewhere).await;
    let strangers = [
        None,
        Some("hk_no_such"),
        Some(&*expired),
        Some(&*revoked),
        Some(&*disabled),
        Some(&*elsewhere),
    ];
    let over = json!({"id": "over", "spec": {"password": PASSWORD}});
    node.post("users", over).await.is(201);
    let over = json!({"id": "over", "spec": {"user": "over", "role": "owner"}});
    node.post("bindings", over).await.is(201);
    let over = Browser::of(&node, "over", PASSWORD).await;
    over.clone().sign_out(&node).await.is(204);

    let mut asked = 0;
    for route in routes() {
        if matches!(route.op, Op::CheckProvider) {
            continue; // it would call out; its check is that of all others
        }
        let path = path_of(&route.path, kind_of(route.op));
        let body = body_of(route.op);
        let headers: &[(&str, &str)] = match route.op {
            Op::Delete(_) => &[("if-match", "\"999999\"")],
            _ => &[],
        };
        let public = if route.op.action().is_none() { let_through(route.op)[0] } else { 401 };
        for stranger in strangers {
            let answer =
                node.ask(stranger, route.method.clone(), &path, body.as_ref(), headers).await;
            assert_eq!(answer.status, public, "{} {path} as {stranger:?}", route.method);
            asked += 1;
        }
        let left = over.clone().ask(&node, route.method.clone(), &path, body.clone()).await;
        assert_eq!(left.status, public, "{} {path} by a session that is over", route.method);
        for (id, shows, role, project) in &mut callers {
            let answer = match shows {
                Shows::Key(key) => {
                    node.ask(Some(key), route.method.clone(), &path, body.as_ref(), headers).await
                }
                Shows::Session(browser) => {
                    let token = browser.csrf.clone().unwrap();
                    let own = [("origin", ORIGIN), ("x-csrf-token", &token)];
                    let headers = [&own, headers].concat();
                    browser.send(&node, route.method.clone(), &path, body.clone(), &headers).await
                }
            };
            let wanted = match (route.op.action(), &shows) {
                (Some(Action::OwnAccount), Shows::Key(_)) => vec![403],
                (Some(Action::OwnAccount | Action::WhoAmI), Shows::Session(_)) => {
                    let_through(route.op).to_vec()
                }
                _ => wanted(route.op, *role, *project),
            };
            assert!(
                wanted.contains(&answer.status),
                "{} {path} as {id}: {} and not {wanted:?}: {}",
                route.method,
                answer.status,
                answer.body
            );
            asked += 1;
            if let Shows::Session(browser) = shows
                && browser.cookie.is_none()
            {
                browser.sign_in(&node, id, PASSWORD).await.is(200);
            }
        }
    }
    assert!(asked > 2_900, "{asked} requests");
}

/// What a caller with this role, everywhere or in a project, gets.
fn wanted(op: Op, role: Option<Role>, project: Option<&str>) -> Vec<u16> {
    let Some(action) = op.action() else {
        return let_through(op).to_vec();
    };
    let Some(role) = role else {
        return vec![403];
    };
    let may = reach(role, action) != Reach::Nowhere;
    let of_projects =
        matches!(kind_of(op), Some(Kind::Key | Kind::Project | Kind::Limit | Kind::Budget))
            && !matches!(
                op,
                Op::Create(Kind::Project | Kind::Limit | Kind::Budget)
                    | Op::Replace(Kind::Project | Kind::Limit | Kind::Budget)
                    | Op::Delete(Kind::Project | Kind::Limit | Kind::Budget)
            );
    match project {
        _ if op == Op::WhoAmI => vec![200],
        _ if !may => vec![403],
        None => let_through(op).to_vec(),
        Some(_) if op == Op::ExplainRoute => let_through(op).to_vec(),
        Some(_) if !of_projects => vec![403],
        Some("team") => let_through(op).to_vec(),
        // lists are empty, and what is of another project is not there
        Some(_) => match op {
            Op::List(_) => vec![200],
            Op::Create(_) => vec![403, 409],
            _ => vec![404],
        },
    }
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_have() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), MASTER).await;
    node.post("projects", json!({"id": "team", "spec": {}})).await.is(201);
    node.post("users", json!({"id": "ada", "spec": {}})).await.is(201);
    let admin = node.key("admin", json!({"scopes": {"admin": "admin"}})).await;
    let developer =
        node.key("dev", json!({"project": "team", "scopes": {"admin": "developer"}})).await;
    let post = async |key: &str, path: &str, body: Value| {
        node.ask(Some(key), Method::POST, path, Some(&body), &[]).await.status
    };
    let key = |id: &str, spec: Value| json!({"id": id, "spec": spec});
    let owner = json!({"scopes": {"admin": "owner"}});
    assert_eq!(post(&admin, "keys", key("a", owner.clone())).await, 403);
    assert_eq!(post(&admin, "keys", key("b", json!({"scopes": {"admin": "operator"}}))).await, 201);
    let binding = |role: &str| key(&format!("ada-{role}"), json!({"user": "ada", "role": role}));
    assert_eq!(post(&admin, "bindings", binding("owner")).await, 403);
    assert_eq!(post(&admin, "bindings", binding("finance")).await, 201);
    assert_eq!(post(&developer, "keys", key("c", json!({"project": "default"}))).await, 403);
    assert_eq!(post(&developer, "keys", key("d", json!({}))).await, 403);
    let viewer = json!({"project": "team", "scopes": {"admin": "viewer"}});
    assert_eq!(post(&developer, "keys", key("e", viewer)).await, 403);
    assert_eq!(post(&developer, "keys", key("f", json!({"project": "team"}))).await, 201);
    // nor changes, rotates or deletes what they could not have made
    for (method, path) in [(Method::DELETE, "keys/owner"), (Method::POST, "keys/owner/rotate")] {
        let body = json!({});
        let body = (method == Method::POST).then_some(&body);
        assert_eq!(node.ask(Some(&admin), method, path, body, &[]).await.status, 403, "{path}");
    }
    let away = json!({"spec": {"project": "default"}});
    let moved = node.ask(Some(&developer), Method::PUT, "keys/f", Some(&away), &[]).await;
    assert_eq!(moved.status, 403);
}
