use std::time::Duration;

use schemas::event::{AttemptError, Meter, Operation, Outcome};

use super::*;

fn line<'a>(text: &'a str, start: &str) -> &'a str {
    text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}\n{text}"))
}

#[test]
fn what_is_counted_is_written_under_its_name() {
    let metrics = Metrics::new("1.2.3", "abc");
    let provider = metrics.provider("openai");
    let second = Duration::from_secs(1);
    provider.settled(Operation::Chat, Outcome::Completed, second, Some(second / 4));
    metrics.provider("openai").settled(Operation::Chat, Outcome::Completed, second, None);
    provider.attempted(AttemptError::RateLimit, second);
    provider.used(Meter::InputCached, 40);
    provider.used(Meter::InputCached, 2);
    provider.used(Meter::Output, -5);
    metrics.gateway().refused("invalid_key");
    metrics.gateway().in_flight.inc();
    metrics.set_outbox(&Outbox {
        unshipped: 7,
        shipped: 40,
        oldest: second / 2,
        failing: true,
        ..Outbox::default()
    });
    for records in [90, 100] {
        let now = Processor { runs: true, lag: 12, records, dead: 1, ..Processor::default() };
        metrics.set_processor("billing", 3, &now);
    }
    metrics.committed("billing", second / 4);
    metrics.inserted("sink/usage", second / 2);
    metrics.inserted("sink/usage", second);
    let clickhouse = metrics.clickhouse();
    clickhouse.up.set(1);
    clickhouse.restarts.inc();
    metrics.traces().dropped.inc();

    let text = metrics.encode();
    for (start, wanted) in [
        ("hub_build_info", r#"hub_build_info{version="1.2.3",commit="abc"} 1"#),
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
        ("hub_attempts_total", r#"hub_attempts_total{provider="openai",error="rate_limit"} 1"#),
        (
            "hub_units_total{provider=\"openai\",meter=\"input_cached\"",
            r#"hub_units_total{provider="openai",meter="input_cached"} 42"#,
        ),
        (
            "hub_units_total{provider=\"openai\",meter=\"output\"",
            r#"hub_units_total{provider="openai",meter="output"} 0"#,
        ),
        ("hub_calls_refused_total", r#"hub_calls_refused_total{code="invalid_key"} 1"#),
        ("hub_calls_in_flight", "hub_calls_in_flight 1"),
        ("hub_outbox_unshipped_records", "hub_outbox_unshipped_records 7"),
        ("hub_outbox_shipped_records_total", "hub_outbox_shipped_records_total 40"),
        ("hub_outbox_oldest_seconds", "hub_outbox_oldest_seconds 0.5"),
        ("hub_outbox_failing", "hub_outbox_failing 1"),
        ("hub_processor_running", r#"hub_processor_running{processor="billing",partition="3"} 1"#),
        (
            "hub_processor_lag_records",
            r#"hub_processor_lag_records{processor="billing",partition="3"} 12"#,
        ),
        (
            "hub_processor_records_total",
            r#"hub_processor_records_total{processor="billing",partition="3"} 100"#,
        ),
        (
            "hub_processor_dead_records_total",
            r#"hub_processor_dead_records_total{processor="billing",partition="3"} 1"#,
        ),
        ("hub_clickhouse_up", r#"hub_clickhouse_up{engine="embedded"} 1"#),
        ("hub_clickhouse_restarts_total", r#"hub_clickhouse_restarts_total{engine="embedded"} 1"#),
        ("hub_traces_dropped_total", "hub_traces_dropped_total 1"),
    ] {
        assert_eq!(line(&text, start), wanted);
    }
}

#[test]
fn the_text_is_well_formed_and_ends_once() {
    let metrics = Metrics::new("1", "a");
    metrics.provider("a\"b\\c\nd").attempted(AttemptError::None, Duration::ZERO);
    let text = metrics.encode();
    assert!(text.ends_with("# EOF\n"));
    assert_eq!(text.matches("# EOF").count(), 1);
    assert!(text.contains(r#"provider="a\"b\\c\nd""#), "labels are escaped");
    let resident = line(&text, "process_resident_memory_bytes ").rsplit(' ').next().unwrap();
    assert!(resident.parse::<u64>().unwrap() > 1 << 20);
    assert!(line(&text, "process_cpu_seconds_total ").len() > 20);

    let mut families: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let declared = families.len();
    families.sort_unstable();
    families.dedup();
    assert_eq!(families.len(), declared, "a family is declared once");
}
