//! Rebuilds the health of a partition's targets and credentials.

use std::collections::BTreeMap;

use bytes::Bytes;
use schemas::event::Health;
use schemas::topics::Topic;

use super::read::{Records, live};
use super::report::{Report, show, text};
use super::{Error, compare_marks};
use crate::Deps;
use crate::health::{Healths, Thresholds};
use crate::pipeline::{Folding, Marks, Taken, output};

/// Rebuilds health of one partition and compares every subject and mark with the live ones.
///
/// # Errors
/// [`Error`]: nothing could be compared.
pub async fn health(deps: &Deps, partition: u32, rules: Thresholds) -> Result<Report, Error> {
    let (log, codec) = (&*deps.log, &deps.codec);
    let live = live(deps, "health", partition, Topic::Health, Topic::Health).await?;
    let fold = Healths::new(partition, log.partitions(Topic::Attempts), rules);
    let out = output(deps, "health", partition);
    let mut folding = Folding::new("health", partition, fold, Marks::default(), out);
    let mut report = Report::new("health", partition);
    let input = Topic::Attempts.at(partition);
    let end = live.held.positions.get(&input).copied().unwrap_or(0);
    let mut attempts = Records::whole(log, input).await?;
    while let Some(record) = attempts.before(end).await? {
        match folding.take(input, &record).map_err(crate::pipeline::Error::from)? {
            Taken::Done | Taken::Cut => {}
            Taken::Wait(wait) => return Err(Error::Unknown(input, record.offset, wait)),
        }
        folding.take_outputs();
        report.records += 1;
    }
    let mut subjects = BTreeMap::new();
    for health in folding.fold().subjects() {
        let value = codec.to_vec(health).map_err(crate::pipeline::Error::from)?;
        let key = Bytes::copy_from_slice(health.subject.as_str().as_bytes());
        subjects.insert(key, Bytes::from(value));
    }
    report.compare_all("health", &live.published, &subjects, text, show::<Health>(codec));
    compare_marks(&mut report, &live.held.marks, folding.marks());
    Ok(report)
}
