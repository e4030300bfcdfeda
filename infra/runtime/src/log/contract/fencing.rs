//! Fencing: one writer of an id at a time.

use schemas::topics::Topic;

use super::steps::{step, writer};
use super::{Fixture, records, values};
use crate::log::{Error, Step};

/// Once another has taken over, a step of the old writer is refused: neither its records nor its
/// inputs are there.
pub async fn fences_a_zombie(fixture: &dyn Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let mut old = writer(&*one, "w").await;
    old.commit(step("old", 3)).await.unwrap();
    let mut new = writer(&*two, "w").await;
    assert!(matches!(old.commit(step("zombie", 9)).await, Err(Error::Fenced(_))));
    assert_eq!(new.committed().await.unwrap().get(&Topic::Usage.at(0)), Some(&3));
    new.commit(step("new", 6)).await.unwrap();
    assert!(matches!(old.commit(step("zombie", 9)).await, Err(Error::Fenced(_))));
    assert_eq!(new.committed().await.unwrap().get(&Topic::Usage.at(0)), Some(&6));
    let wanted = ["old 0", "old 1", "old 2", "new 0", "new 1", "new 2"];
    for log in [&one, &two] {
        assert_eq!(values(&**log, Topic::Ledger.at(0)).await, wanted);
    }
}

/// A step without content tells whether the id is still owned, and changes nothing.
pub async fn fences_the_empty_step(fixture: &dyn Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let mut old = writer(&*one, "w").await;
    old.commit(step("old", 3)).await.unwrap();
    assert!(old.commit(Step::default()).await.unwrap().is_empty());
    let mut new = writer(&*two, "w").await;
    assert!(matches!(old.commit(Step::default()).await, Err(Error::Fenced(_))));
    assert!(new.commit(Step::default()).await.unwrap().is_empty());
    assert_eq!(new.committed().await.unwrap().get(&Topic::Usage.at(0)), Some(&3));
}

/// The newest holder fences all before it, also when it does nothing itself and goes away.
pub async fn fences_for_ever(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let mut first = writer(&*log, "w").await;
    let mut second = writer(&*log, "w").await;
    drop(writer(&*fixture.open().await, "w").await);
    for old in [&mut first, &mut second] {
        assert!(matches!(old.commit(step("zombie", 1)).await, Err(Error::Fenced(_))));
    }
    let mut last = writer(&*fixture.open().await, "w").await;
    last.commit(step("last", 1)).await.unwrap();
    assert_eq!(values(&*log, Topic::Ledger.at(0)).await.len(), 3);
}

/// A fenced step fails alone: other ids, and appends, that come at the same moment do not.
pub async fn fences_only_its_own_id(fixture: &dyn Fixture) {
    let log = fixture.open().await;
    let mut zombie = writer(&*log, "a").await;
    let mut owner = writer(&*log, "a").await;
    let mut other = writer(&*log, "b").await;
    for round in 0..10 {
        let (fenced, own, others, plain) = tokio::join!(
            zombie.commit(step("zombie", 99)),
            owner.commit(step("own", round)),
            other.commit(step("other", round)),
            log.append(records(Topic::Ledger.at(0), "plain", 0..3)),
        );
        assert!(matches!(fenced, Err(Error::Fenced(_))));
        own.unwrap();
        others.unwrap();
        plain.unwrap();
    }
    let values = values(&*log, Topic::Ledger.at(0)).await;
    assert_eq!(values.len(), 90);
    assert!(!values.iter().any(|value| value.starts_with("zombie")));
}

/// When a takeover returns, what the old writer had in flight is in or out for good.
pub async fn takeover_is_a_clean_cut(fixture: &dyn Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let at = Topic::Usage.at(0);
    let mut committed = 0;
    for round in 1..30 {
        let mut old = writer(&*one, "w").await;
        let (last, (new, seen)) = tokio::join!(old.commit(step("old", round)), async {
            let mut new = writer(&*two, "w").await;
            let seen = new.committed().await.unwrap().get(&at).copied();
            (new, seen)
        });
        let own = matches!(&last, Ok(offsets) if offsets.len() == 3);
        assert!(own || matches!(last, Err(Error::Fenced(_))), "{last:?}");
        assert_eq!(seen == Some(round), own, "what the new one sees is how it stays");
        committed += usize::from(own);
        assert_eq!(values(&*two, Topic::Ledger.at(0)).await.len(), committed * 3);
        drop(new);
    }
}
