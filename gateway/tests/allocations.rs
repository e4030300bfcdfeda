//! What a stream's chunks cost in memory: no decoder allocates per byte, and what passes is not copied. What a plan
//! costs: no more for a large catalogue.
#![cfg(test)]
#![expect(unsafe_code, reason = "an allocator that counts")]

#[path = "routing/rig.rs"]
#[expect(dead_code, reason = "the tests of the router use all of it")]
mod rig;
mod samples;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::Bytes;
use gateway::call::Call;
use gateway::config::ModelSeed;
use gateway::dialects::{Dialect, Translated};
use gateway::providers::{Decoder, PieceKind, Wanted, Wire};
use gateway::routing::{Strategy, Wanted as RouterWanted};
use rig::{NOW, Rig, model, provider, target};
use samples::{SAMPLES, Sample, words};
use schemas::event::AttemptError;

struct Counting;

thread_local! {
    /// Allocations of this thread, and their bytes; what is grown counts as anew.
    static COUNTED: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

fn count(bytes: usize) {
    // a thread that ends counts no more
    COUNTED
        .try_with(|counted| {
            let (number, sum) = counted.get();
            counted.set((number + 1, sum + bytes as u64));
        })
        .ok();
}

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller promises
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as the caller promises
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes of text of a small chunk, and of a large one.
const SIZES: [usize; 2] = [100, 10_000];
/// Buffers grow by doubling: so many more times in all, where there is a hundred times more of a text.
const GROWTH: u64 = 32;

/// A way of an answer: by which decoder, and how many chunks of each size are given to it.
type Way = (&'static str, fn(&Sample) -> Box<dyn Decoder>, u64);

const WAYS: [Way; 6] = [
    ("passed", |sample| decoder(sample, Wanted::Bytes), 1_000),
    ("read", |sample| decoder(sample, Wanted::Deltas), 1_000),
    ("shown to OpenAI's client", |sample| shown(sample, Dialect::OpenAiChat), 50),
    ("shown to Anthropic's", |sample| shown(sample, Dialect::Anthropic), 50),
    ("shown to Google's", |sample| shown(sample, Dialect::Gemini), 50),
    ("shown to Amazon's", |sample| shown(sample, Dialect::Bedrock), 50),
];

fn client(dialect: Dialect) -> Call {
    let openai = SAMPLES[0].request(300).unwrap();
    Call { dialect, ..openai }
}

fn decoder(sample: &Sample, wanted: Wanted) -> Box<dyn Decoder> {
    sample.wire.format().decoder(&client(Dialect::OpenAiChat), &sample.target(), wanted)
}

fn shown(sample: &Sample, dialect: Dialect) -> Box<dyn Decoder> {
    let decoder = decoder(sample, Wanted::Deltas);
    Box::new(Translated::new(decoder, &client(dialect), &sample.target()))
}

/// Text of which every fiftieth byte is escaped.
fn escaped(bytes: usize) -> String {
    let lines: Vec<String> = (0..bytes / 50).map(|_| words(48)).collect();
    lines.join("\\n")
}

/// Allocations and their bytes, while so many chunks are given; a read holds one or, where they are cut, the end of one
/// and the beginning of the next.
fn counted(
    sample: &Sample,
    mut decoder: Box<dyn Decoder>,
    text: &str,
    chunks: u64,
    cut: bool,
) -> (u64, u64) {
    let chunk = sample.chunk(text);
    let middle = if cut { chunk.len() / 2 } else { 0 };
    let read = Bytes::from([&chunk[middle..], &chunk[..middle]].concat());
    let mut pieces = Vec::new();
    decoder.push(sample.head(), &mut pieces).unwrap();
    decoder.push(chunk.slice(..middle), &mut pieces).unwrap();
    decoder.push(read.clone(), &mut pieces).unwrap(); // the first begins the answer
    pieces.clear();
    let before = COUNTED.get();
    for _ in 0..chunks {
        decoder.push(read.clone(), &mut pieces).unwrap();
        assert!(pieces.iter().any(|piece| piece.kind == PieceKind::Content));
        pieces.clear();
    }
    let after = COUNTED.get();
    (after.0 - before.0, after.1 - before.1)
}

#[test]
fn no_decoder_allocates_per_byte() {
    for sample in &SAMPLES {
        for (way, decoder, chunks) in WAYS {
            let counts = |text: fn(usize) -> String, chunks| {
                SIZES.map(|size| counted(sample, decoder(sample), &text(size), chunks, false).0)
            };
            let [small, large] = counts(words, chunks);
            let name = format!("{} {way}: {small} allocations", sample.wire.as_str());
            // what is written for the client grows in its buffer, and so does what is unescaped
            let grown = GROWTH * chunks;
            let most = small + if way.starts_with("shown") { grown } else { 0 };
            assert!(large <= most, "{name}, {large} of larger chunks");
            let [small, large] = counts(escaped, 50);
            assert!(large <= small + GROWTH * 50, "{name}, {large} of larger chunks with escapes");
        }
    }
}

#[test]
fn what_passes_is_copied_once_at_most() {
    for sample in &SAMPLES {
        let name = sample.wire.as_str();
        let passed =
            |size, cut| counted(sample, decoder(sample, Wanted::Bytes), &words(size), 1_000, cut);
        let [small, large] = SIZES.map(|size| passed(size, false));
        let bytes = 1_000 * sample.chunk(&words(SIZES[1])).len() as u64;
        // chunks that come whole are not copied; the payload of Amazon's frames is, to be read
        let copied = if sample.wire == Wire::Bedrock { bytes } else { 0 };
        assert_eq!(large.0, small.0, "{name}");
        assert!(large.1 <= small.1 + copied, "{name}: {small:?}, {large:?}");
        // those that come in two reads are joined, in a buffer that grows by doubling
        let [small, large] = SIZES.map(|size| passed(size, true));
        assert!(large.0 <= small.0 + 1_000, "{name}: {small:?}, {large:?}");
        assert!(large.1 <= small.1 + copied + 2 * bytes, "{name}: {small:?}, {large:?}");
    }
}

#[test]
fn what_passes_is_what_came() {
    for sample in &SAMPLES {
        let mut decoder = decoder(sample, Wanted::Bytes);
        let mut pieces = Vec::new();
        decoder.push(sample.head(), &mut pieces).unwrap();
        pieces.clear();
        let chunk = sample.chunk(&words(300));
        let read = Bytes::from([&chunk[..], &chunk[..]].concat());
        decoder.push(read.clone(), &mut pieces).unwrap();
        let inside = read.as_ptr_range();
        for piece in pieces.iter().filter(|piece| piece.kind == PieceKind::Content) {
            assert_eq!(piece.bytes, chunk, "{}", sample.wire.as_str());
            assert!(inside.contains(&piece.bytes.as_ptr()), "{}: a copy", sample.wire.as_str());
        }
        assert!(pieces.len() >= 2);
    }
}

/// A route of a provider with so many credentials, each called once.
fn routed(credentials: usize, strategy: Strategy) -> Rig {
    let route = ModelSeed { strategy, ..model("m", vec![target("a"), target("b")]) };
    let providers = vec![provider("a", &vec![1; credentials]), provider("b", &[1])];
    let rig = Rig::new(providers, vec![route]);
    for known in &rig.snapshot.routes[&"m".into()].targets {
        let flight = rig.local.begin(&known.target, known.keys, false, NOW);
        flight.ended(AttemptError::None, None, NOW);
    }
    rig
}

#[test]
fn a_plan_allocates_the_same_whatever_the_catalogue() {
    for strategy in
        [Strategy::Weighted, Strategy::Latency, Strategy::Cost, Strategy::Busy, Strategy::Affinity]
    {
        let [small, large] = [10, 2_000].map(|credentials| {
            let rig = routed(credentials, strategy);
            let name = "m".into();
            let wanted = RouterWanted { prefix: 7, ..RouterWanted::model(&name) };
            let plan = |seed| rig.plan(&wanted, seed).unwrap();
            drop(plan(0));
            let before = COUNTED.get();
            (1..=100).for_each(|seed| drop(plan(seed)));
            let after = COUNTED.get();
            (after.0 - before.0, after.1 - before.1)
        });
        assert_eq!(large, small, "{strategy:?}: allocations and bytes of 100 plans");
    }
}
