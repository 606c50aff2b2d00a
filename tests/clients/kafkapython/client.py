"""kafka-python driven over standard input and output.

The Go package in the folder above says how.
"""

import json
import sys
import threading
import time

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import KafkaError

from demand import Demand

lock = threading.Lock()


def emit(**event):
    with lock:
        print(json.dumps(event), flush=True)


def text(data):
    return None if data is None else data.decode()


def admin(brokers, topic):
    """Make the topic and read it back."""
    client = KafkaAdminClient(bootstrap_servers=brokers)
    client.create_topics([NewTopic(topic, 6, 1, topic_configs={"max.message.bytes": "2000000"})])
    partitions = client.describe_topics([topic])[0]["partitions"]
    assert len(partitions) == 6, partitions
    answer = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    assert "2000000" in str(answer), answer
    client.close()


def record(n):
    """The n-th record: a key or a value there must be, says this client."""
    return {
        "key": None if n % 5 == 0 else f"key-{n % 17}".encode(),
        "value": None if n % 13 == 0 and n % 5 != 0 else f"välue-{n}".encode(),
        "headers": [("n", str(n).encode())],
    }


def produce(brokers, topic):
    """Carry out the commands of standard input, each with a client of its own."""
    for line in sys.stdin:
        command = json.loads(line)
        producer = KafkaProducer(
            bootstrap_servers=brokers,
            compression_type=None if command["codec"] == "none" else command["codec"],
            acks="all", enable_idempotence=True, delivery_timeout_ms=60000,
            request_timeout_ms=20000, reconnect_backoff_max_ms=500)
        sent = []
        for n in range(command["first"], command["first"] + command["count"]):
            sent.append((n, producer.send(topic, **record(n))))
            time.sleep(command["pace_ms"] / 1000)
            report(sent, block=False)
        producer.flush(90)
        report(sent, block=True)
        producer.close()
        emit(event="produced")


def report(sent, block):
    """Tell of the records at the front that have their answer."""
    while sent and (block or sent[0][1].is_done):
        n, future = sent.pop(0)
        meta = future.get(timeout=60)
        emit(event="acked", n=n, partition=meta.partition, offset=meta.offset,
             key=text(record(n)["key"]), value=text(record(n)["value"]))


def consume(brokers, topic, group, isolation):
    """Read as a member of a group until standard input ends, then commit and leave."""
    ended = threading.Event()

    def wait_for_end():
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    consumer = KafkaConsumer(
        bootstrap_servers=brokers, group_id=group, isolation_level=isolation, auto_offset_reset="earliest",
        heartbeat_interval_ms=300, session_timeout_ms=10000, auto_commit_interval_ms=500,
        reconnect_backoff_max_ms=500, metadata_max_age_ms=2000)

    class Listener(ConsumerRebalanceListener):
        def on_partitions_revoked(self, revoked):
            emit(event="assigned", partitions=[])

        def on_partitions_assigned(self, assigned):
            emit(event="assigned", partitions=sorted(p.partition for p in assigned))

    consumer.subscribe([topic], listener=Listener())
    while not ended.is_set():
        for records in poll(consumer).values():
            for r in records:
                emit(event="record", n=int(dict(r.headers)["n"]), partition=r.partition,
                     offset=r.offset, key=text(r.key), value=text(r.value))
    consumer.close()  # commits what was read


def poll(consumer):
    """Poll once, for longer than a join takes (Member.poll in demand.py says why). Where the
    coordinator is away and a request for metadata fails too, that failure comes out of the
    client, with any broker, as one to try again after."""
    try:
        return consumer.poll(timeout_ms=1000)
    except KafkaError as error:
        if not error.retriable:
            raise
        time.sleep(0.05)
        return {}


def demand(brokers, topic, group):
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
