//! What the pure parts of a call's way cost: reading the request, writing it anew, reading answers.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gateway::dialects::openai::chat;
use gateway::providers::{self, Auth, Deadlines, Endpoint, compat};
use gateway::routing::Target;
use http::HeaderMap;

const CHUNKS: u64 = 100;

fn target() -> Target {
    let vendor = compat::shipped().unwrap()["openai"].clone();
    let uri = |path: &str| Some(format!("{}{path}", vendor.base_url).parse().unwrap());
    let time = Duration::from_secs(60);
    Target {
        provider: "openai".into(),
        credential: "main".into(),
        credential_version: 1,
        auth: Auth::None,
        model: "gpt-4o-mini".into(),
        subject: "t".into(),
        credential_subject: "c".into(),
        endpoint: Arc::new(Endpoint {
            counts: Default::default(),
            id: "openai".into(),
            base_url: vendor.base_url.parse().unwrap(),
            chat: uri(&vendor.chat_path),
            embeddings: None,
            responses: None,
            deadlines: Deadlines { connect: time, first_byte: time, idle: time, total: time },
            vendor,
        }),
    }
}

fn benches(criterion: &mut Criterion) {
    let words = "a few words of a prompt ".repeat(36);
    let body = Bytes::from(format!(
        "{{\"model\":\"fast\",\"messages\":[{{\"role\":\"user\",\"content\":\"{words}\"}}],\"temperature\":0.2,\"stream\":true}}"
    ));
    let (headers, target) = (HeaderMap::new(), target());
    let call = chat(&headers, body.clone()).unwrap();
    criterion.bench_function("request of 1 KB: read", |bench| {
        bench.iter(|| chat(&headers, black_box(body.clone())).unwrap());
    });
    criterion.bench_function("request of 1 KB: model and usage flag changed", |bench| {
        bench.iter(|| providers::encode(black_box(&call), &target).unwrap());
    });

    let answer = Bytes::from(format!(
        "{{\"id\":\"c\",\"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{}\"}},\"finish_reason\":\"stop\"}}],\"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":5,\"total_tokens\":14}}}}",
        "words ".repeat(80)
    ));
    criterion.bench_function("whole answer of 0.6 KB", |bench| {
        bench.iter(|| {
            let mut decoder = providers::decoder(&call, &target);
            let mut pieces = Vec::new();
            decoder.push(answer.clone(), &mut pieces).ok();
            decoder.end(&mut pieces).ok();
            black_box((pieces, decoder.tally().clone()))
        });
    });

    let chunk = Bytes::from_static(
        b"data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1795400000,\"model\":\"gpt-4o-mini\",\"system_fingerprint\":\"fp_1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n",
    );
    let mut group = criterion.benchmark_group("stream");
    group.throughput(Throughput::Elements(CHUNKS));
    for (name, wanted) in [("chunks as they came", true), ("chunks with usage taken out", false)] {
        let mut call = call.clone();
        call.usage_wanted = wanted;
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let mut decoder = providers::decoder(&call, &target);
                let mut pieces = Vec::new();
                for _ in 0..CHUNKS {
                    decoder.push(chunk.clone(), &mut pieces).ok();
                    black_box(&pieces);
                    pieces.clear();
                }
            });
        });
    }
}

criterion_group!(all, benches);
criterion_main!(all);
