"""Confluent's deserializing consumer with its defaults, on every example event: schemas come from the registry by the ids in the
values, nothing of the hub's is here but the names of its topics."""

import datetime
import decimal
import json
import os
import pathlib
import sys
import time

import confluent_kafka
from confluent_kafka import DeserializingConsumer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import StringDeserializer

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def plain(value):
    """A value as the examples have it: bytes as numbers, moments as microseconds, money as the bytes of its smallest units."""
    match value:
        case bytes():
            return list(value)
        case datetime.datetime():
            return (value - EPOCH) // datetime.timedelta(microseconds=1)
        case decimal.Decimal():
            with decimal.localcontext(prec=50):
                units = int(value.scaleb(15).to_integral_exact())
            return list(units.to_bytes(16, "big", signed=True))
        case dict():
            return {name: plain(inner) for name, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
        case _:
            return value


folder = pathlib.Path(sys.argv[1])
# of each schema the newest version is written; files are called SCHEMA.ID.json, and ids rise
newest = {}
for path in sorted(folder.glob("*.json"), key=lambda path: int(path.stem.rsplit(".", 1)[1])):
    newest[path.stem.rsplit(".", 1)[0]] = path
examples = {path.stem: json.loads(path.read_text())["event"] for path in newest.values()}
assert len(examples) >= 12, examples.keys()

prefix = os.environ["TOPIC_PREFIX"]
registry = SchemaRegistryClient({"url": os.environ["REGISTRY_URL"]})
consumer = DeserializingConsumer(
    {
        "bootstrap.servers": os.environ["KAFKA_BROKERS"],
        "group.id": f"{prefix}stock",
        "auto.offset.reset": "earliest",
        "key.deserializer": StringDeserializer(),
        "value.deserializer": AvroDeserializer(registry),
    }
)
topics = [name for name in consumer.list_topics(timeout=30).topics if name.startswith(prefix)]
consumer.subscribe(topics)

seen, limit = {}, time.monotonic() + 60
while len(seen) < len(examples):
    assert time.monotonic() < limit, f"not seen: {examples.keys() - seen.keys()}"
    message = consumer.poll(1.0)
    if message is None:
        continue
    assert message.error() is None, message.error()
    name, read = message.key(), plain(message.value())
    assert read == examples[name], f"{name}:\n{read}\nis not\n{examples[name]}"
    seen[name] = message.topic()
consumer.close()

# the subjects say which topic carries which record
subjects = [subject for subject in registry.get_subjects() if subject.startswith(prefix)]
assert len(subjects) == len(examples), subjects
assert all(subject.split("-")[0] in topics for subject in subjects), subjects
print("confluent-kafka", confluent_kafka.__version__, "reads")
for name, topic in sorted(seen.items()):
    print(f"  {name} on {topic.removeprefix(prefix)}")
