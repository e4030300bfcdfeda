//! What people want to know of the last minutes: every attempt by what became of it, and how long
//! it took.

use schemas::event::{AttemptError, ErrorCount, Minute};

use super::subject::News;

const MINUTE: i64 = 60_000_000;

/// Counts an attempt in its minute; only that one and the one before it are kept.
pub(super) fn note(minutes: &mut Vec<Minute>, news: &News, now: i64) {
    let at = now - now.rem_euclid(MINUTE);
    minutes.retain(|minute| minute.at >= at - MINUTE);
    if minutes.last().is_none_or(|last| last.at != at) {
        minutes.push(Minute { at, ..Minute::default() });
    }
    let Some(minute) = minutes.last_mut() else {
        return;
    };
    if news.error == AttemptError::None {
        minute.good += 1;
        minute.duration.add(news.duration_us);
        news.ttft_us.iter().for_each(|ttft| minute.ttft.add(*ttft));
        return;
    }
    let error = news.error.as_str();
    match minute.errors.binary_search_by_key(&error, |count| &count.error) {
        Ok(place) => {
            if let Some(found) = minute.errors.get_mut(place) {
                found.count += 1;
            }
        }
        Err(place) => {
            minute.errors.insert(place, ErrorCount { error: error.into(), count: 1 });
        }
    }
}
