//! A writer's group: where its inputs are committed, and who holds its id.

use std::collections::BTreeMap;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::{Offset as At, TopicPartitionList};
use schemas::topics::{Topic, TopicPartition};

use super::context::Context;
use super::{Discarded, Shared, settings};
use crate::log::{Offset, Result, WriterId};

/// Where in the group the writer that holds the id is named. State is nobody's input.
const HOLDER: TopicPartition = Topic::State.at(0);
/// What is committed when there are no inputs, for the answer alone. Dead letters are nobody's
/// input.
const NOTHING: TopicPartition = Topic::Dead.at(0);

/// A client of a writer's group. It joins nothing and reads nothing.
pub(super) struct Group<'s> {
    shared: &'s Shared,
    client: Discarded<BaseConsumer<Context>>,
}

type Asked<T> = std::result::Result<T, KafkaError>;

impl<'s> Group<'s> {
    pub(super) fn of(shared: &'s Shared, id: &WriterId) -> Result<Self> {
        let context = Context { heard: shared.heard.clone() };
        let config = shared.options.inputs(id);
        let client = config.create_with_context(context).map_err(|error| settings(&error))?;
        Ok(Self { shared, client: Discarded::new(client) })
    }

    /// What a transaction must name to commit offsets in this group.
    pub(super) fn metadata(&self) -> Option<ConsumerGroupMetadata> {
        self.client.group_metadata()
    }

    /// Says that the writer of this name holds the id.
    pub(super) fn leave_name(&self, name: &str) -> Asked<()> {
        let list = self.holder();
        for mut place in list.elements() {
            place.set_metadata(name);
            place.set_offset(At::Offset(0))?;
        }
        self.client.commit(&list, CommitMode::Sync)
    }

    /// The name that was left last; empty when there is none.
    pub(super) fn name(&self) -> Asked<String> {
        let found = self.client.committed_offsets(self.holder(), self.shared.options.patience)?;
        let elements = found.elements();
        Ok(elements.first().map_or("", |element| element.metadata()).to_owned())
    }

    fn holder(&self) -> TopicPartitionList {
        list(self.shared, [(HOLDER, 0)])
    }

    /// The committed inputs, once no transaction is about to change them.
    pub(super) fn inputs(&self) -> Asked<BTreeMap<TopicPartition, Offset>> {
        let mut list = TopicPartitionList::new();
        let mut names = BTreeMap::new();
        for (topic, made) in &self.shared.topics {
            if ![HOLDER.topic, NOTHING.topic].contains(topic) {
                let last = i32::try_from(made.partitions).unwrap_or(i32::MAX).saturating_sub(1);
                list.add_partition_range(&made.name, 0, last);
                names.insert(made.name.as_str(), *topic);
            }
        }
        let found = self.client.committed_offsets(list, self.shared.options.patience)?;
        let mut committed = BTreeMap::new();
        for element in found.elements() {
            element.error()?;
            let topic = names.get(element.topic()).copied();
            let partition = u32::try_from(element.partition()).unwrap_or(u32::MAX);
            if let (Some(topic), At::Offset(next)) = (topic, element.offset()) {
                committed.insert(topic.at(partition), u64::try_from(next).unwrap_or(0));
            }
        }
        Ok(committed)
    }
}

/// What a transaction commits of inputs; something also when there are none.
pub(super) fn offsets(
    shared: &Shared,
    inputs: &BTreeMap<TopicPartition, Offset>,
) -> TopicPartitionList {
    if inputs.is_empty() {
        return list(shared, [(NOTHING, 0)]);
    }
    list(shared, inputs.iter().map(|(at, next)| (*at, *next)))
}

/// As the client wants it; partitions that are not there are left out.
fn list(
    shared: &Shared,
    places: impl IntoIterator<Item = (TopicPartition, Offset)>,
) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (at, next) in places {
        let (Ok(made), Ok(partition)) = (shared.made(at), i32::try_from(at.partition)) else {
            continue;
        };
        let mut place = list.add_partition(&made.name, partition);
        let offset = At::Offset(i64::try_from(next).unwrap_or(i64::MAX));
        drop(place.set_offset(offset)); // fails for logical offsets only
    }
    list
}
