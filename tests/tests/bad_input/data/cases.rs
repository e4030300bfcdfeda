//! The table.

use super::From::{Killed, Nothing, Stopped};
use super::{Case, From, Held, Serves, Want, spoil};

type Spoil = fn(&e2e::hub::Hub) -> Box<dyn std::any::Any>;

const fn ends(name: &'static str, from: From, spoil: Spoil, says: &'static [&'static str]) -> Case {
    Case { name, from, spoil, variables: &[], blocks: "unlimited", want: Want::End(says) }
}

const fn serves(name: &'static str, from: From, spoil: Spoil, serves: Serves) -> Case {
    Case { name, from, spoil, variables: &[], blocks: "unlimited", want: Want::Serve(serves) }
}

const fn says(says: &'static [&'static str]) -> Serves {
    Serves { says, ready: &[], dead: 0, held: None }
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    vec![
        serves("a folder that is well", Stopped, spoil::nothing, says(&["hub serves on"])),
        serves("a kill", Killed, spoil::nothing, says(&["outbox: an earlier process did not end cleanly", "lost=1"])),

        serves("outbox headers of noise", Killed, spoil::segment_headers, says(&["outbox segment has a damaged header", "lost=1"])),
        serves("an outbox file of noise", Stopped, spoil::segment_of_noise, says(&["damaged outbox segment is set aside", "00000000000000ff.corrupt"])),
        serves("an outbox file of nothing", Stopped, spoil::segment_of_nothing, says(&["damaged outbox segment is set aside"])),
        ends("an outbox of a newer version", Killed, spoil::segment_of_a_newer_version, &[".seg was written by a newer version of the hub (format 9); start that version"]),
        serves("a watermark of noise", Killed, spoil::watermark, says(&["outbox watermark is damaged; all that the outbox holds is shipped again"])),

        ends("a log of noise", Stopped, spoil::log_header, &["the log", "log/hub.sqlite", "damaged", "not a database"]),
        ends("log pages of noise", Stopped, spoil::log_pages, &["the log", "log/hub.sqlite", "damaged"]),
        ends("a log that is cut", Stopped, spoil::log_cut, &["the log", "log/hub.sqlite", "damaged"]),
        Case { variables: &[("HUB_LOG_PARTITIONS", "3")], ..ends("another number of partitions", Stopped, spoil::nothing,
            &["hub.sqlite", "has 4 partitions, but 3 are configured; the count never changes"]) },

        serves("a usage event of noise", Stopped, spoil::usage_of_noise, Serves { dead: 1, ..says(&[]) }),
        serves("a usage event without framing", Stopped, spoil::usage_without_framing, Serves { dead: 1, ..says(&[]) }),
        serves("a credit of noise", Stopped, spoil::credit_of_noise, Serves { dead: 1, ..says(&[]) }),
        serves("an attempt of noise", Stopped, spoil::attempt_of_noise, Serves { dead: 1, ..says(&[]) }),
        serves("a usage event of an unknown schema", Stopped, spoil::usage_of_an_unknown_schema,
            Serves { held: Some(Held::Log), ready: &["\"phase\": \"waiting\"", "schema id 4711"], ..says(&[]) }),

        ends("a client key that all may read", Stopped, spoil::key_for_all, &["client-key has mode 644, others may read it: chmod 600"]),
        ends("a client key of nothing", Stopped, spoil::key_of_nothing, &["client-key is empty"]),
        serves("no client key", Stopped, spoil::key_gone, says(&["hub serves on"])),

        ends("a folder in use", Stopped, spoil::in_use, &["is in use by process", "set HUB_DATA to another folder"]),

        Case { blocks: "16", ..ends("a full disk at the first start", Nothing, spoil::nothing, &["the log", "hub.sqlite", "disk"]) },
        Case { blocks: "300", ..ends("a full disk", Stopped, spoil::nothing, &["no disk space for an outbox file of 262144 bytes in", "/data/outbox"]) },

        serves("no engine", Stopped, spoil::nothing, Serves {
            ready: &["needs libchdb, which is not in /nowhere/libchdb.so", "make clickhouse"],
            ..says(&["no SQL for now: the embedded ClickHouse needs libchdb", "make clickhouse", "their events wait in the log"])
        }),
        Case { variables: &[("HUB_CLICKHOUSE_LIBRARY", "")], ..serves("an engine of noise", Stopped, spoil::library_of_noise, Serves {
            ready: &["cannot load", "libchdb.so"],
            ..says(&["no ClickHouse", "cannot load"])
        }) },
        Case { variables: &[("HUB_CLICKHOUSE_LIBRARY", "{library}")], ..serves("an engine's port in use", Stopped, spoil::engine_port, Serves {
            ready: &["cannot listen on", "HUB_CLICKHOUSE_LISTEN"],
            ..says(&["no ClickHouse", "choose another address with HUB_CLICKHOUSE_LISTEN"])
        }) },

        serves("a log that was made anew", Stopped, spoil::log_gone, Serves {
            held: Some(Held::Outbox), ready: &["the outbox was shipped to log"], ..says(&["bring the old log back"]) }),
    ]
}
