"""confluent-kafka (librdkafka) driven over standard input and output.

The Go package in the folder above says how.
"""

import json
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic
from demand import Demand

lock = threading.Lock()


def emit(**event):
    with lock:
        print(json.dumps(event), flush=True)


def text(data):
    return None if data is None else data.decode()


def admin(brokers, topic):
    """Make the topic and read it back."""
    client = AdminClient({"bootstrap.servers": brokers})
    made = client.create_topics([NewTopic(topic, 6, 1, config={"max.message.bytes": "2000000"})])
    made[topic].result(timeout=30)
    # A topic is made before every thread of the broker has heard of it.
    partitions = client.list_topics(topic, timeout=30).topics[topic].partitions
    assert len(partitions) == 6, partitions
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    config = client.describe_configs([resource])[resource].result(timeout=30)
    assert config["max.message.bytes"].value == "2000000", config


def record(n):
    """What every client of this test sends as its n-th record."""
    return {
        "key": None if n % 5 == 0 else f"key-{n % 17}".encode(),
        "value": None if n % 13 == 0 else f"välue-{n}".encode(),
        "headers": [("n", str(n).encode())],
    }


def produce(brokers, topic):
    """Carry out the commands of standard input, each with a client of its own."""
    for line in sys.stdin:
        command = json.loads(line)
        producer = Producer({
            "bootstrap.servers": brokers,
            "compression.type": command["codec"],
            "enable.idempotence": True,
            "delivery.timeout.ms": 60000,
            "reconnect.backoff.max.ms": 500,
            "log_level": 2,
        })

        def delivered(n, error, message):
            if error is not None:
                emit(event="error", error=str(error))
                return
            emit(event="acked", n=n, partition=message.partition(), offset=message.offset(),
                 key=text(message.key()), value=text(message.value()))

        for n in range(command["first"], command["first"] + command["count"]):
            producer.produce(topic, on_delivery=lambda e, m, n=n: delivered(n, e, m), **record(n))
            producer.poll(command["pace_ms"] / 1000)
        assert producer.flush(90) == 0, "records left after flush"
        emit(event="produced")


def consume(brokers, topic, group, isolation):
    """Read as a member of a group until standard input ends, then commit and leave."""
    ended = threading.Event()

    def wait_for_end():
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    consumer = Consumer({
        "bootstrap.servers": brokers,
        "group.id": group,
        "isolation.level": isolation,
        "auto.offset.reset": "earliest",
        "heartbeat.interval.ms": 300,
        "auto.commit.interval.ms": 500,
        "reconnect.backoff.max.ms": 500,
        "log_level": 2,
        "topic.metadata.refresh.interval.ms": 2000,
    })

    def assigned(_, partitions):
        emit(event="assigned", partitions=sorted(p.partition for p in partitions))

    def revoked(_, partitions):
        emit(event="assigned", partitions=[])

    consumer.subscribe([topic], on_assign=assigned, on_revoke=revoked)
    while not ended.is_set():
        message = consumer.poll(0.2)
        if message is None:
            continue
        if message.error():
            # The broker is away, or the topic not known yet: librdkafka goes on.
            if message.error().fatal() or not message.error().retriable() and message.error().code() not in (
                    KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError.UNKNOWN_TOPIC_OR_PART):
                raise RuntimeError(str(message.error()))
            continue
        emit(event="record", n=int(dict(message.headers())["n"]), partition=message.partition(),
             offset=message.offset(), key=text(message.key()), value=text(message.value()))
    consumer.close()  # commits what was read


def demand(brokers, topic, group):
    """Do what the less common settings and calls are for."""
    for case, value in Demand(brokers, topic, group).cases():
        emit(event="case", case=case, value=value)


def main():
    mode, brokers, topic, *rest = sys.argv[1:]
    {"admin": admin, "produce": produce, "consume": consume, "demand": demand}[mode](brokers, topic, *rest)
    emit(event="done")


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # the runner reads why
        emit(event="error", error=repr(error))
        sys.exit(1)
