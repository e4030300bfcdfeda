//! What the pure parts of a call's way cost: reading the request, writing it anew, reading answers, showing them. Beside
//! each is what a bare walk over the same JSON costs.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

#[path = "../tests/samples/mod.rs"]
mod samples;

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use gateway::call::{Asked, Call};
use gateway::dialects::{Dialect, Translated};
use gateway::providers::{self, Decoder, Wanted, Wire};
use samples::{SAMPLES, Sample, parse, words};
use serde::de::IgnoredAny;

const CHUNKS: usize = 1_000;
const SIZES: [(&str, usize); 2] = [("1 KB", 1_000), ("100 KB", 100_000)];

fn walk(json: &[u8]) {
    serde_json::from_slice::<IgnoredAny>(black_box(json)).unwrap();
}

/// Requests in one format: walked, passed on; written from what an OpenAI client asked.
fn requests(criterion: &mut Criterion) {
    let openai = &SAMPLES[0];
    let speech = Dialect::OpenAiChat.speech();
    let head = http::Request::post("/v1/chat/completions").body(()).unwrap().into_parts().0;
    for (size, bytes) in SIZES {
        let call = openai.request(bytes).unwrap();
        criterion.bench_function(&format!("request of {size}/walk"), |bench| {
            bench.iter(|| walk(&call.body))
        });
        criterion.bench_function(&format!("request of {size}/parse"), |bench| {
            bench.iter(|| speech.parse(&head, black_box(call.body.clone())).unwrap());
        });
        criterion.bench_function(&format!("request of {size}/read"), |bench| {
            bench.iter(|| speech.read(black_box(&call)).unwrap());
        });
        let asked: Asked = speech.read(&call).unwrap();
        for sample in &SAMPLES {
            let (name, target, format) =
                (sample.wire.as_str(), sample.target(), sample.wire.format());
            criterion.bench_function(&format!("request of {size}/write {name}"), |bench| {
                bench.iter(|| format.write(black_box(&asked), &call, &target).unwrap());
            });
            let Some(own) = sample.request(bytes) else { continue };
            criterion.bench_function(&format!("request of {size}/pass {name}"), |bench| {
                bench.iter(|| providers::encode(black_box(&own), &target).unwrap());
            });
        }
    }
}

fn shown(sample: &Sample, call: &Call, dialect: Dialect) -> Box<dyn Decoder> {
    let target = sample.target();
    let decoder = sample.wire.format().decoder(call, &target, Wanted::Deltas);
    Box::new(Translated::new(decoder, &Call { dialect, ..call.clone() }, &target))
}

/// A stream of 1,000 chunks of a few words each.
fn streams(criterion: &mut Criterion) {
    let call = SAMPLES[0].request(1_000).unwrap();
    for sample in &SAMPLES {
        let (name, target) = (sample.wire.as_str(), sample.target());
        let (head, chunk, json) = (sample.head(), sample.chunk(" word"), sample.json(" word"));
        criterion.bench_function(&format!("stream/walk {name}"), |bench| {
            bench.iter(|| (0..CHUNKS).for_each(|_| walk(json.as_bytes())));
        });
        let passed = || sample.wire.format().decoder(&call, &target, Wanted::Bytes);
        let openai = || shown(sample, &call, Dialect::OpenAiChat);
        let anthropic = || shown(sample, &call, Dialect::Anthropic);
        let ways: [(&str, &dyn Fn() -> Box<dyn Decoder>); 3] =
            [("pass", &passed), ("openai", &openai), ("anthropic", &anthropic)];
        for (way, decoder) in ways {
            criterion.bench_function(&format!("stream/{way} {name}"), |bench| {
                bench.iter(|| feed(&mut *decoder(), &head, &chunk));
            });
        }
    }
    let untold = Call { usage_wanted: false, ..call };
    let (openai, chunk) = (&SAMPLES[0], SAMPLES[0].chunk(" word"));
    criterion.bench_function("stream/pass without usage openai", |bench| {
        let decoder = || openai.wire.format().decoder(&untold, &openai.target(), Wanted::Bytes);
        bench.iter(|| feed(&mut *decoder(), &openai.head(), &chunk));
    });
}

fn feed(decoder: &mut dyn Decoder, head: &Bytes, chunk: &Bytes) {
    let mut pieces = Vec::new();
    decoder.push(head.clone(), &mut pieces).ok();
    for _ in 0..CHUNKS {
        decoder.push(chunk.clone(), &mut pieces).ok();
        black_box(&pieces);
        pieces.clear();
    }
}

/// A whole answer.
fn whole(criterion: &mut Criterion) {
    let body =
        format!(r#"{{"model":"fast","messages":[{{"role":"user","content":"{}"}}]}}"#, words(60));
    let call = parse(Dialect::OpenAiChat, "/v1/chat/completions", body);
    let answer = Bytes::from(format!(
        r#"{{"id":"c","choices":[{{"index":0,"message":{{"role":"assistant","content":"{}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}}}}"#,
        words(480)
    ));
    let target = SAMPLES[0].target();
    criterion.bench_function("whole answer of 0.6 KB/pass openai", |bench| {
        bench.iter(|| {
            let mut decoder = Wire::OpenAi.format().decoder(&call, &target, Wanted::Bytes);
            let mut pieces = Vec::new();
            decoder.push(answer.clone(), &mut pieces).ok();
            decoder.end(&mut pieces).ok();
            black_box((pieces, decoder.tally().clone()))
        });
    });
}

criterion_group! {
    name = all;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .without_plots();
    targets = requests, streams, whole
}
criterion_main!(all);
