"""What confluent-kafka does beside the story of client.py; demand_test.go says what each
case is."""

import os
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

FIRST_TIME = 1_000_000_000_000  # milliseconds


class Demand:
    def __init__(self, brokers, topic, group):
        self.brokers, self.topic, self.group = brokers, topic, group

    def cases(self):
        yield "large record", self.large_record()
        yield "seek by time", self.seek_by_time()
        yield "pause and resume", self.pause()
        yield "manual commit", self.manual_commit()
        yield "long poll", self.long_poll()
        yield "regex subscription", self.regex()
        yield from self.members()

    def producer(self, **settings):
        return Producer(self.settings(settings))

    def consumer(self, group="none", **settings):
        return Consumer({"group.id": f"{self.group}-{group}", "enable.auto.commit": False, **self.settings(settings)})

    def settings(self, more):
        return {"bootstrap.servers": self.brokers, "log_level": 2, **{k.replace("_", "."): v for k, v in more.items()}}

    def at(self, partition, offset=OFFSET_BEGINNING):
        return [TopicPartition(self.topic, partition, offset)]

    def write(self, producer, *records):
        """Write (partition, value, timestamp) and wait for all of them."""
        failed = []
        for partition, value, timestamp in records:
            producer.produce(self.topic, value, partition=partition, timestamp=timestamp,
                             on_delivery=lambda e, _: e and failed.append(e))
        assert producer.flush(60) == 0 and not failed, failed

    def large_record(self):
        value = os.urandom(10 << 20)
        self.write(self.producer(message_max_bytes=12582912), (0, value, 0))
        consumer = self.consumer()
        consumer.assign(self.at(0))
        got = read(consumer, 1)
        consumer.close()
        return f"{len(got)} {str(got[0].value() == value).lower()}"

    def seek_by_time(self):
        self.write(self.producer(linger_ms=100, compression_type="lz4"),
                   *((1, str(n).encode(), FIRST_TIME + n * 1000) for n in range(100)))
        consumer = self.consumer()
        [found] = consumer.offsets_for_times(self.at(1, FIRST_TIME + 50_500), timeout=30)
        consumer.assign(self.at(1, found.offset))
        first = read(consumer, 1)[0].value().decode()
        consumer.close()
        return f"{found.offset} {first}"

    def pause(self):
        consumer = self.consumer()
        consumer.assign(self.at(1))
        consumer.pause(self.at(1))
        paused = sum(len(consumer.consume(100, 0.2)) for _ in range(3))
        consumer.resume(self.at(1))
        got = read(consumer, 100)
        consumer.close()
        return f"{paused} {len(got)}"

    def manual_commit(self):
        consumer = self.consumer("manual")
        consumer.commit(offsets=[TopicPartition(self.topic, 1, 42, "note")], asynchronous=False)
        consumer.close()
        consumer = self.consumer("manual")
        [committed] = consumer.committed([TopicPartition(self.topic, 1)], timeout=30)
        consumer.close()
        return f"{committed.offset} {committed.metadata}"

    def long_poll(self):
        """The fetch's own bound lies behind the end of the test."""
        consumer = self.consumer(fetch_wait_max_ms=120000, socket_timeout_ms=180000)
        consumer.assign(self.at(2))
        consumer.poll(0.5)  # the fetch is on its way
        self.write(self.producer(), (2, b"x", 0))
        got = read(consumer, 1)
        consumer.close()
        return str(len(got))

    def regex(self):
        consumer = self.consumer("regex", auto_offset_reset="earliest")
        consumer.subscribe([f"^{self.topic}.*"])
        topics = sorted({m.topic().removeprefix(self.topic) for m in read(consumer, 103)})
        consumer.close()
        return f"[{', '.join(topics)}]"

    def members(self):
        """A gives up one partition and keeps the others without a break; when A goes and
        comes back under its name, B hears nothing of it."""
        a = Member(self, "a")
        poll(lambda: len(a.owned) == 3, a)
        b = Member(self, "b")
        poll(lambda: len(a.owned) == 2 and len(b.owned) == 1, a, b)
        yield "cooperative members", str(a.revoked)
        before, heard = set(a.owned), b.changes
        a.consumer.close()
        again = Member(self, "a")
        poll(lambda: len(again.owned) == 2, again, b)
        for _ in range(10):
            b.consumer.poll(0.1)  # some heartbeats
        yield "static members", f"{str(again.owned == before).lower()} {b.changes - heard}"
        again.consumer.close()
        b.consumer.close()


class Member:
    """One member of a group with an instance id."""

    def __init__(self, demand, instance):
        self.owned, self.revoked, self.changes = set(), 0, 0
        self.consumer = demand.consumer("static", group_instance_id=instance, heartbeat_interval_ms=300,
                                        partition_assignment_strategy="cooperative-sticky")
        self.consumer.subscribe([demand.topic], on_assign=self.assigned, on_revoke=self.gone)

    def assigned(self, _, partitions):
        self.owned |= {p.partition for p in partitions}
        self.changes += 1

    def gone(self, _, partitions):
        self.owned -= {p.partition for p in partitions}
        self.revoked += len(partitions)
        self.changes += 1


def poll(until, *members):
    deadline = time.monotonic() + 60
    while not until() and time.monotonic() < deadline:
        for member in members:
            member.consumer.poll(0.1)


def read(consumer, count):
    """Poll until enough records came, or a minute has passed."""
    got, deadline = [], time.monotonic() + 60
    while len(got) < count and time.monotonic() < deadline:
        got += [m for m in consumer.consume(count - len(got), 0.2) if not m.error()]
    return got
