//! What it costs to write and read a usage event: one charge, four meters.

#![expect(clippy::expect_used, reason = "a benchmark may stop")]

use criterion::{Criterion, criterion_group, criterion_main};
use schemas::event::Usage;
use schemas::wire::Codec;

#[derive(serde::Deserialize)]
struct Example {
    event: Usage,
}

fn usage(c: &mut Criterion) {
    let text = include_str!("../examples/usage.1.json");
    let event: Usage = serde_json::from_str::<Example>(text).expect("the example reads").event;
    let codec = Codec::fixed();
    let framed = codec.to_vec(&event).expect("it encodes");

    let mut group = c.benchmark_group("usage");
    group.throughput(criterion::Throughput::Bytes(framed.len() as u64));
    let mut out = Vec::with_capacity(1024);
    group.bench_function("encode", |b| {
        b.iter(|| {
            out.clear();
            codec.encode(std::hint::black_box(&event), &mut out)
        });
    });
    group.bench_function("decode", |b| {
        b.iter(|| codec.decode::<Usage>(std::hint::black_box(&framed)));
    });
    group.finish();
}

criterion_group!(benches, usage);
criterion_main!(benches);
