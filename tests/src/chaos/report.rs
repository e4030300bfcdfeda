//! What a run came to.

use std::collections::BTreeMap;
use std::fmt;

use super::oracle::Findings;
use super::outage::Outage;
use super::{Copy, Stages};

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Calls begun by clients.
    pub calls: u64,
    /// Of these: seen whole, refused, refused for a full outbox, broken, left by the client.
    pub ends: [u64; 5],
    /// Times that a gateway was killed.
    pub gateway_kills: u32,
    /// Times that each other role was killed.
    pub role_kills: BTreeMap<&'static str, u32>,
    /// What else happened, how often.
    pub faults: BTreeMap<&'static str, u32>,
    /// What the gateway was killed in.
    pub stages: Stages,
    /// What the oracle says.
    pub findings: Findings,
    /// Rows of the usage table, distinct (origin, seq) and calls.
    pub rows: [u64; 3],
    /// What the hub's own commands find wrong.
    pub verdicts: Vec<String>,
    /// A long outage of the log.
    pub outage: Option<Outage>,
    /// Data folders to try power loss on.
    pub copies: Vec<Copy>,
    /// What came of them.
    pub losses: Vec<Loss>,
}

/// A power loss.
#[derive(Clone, Debug)]
pub struct Loss {
    /// Pages that were rolled back.
    pub pages: u64,
    /// What the oracle says of the recovered hub.
    pub findings: Findings,
    /// What the hub's own commands find wrong.
    pub verdicts: Vec<String>,
}

impl Report {
    /// All that is wrong, the demands on the run itself among it.
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong = self.findings.wrong.clone();
        wrong.extend(self.verdicts.clone());
        let [rows, distinct, _] = self.rows;
        if rows != self.findings.distinct || distinct != rows {
            wrong.push(format!(
                "{} distinct (origin, seq) in the log, {rows} rows, {distinct} distinct ones",
                self.findings.distinct
            ));
        }
        let unmet = self.stages.all().into_iter().filter(|(_, count)| *count == 0);
        if self.gateway_kills > 0 {
            wrong.extend(unmet.map(|(stage, _)| format!("no kill met a call {stage}")));
        }
        wrong.extend(self.outage.iter().flat_map(Outage::wrong));
        for (number, loss) in (1..).zip(&self.losses) {
            if loss.pages == 0 {
                wrong.push(format!("power loss {number} had no page to roll back"));
            }
            let found = loss.findings.wrong.iter().chain(&loss.verdicts);
            let number: u32 = number;
            wrong.extend(found.map(|what| format!("after power loss {number}: {what}")));
        }
        wrong
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [whole, refused, full, broken, left] = self.ends;
        writeln!(
            f,
            "calls: {} ({whole} seen whole, {refused} refused, {full} for a full outbox, {broken} broken, {left} left)",
            self.calls
        )?;
        writeln!(f, "kills of gateways: {}; of others: {:?}", self.gateway_kills, self.role_kills)?;
        if !self.faults.is_empty() {
            writeln!(f, "to the cluster: {:?}", self.faults)?;
        }
        if let Some(outage) = &self.outage {
            write!(f, "{outage}")?;
        }
        writeln!(f, "kills by stage: {}", self.stages)?;
        writeln!(f, "calls that the vendor saw: {}", self.findings.served)?;
        writeln!(f, "settled events by outcome: {:?}", self.findings.outcomes)?;
        writeln!(
            f,
            "distinct (origin, seq) in the log: {}; rows, distinct, calls: {:?}",
            self.findings.distinct, self.rows
        )?;
        for loss in &self.losses {
            writeln!(
                f,
                "power loss: {} pages rolled back, {} calls gone with them, outcomes {:?}",
                loss.pages, loss.findings.excused, loss.findings.outcomes
            )?;
        }
        let wrong = self.wrong();
        for line in wrong.iter().take(40) {
            writeln!(f, "WRONG {line}")?;
        }
        write!(f, "{} wrong", wrong.len())
    }
}
