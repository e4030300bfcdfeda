//! What is to be told: which thresholds were reached, and whom that was not told yet.

use std::sync::Arc;

use control::entity::{Body, Event, Kind};
use control::limits::of_budget;
use control::state::State;
use gateway::limits::{Book, Measure, Standing, TOLD, rfc3339};
use runtime::clock::Micros;
use schemas::money::Nano;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::deliver::Message;
use super::wants;

/// A threshold that was reached, for one webhook.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    /// Who is told.
    pub(super) webhook: String,
    /// Whose budget: `project/team`.
    pub(super) whose: Arc<str>,
    /// Under which name it is kept that it was told.
    pub(super) what: String,
    /// Of which window.
    pub(super) window_at: i64,
    budget: String,
    period: &'static str,
    most: i64,
    hard: bool,
    threshold: u32,
    standing: Standing,
}

/// Everything that is to be told and was not.
pub(super) fn due(state: &State, book: &Book, now: Micros) -> Vec<Notice> {
    let mut all = Vec::new();
    for (id, body) in state.bodies(Kind::Budget) {
        let Body::Budget(budget) = body else { continue };
        if budget.disabled || budget.webhooks.is_empty() {
            continue;
        }
        let Some(rule) = of_budget(id, budget) else { continue };
        let Measure::Spend(period) = rule.measure else { continue };
        for counter in book.counters(&rule) {
            let Some(standing) = counter.standing(now) else { continue };
            for (threshold, webhook) in budget
                .thresholds
                .iter()
                .flat_map(|at| budget.webhooks.iter().map(move |it| (at, it)))
            {
                let reached = i128::from(standing.spent) * 100
                    >= i128::from(rule.most) * i128::from(*threshold);
                let what = format!("{TOLD}{}/{threshold}/{webhook}", rule.name);
                if !reached || book.was_told(&counter.whose, &what, standing.since.0) {
                    continue;
                }
                let told = state.get(Kind::Webhook, webhook).and_then(|it| it.body.as_ref());
                if !matches!(told, Some(Body::Webhook(it)) if wants(it, Event::BudgetThreshold)) {
                    continue;
                }
                all.push(Notice {
                    webhook: webhook.clone(),
                    whose: Arc::clone(&counter.whose),
                    what,
                    window_at: standing.since.0,
                    budget: id.to_string(),
                    period: period.as_str(),
                    most: rule.most,
                    hard: rule.hard,
                    threshold: *threshold,
                    standing,
                });
            }
        }
    }
    all
}

impl Notice {
    /// The message, whose id is the same whoever makes it.
    pub(super) fn message(&self, now: Micros) -> Message {
        let id = self.id();
        let Standing { spent, since, resets_at, .. } = self.standing;
        let percent = i128::from(spent) * 100 / i128::from(self.most.max(1));
        let (kind, which) = self.whose.split_once('/').unwrap_or((&self.whose, ""));
        let body = json!({
            "type": "budget.threshold",
            "timestamp": rfc3339(now),
            "data": {
                "budget": self.budget,
                "scope": {"kind": kind, "id": Some(which).filter(|which| !which.is_empty())},
                "period": self.period,
                "since": rfc3339(since),
                "resets_at": rfc3339(resets_at),
                "amount": Nano(self.most).to_string(),
                "spent": Nano(spent).to_string(),
                "percent": i64::try_from(percent).unwrap_or(i64::MAX),
                "threshold": self.threshold,
                "hard": self.hard,
            },
        });
        Message { id, body: body.to_string() }
    }

    fn id(&self) -> String {
        let of = format!(
            "{}\n{}\n{}\n{}\n{}",
            self.budget, self.period, self.whose, self.window_at, self.threshold
        );
        let digest: [u8; 32] = Sha256::digest(of).into();
        let hex = digest.iter().take(16).map(|byte| format!("{byte:02x}"));
        format!("evt_{}", hex.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_same_id_whoever_makes_it_and_another_for_all_else() {
        let standing =
            Standing { spent: 8_100, held: 5, since: Micros(0), resets_at: Micros(86_400_000_000) };
        let notice = Notice {
            webhook: "w".into(),
            whose: "project/team".into(),
            what: String::new(),
            window_at: 0,
            budget: "b".into(),
            period: "day",
            most: 10_000,
            hard: true,
            threshold: 80,
            standing,
        };
        let message = notice.message(Micros(5_000_000));
        let later = Notice { standing: Standing { spent: 9_000, ..standing }, ..notice.clone() };
        assert_eq!(message.id, later.message(Micros(9_000_000)).id);
        let body: serde_json::Value = serde_json::from_str(&message.body).unwrap();
        assert_eq!(body["data"]["scope"], json!({"kind": "project", "id": "team"}));
        assert_eq!(
            (&body["data"]["percent"], &body["data"]["spent"]),
            (&json!(81), &json!("0.0000081"))
        );
        assert_eq!(body["data"]["resets_at"], "1970-01-02T00:00:00Z");
        for other in [
            Notice { budget: "c".into(), ..notice.clone() },
            Notice { whose: "project/other".into(), ..notice.clone() },
            Notice { window_at: 1, ..notice.clone() },
            Notice { threshold: 81, ..notice.clone() },
            Notice { period: "month", ..notice.clone() },
        ] {
            assert_ne!(other.message(Micros(0)).id, message.id);
        }
    }
}
