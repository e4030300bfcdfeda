//! The event that benchmarks count: a call as most are.

use std::collections::BTreeMap;

use schemas::event::{Charge, Meter, Operation, Outcome, Quantity, Usage};
use schemas::ids::{CallId, Origin, PriceVersion};

/// The settled call of this number, priced by this book.
pub(crate) fn usage(seq: u64, version: &PriceVersion) -> Usage {
    let mut random = [7; 10];
    random[..8].copy_from_slice(&seq.to_be_bytes());
    let quantity = |meter, units| Quantity { meter, units };
    Usage {
        call: CallId::new(1_768_478_400_000, &random),
        origin: Origin([1; 16]),
        seq: seq.cast_signed(),
        account: format!("account-{}", seq % 500).into(),
        project: "production".into(),
        key: "key-7f3a9c".into(),
        user: Some("user-4711".into()),
        client: Some("openai-python/2.1.0".into()),
        tags: BTreeMap::from([("team".to_owned(), "search".to_owned())]),
        operation: Operation::Chat,
        dialect: "openai.chat".into(),
        streamed: true,
        model: "gpt-4o-mini".into(),
        outcome: Outcome::Completed,
        error: None,
        status: 200,
        attempts: 1,
        charges: vec![Charge {
            provider: "openai".into(),
            credential: "main".into(),
            model: "gpt-4o-mini".into(),
            quantities: vec![
                quantity(Meter::Input, 812),
                quantity(Meter::InputCached, 2048),
                quantity(Meter::Output, 377),
            ],
            estimated: false,
            reported_nano: None,
        }],
        price_version: version.clone(),
        admitted_at: 1_768_478_400_000_000,
        ttft_us: Some(231_000),
        duration_us: 2_100_000,
    }
}
