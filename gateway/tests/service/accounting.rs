//! What is owed.

use std::sync::Arc;

use gateway::dialects::Dialect;
use gateway::routing::Plan;
use schemas::event::{Meter, Operation, Outcome};
use serde_json::json;

use crate::passing::{settled, start};
use crate::rig::{CHAT, Rig, STREAM, plan, rest, target};
use crate::scripted::{
    ANSWER, DONE, FINISH, HELLO, Provider, Seen, chunk, end, stream_head, whole,
};

type Owed = (bool, Option<i64>, Vec<(Meter, i64)>);

#[tokio::test(start_paused = true)]
async fn what_the_provider_says_else_an_estimate() {
    let answer = |usage: &str| {
        let (before, _) = ANSWER.split_once(",\"usage\"").unwrap();
        let content = before.replace("\"hi\"", "\"123456789\"");
        let body = match usage {
            "" => format!("{content}}}"),
            usage => format!("{content},\"usage\":{usage}}}"),
        };
        vec![whole("200 OK", "", &body)]
    };
    let stream = |usage: &str| {
        let usage = format!("data: {{\"choices\":[],\"usage\":{usage}}}\n\n");
        vec![stream_head(), chunk(HELLO), chunk(&[FINISH, &usage, DONE].concat()), end()]
    };
    let riding = |usage: &str| {
        let finish = FINISH.replace("\"usage\":null", &format!("\"usage\":{usage}"));
        vec![stream_head(), chunk(HELLO), chunk(&finish), chunk(DONE), end()]
    };
    let (input, streamed) = (CHAT.len() as i64 / 4, STREAM.len() as i64 / 4);
    let cases: Vec<(&str, _, Owed)> = vec![
        (
            CHAT,
            answer(r#"{"prompt_tokens":9,"completion_tokens":5}"#),
            (false, None, vec![(Meter::Input, 9), (Meter::Output, 5)]),
        ),
        (
            CHAT,
            answer(r#"{"prompt_tokens":9,"completion_tokens":5,"cost":1.5e-05}"#),
            (false, Some(15_000), vec![(Meter::Input, 9), (Meter::Output, 5)]),
        ),
        (CHAT, answer(""), (true, None, vec![(Meter::Input, input), (Meter::Output, 3)])),
        (CHAT, answer("null"), (true, None, vec![(Meter::Input, input), (Meter::Output, 3)])),
        (
            CHAT,
            answer(r#"{"prompt_tokens":0,"completion_tokens":0}"#),
            (true, None, vec![(Meter::Input, input), (Meter::Output, 3)]),
        ),
        (
            CHAT,
            answer(r#"{"prompt_tokens":"nine"}"#),
            (true, None, vec![(Meter::Input, input), (Meter::Output, 3)]),
        ),
        // a prompt that was all cached, says Ollama, has no tokens
        (
            CHAT,
            answer(r#"{"prompt_tokens":0,"completion_tokens":5}"#),
            (true, None, vec![(Meter::Output, 5), (Meter::Input, input)]),
        ),
        (
            STREAM,
            stream(r#"{"prompt_tokens":9,"completion_tokens":5}"#),
            (false, None, vec![(Meter::Input, 9), (Meter::Output, 5)]),
        ),
        (
            STREAM,
            riding(r#"{"prompt_tokens":9,"completion_tokens":5}"#),
            (false, None, vec![(Meter::Input, 9), (Meter::Output, 5)]),
        ),
        (STREAM, stream("null"), (true, None, vec![(Meter::Input, streamed), (Meter::Output, 2)])),
    ];
    for (body, script, wanted) in cases {
        let provider = Provider::start(vec![script.clone()]).await;
        let mut rig = Rig::new();
        let response = rig.start(body, plan(&[&provider])).await.unwrap();
        let shown = rest(response.into_body()).await;
        assert!(body == CHAT || !shown.contains("usage"), "{shown}");
        let (usages, _) = rig.events().await;
        let [usage] = usages.as_slice() else { panic!() };
        let [charge] = usage.charges.as_slice() else { panic!() };
        let units = charge.quantities.iter().map(|quantity| (quantity.meter, quantity.units));
        let owed = (charge.estimated, charge.reported_nano, units.collect());
        assert_eq!(owed, wanted, "{script:?}");
        assert_eq!(usage.outcome, Outcome::Completed);
    }
}

#[tokio::test(start_paused = true)]
async fn embeddings_have_input_alone() {
    let body = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1]}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}"#;
    let provider = Provider::start(vec![vec![whole("200 OK", "", body)]]).await;
    let mut rig = Rig::new();
    let asked = r#"{"model":"gpt-4o-mini","input":"x"}"#;
    let response = rig.start(asked, plan(&[&provider])).await.unwrap();
    assert_eq!(rest(response.into_body()).await, body);
    let (usages, _) = rig.events().await;
    let units: Vec<_> =
        usages[0].charges[0].quantities.iter().map(|q| (q.meter, q.units)).collect();
    assert_eq!(units, [(Meter::Input, 3)]);
    assert!(!usages[0].charges[0].estimated);
}

/// Clients of OpenAI and of AIGNE reach Amazon's image models by the models' own bodies.
#[tokio::test(start_paused = true)]
async fn images_of_amazons_models_are_counted() {
    let openai =
        r#"{"model":"m","prompt":"a cat","size":"1536x1024","response_format":"b64_json"}"#;
    let aigne = r#"{"input":{"prompt":"a cat","size":"1536x1024","modelOptions":{"model":"m"}}}"#;
    for (dialect, body, shown) in [
        (Dialect::OpenAiImages, openai, r#""b64_json":"iVBORw0KGgo=""#),
        (Dialect::AigneImage, aigne, r#""data":"iVBORw0KGgo=""#),
    ] {
        let answer = r#"{"seeds":[7],"finish_reasons":[null],"images":["iVBORw0KGgo="]}"#;
        let mut provider = Provider::start(vec![vec![whole("200 OK", "", answer)]]).await;
        let model = "stability.sd3-5-large-v1:0".into();
        let target = Arc::new(target("bedrock", &provider).with_model(&model));
        let mut rig = Rig::new();
        let response = start(&mut rig, dialect, body, Plan::of([target])).await.unwrap();
        let said = rest(response.into_body()).await;
        assert!(said.contains(shown), "{said}");
        let Seen::Request { head, body, .. } = provider.next().await else { panic!() };
        assert!(head.starts_with("POST /v1/model/stability.sd3-5-large-v1%3A0/invoke "), "{head}");
        let sent: serde_json::Value = serde_json::from_str(&body).unwrap();
        let wanted = json!({"prompt": "a cat", "mode": "text-to-image", "aspect_ratio": "3:2"});
        assert_eq!(sent, wanted);
        let (usage, units, estimated) = settled(rig).await;
        assert_eq!((usage.operation, usage.outcome), (Operation::Image, Outcome::Completed));
        assert_eq!((units, estimated), (vec![(Meter::Image, 1)], false));
    }
}
