//! The page: tables made here, so that it needs no script; a small one makes it live.

use std::fmt::Write as _;

use serde_json::Value;

use super::history::HOURS;
use super::live::percent;

const FRAME: &str = include_str!("page.html");
/// Where the tables go in the frame.
const PLACE: &str = "<!-- tables -->";

/// The whole page of what is told.
pub(super) fn page(told: &Value) -> String {
    let mut tables = String::new();
    let list = |name: &str| told[name].as_array().cloned().unwrap_or_default();
    let models = list("models");
    writeln!(tables, "<p role=\"status\" class=\"all\">{}</p>", verdict(&models)).ok();
    for (title, kind, rows) in
        [("Models", "model", models), ("Providers", "provider", list("providers"))]
    {
        table(&mut tables, title, kind, &rows, &told["history"]);
    }
    let subjects = list("subjects");
    if !subjects.is_empty() {
        targets(&mut tables, &subjects);
    }
    FRAME.replacen(PLACE, &tables, 1)
}

fn verdict(models: &[Value]) -> &'static str {
    let any = |state: &str| models.iter().any(|model| model["state"] == state);
    match (models.is_empty(), any("down"), any("degraded")) {
        (true, ..) => "No calls have been made yet.",
        (_, true, _) => "Some models are down.",
        (_, _, true) => "All models answer, some by fewer targets than usual.",
        _ => "All models answer.",
    }
}

fn table(out: &mut String, title: &str, kind: &str, rows: &[Value], history: &Value) {
    if rows.is_empty() {
        return;
    }
    writeln!(
        out,
        "<table><caption>{title}</caption><thead><tr><th scope=\"col\">Name</th><th scope=\"col\">State</th>\
         <th scope=\"col\">Well, last 2 min</th><th scope=\"col\">First content, median / 95 %</th>\
         <th scope=\"col\">Last {HOURS} hours</th></tr></thead><tbody>"
    )
    .ok();
    for row in rows {
        let (name, state) = (text(&row["name"]), text(&row["state"]));
        let well = row["success_percent"].as_f64();
        let well = well.map_or("–".to_owned(), |well| format!("{well:.2} %"));
        let first = &row["first_content_ms"];
        writeln!(
            out,
            "<tr><th scope=\"row\">{name}</th><td class=\"{state}\">{state}</td><td>{well}</td>\
             <td>{} / {}</td><td>{}</td></tr>",
            millis(&first["p50"]),
            millis(&first["p95"]),
            hours(kind, &row["name"], history)
        )
        .ok();
    }
    out.push_str("</tbody></table>\n");
}

/// A bar of hours, with its sum in words.
fn hours(kind: &str, name: &Value, history: &Value) -> String {
    let all = history.as_array().map(Vec::as_slice).unwrap_or_default();
    let own: Vec<_> =
        all.iter().filter(|hour| hour["kind"] == kind && hour["name"] == *name).collect();
    let count = |hour: &Value, field: &str| hour[field].as_i64().unwrap_or(0);
    let sum = |field: &str| own.iter().map(|hour| count(hour, field)).sum::<i64>();
    let (good, bad) = (sum("good"), sum("bad"));
    if good + bad == 0 {
        return "–".to_owned();
    }
    let share = percent(good, good + bad);
    let newest = all.iter().map(|hour| count(hour, "at")).max().unwrap_or(0);
    let mut bar =
        format!("<span class=\"bar\" role=\"img\" aria-label=\"{share:.2} % went well\">");
    for back in (0..i64::from(HOURS)).rev() {
        let at = newest - back * 3600;
        let hour = own.iter().find(|hour| count(hour, "at") == at);
        let counts = hour.map(|hour| (count(hour, "good"), count(hour, "bad")));
        let (class, title) = match counts {
            None => ("none", "no calls".to_owned()),
            Some((good, bad)) => {
                let share = percent(good, good + bad);
                let class = if share >= 99.0 {
                    "up"
                } else if share >= 90.0 {
                    "degraded"
                } else {
                    "down"
                };
                (class, format!("{share:.2} % of {}", good + bad))
            }
        };
        let ago = if back == 0 { "this hour".to_owned() } else { format!("{back} h ago") };
        write!(bar, "<i class=\"{class}\" title=\"{ago}: {title}\"></i>").ok();
    }
    format!("{bar}</span> {share:.2} %")
}

/// Targets and credentials, for operators.
fn targets(out: &mut String, subjects: &[Value]) {
    out.push_str(
        "<table><caption>Targets and credentials</caption><thead><tr><th scope=\"col\">Subject</th>\
         <th scope=\"col\">State</th><th scope=\"col\">Score</th><th scope=\"col\">Share that goes well, bounds</th>\
         <th scope=\"col\">Why</th></tr></thead><tbody>\n",
    );
    for one in subjects {
        let bound = |field: &str| one[field].as_f64().unwrap_or(0.0) / 100.0;
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"{state}\">{state}</td><td>{}</td>\
             <td>{:.1} – {:.1} %</td><td>{}</td></tr>",
            text(&one["subject"]),
            one["score"],
            bound("success_low"),
            bound("success_high"),
            text(&one["reason"]),
            state = text(&one["state"]),
        )
        .ok();
    }
    out.push_str("</tbody></table>\n");
}

fn millis(value: &Value) -> String {
    value.as_i64().map_or("–".to_owned(), |millis| format!("{millis} ms"))
}

/// Names are whatever callers and operators made of them.
fn text(value: &Value) -> String {
    admin::signin::escaped(value.as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_text_and_the_tables_need_no_script() {
        let told = json!({
            "models": [{"name": "<script>", "state": "up", "success_percent": 99.5,
                "first_content_ms": {"p50": 120, "p95": null}}],
            "providers": [],
            "history": [{"kind": "model", "name": "<script>", "at": 7200, "good": 99, "bad": 1}],
        });
        let page = page(&told);
        assert!(page.contains("<th scope=\"row\">&lt;script&gt;</th>"), "{page}");
        assert!(page.contains("99.50 %") && page.contains("120 ms / –"), "{page}");
        assert!(page.contains("99.00 % went well"), "{page}");
        assert!(page.contains("All models answer."), "{page}");
        assert!(!page.contains(PLACE));
    }
}
