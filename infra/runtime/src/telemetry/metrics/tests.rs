use std::time::Duration;

use schemas::event::{AttemptError, Meter, Operation, Outcome};
use schemas::topics::Topic;

use super::*;

fn line<'a>(text: &'a str, start: &str) -> &'a str {
    text.lines()
        .find(|line| line.starts_with(start))
        .unwrap_or_else(|| panic!("{start}\n{text}"))
}

#[test]
fn what_is_counted_is_written_under_its_name() {
    let metrics = Metrics::new("1.2.3", "abc");
    let provider = metrics.provider("openai");
    let second = Duration::from_secs(1);
    provider.settled(
        Operation::Chat,
        Outcome::Completed,
        second,
        Some(second / 4),
    );
    metrics
        .provider("openai")
        .settled(Operation::Chat, Outcome::Completed, second, None);
    provider.attempted(AttemptError::RateLimit, second);
    provider.used(Meter::InputCached, 40);
    provider.used(Meter::InputCached, 2);
    provider.used(Meter::Output, -5);
    metrics.gateway().refused("invalid_key");
    metrics.gateway().in_flight.inc();
    metrics.outbox().unshipped.set(7);
    metrics.outbox().errors.inc();
    let billing = metrics.processor("billing", 3);
    billing.lag.set(12);
    billing.delay.set(0.5);
    billing.dead.inc();
    metrics.sink("usage").rows.inc_by(100);
    metrics
        .log()
        .appended(Topic::Ledger, Duration::from_millis(2));
    metrics.clickhouse().restarts.inc();
    metrics.traces().dropped.inc();

    let text = metrics.encode();
    for (start, wanted) in [
        (
            "hub_build_info",
            r#"hub_build_info{version="1.2.3",commit="abc"} 1"#,
        ),
        (
            "hub_calls_total",
            r#"hub_calls_total{provider="openai",operation="chat",outcome="completed"} 2"#,
        ),
        (
            "hub_call_duration_seconds_count",
            r#"hub_call_duration_seconds_count{provider="openai",operation="chat"} 2"#,
        ),
        (
            "hub_call_ttft_seconds_sum",
            r#"hub_call_ttft_seconds_sum{provider="openai",operation="chat"} 0.25"#,
        ),
        (
            "hub_attempts_total",
            r#"hub_attempts_total{provider="openai",error="rate_limit"} 1"#,
        ),
        (
            "hub_units_total{provider=\"openai\",meter=\"input_cached\"",
            r#"hub_units_total{provider="openai",meter="input_cached"} 42"#,
        ),
        (
            "hub_units_total{provider=\"openai\",meter=\"output\"",
            r#"hub_units_total{provider="openai",meter="output"} 0"#,
        ),
        (
            "hub_calls_refused_total",
            r#"hub_calls_refused_total{code="invalid_key"} 1"#,
        ),
        ("hub_calls_in_flight", "hub_calls_in_flight 1"),
        (
            "hub_outbox_unshipped_records",
            "hub_outbox_unshipped_records 7",
        ),
        (
            "hub_outbox_ship_errors_total",
            "hub_outbox_ship_errors_total 1",
        ),
        (
            "hub_processor_lag_records",
            r#"hub_processor_lag_records{processor="billing",partition="3"} 12"#,
        ),
        (
            "hub_processor_delay_seconds",
            r#"hub_processor_delay_seconds{processor="billing",partition="3"} 0.5"#,
        ),
        (
            "hub_processor_dead_records_total",
            r#"hub_processor_dead_records_total{processor="billing",partition="3"} 1"#,
        ),
        (
            "hub_sink_rows_total",
            r#"hub_sink_rows_total{table="usage"} 100"#,
        ),
        (
            "hub_log_append_seconds_count{topic=\"hub.ledger.v1\"",
            r#"hub_log_append_seconds_count{topic="hub.ledger.v1"} 1"#,
        ),
        (
            "hub_clickhouse_restarts_total",
            "hub_clickhouse_restarts_total 1",
        ),
        ("hub_traces_dropped_total", "hub_traces_dropped_total 1"),
    ] {
        assert_eq!(line(&text, start), wanted);
    }
}

#[test]
fn the_text_is_well_formed_and_ends_once() {
    let metrics = Metrics::new("1", "a");
    metrics
        .provider("a\"b\\c\nd")
        .attempted(AttemptError::None, Duration::ZERO);
    let text = metrics.encode();
    assert!(text.ends_with("# EOF\n"));
    assert_eq!(text.matches("# EOF").count(), 1);
    assert!(
        text.contains(r#"provider="a\"b\\c\nd""#),
        "labels are escaped"
    );
    let resident = line(&text, "process_resident_memory_bytes ")
        .rsplit(' ')
        .next()
        .unwrap();
    assert!(resident.parse::<u64>().unwrap() > 1 << 20);
    assert!(line(&text, "process_cpu_seconds_total ").len() > 20);

    let mut families: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("# TYPE"))
        .collect();
    let declared = families.len();
    families.sort_unstable();
    families.dedup();
    assert_eq!(families.len(), declared, "a family is declared once");
}
