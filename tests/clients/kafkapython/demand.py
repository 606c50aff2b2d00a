"""What kafka-python does beside the story of client.py; demand_test.go says what each case
is."""

import os
import threading
import time
from contextlib import closing

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

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

    def consumer(self, partition=None, group=None, **settings):
        c = KafkaConsumer(bootstrap_servers=self.brokers, group_id=group and f"{self.group}-{group}",
                          auto_offset_reset="earliest", enable_auto_commit=False, **settings)
        if partition is not None:
            c.assign([TopicPartition(self.topic, partition)])
        return c

    def write(self, *records, **settings):
        """Write (partition, value, timestamp) and wait for all of them."""
        with closing(KafkaProducer(bootstrap_servers=self.brokers, **settings)) as p:
            for sent in [p.send(self.topic, value, partition=partition, timestamp_ms=timestamp)
                         for partition, value, timestamp in records]:
                sent.get(60)

    def large_record(self):
        value = os.urandom(10 << 20)
        self.write((0, value, None), max_request_size=12582912)
        with closing(self.consumer(0)) as c:
            got = read(c, 1)
            return f"{len(got)} {str(got[0].value == value).lower()}"

    def seek_by_time(self):
        self.write(*((1, str(n).encode(), FIRST_TIME + n * 1000) for n in range(100)),
                   linger_ms=100, compression_type="lz4")
        with closing(self.consumer(1)) as c:
            tp = TopicPartition(self.topic, 1)
            found = c.offsets_for_times({tp: FIRST_TIME + 50_500})[tp]
            c.seek(tp, found.offset)
            return f"{found.offset} {read(c, 1)[0].value.decode()}"

    def pause(self):
        with closing(self.consumer(1)) as c:
            tp = TopicPartition(self.topic, 1)
            c.pause(tp)
            paused = sum(len(r) for r in c.poll(timeout_ms=600).values())
            c.resume(tp)
            return f"{paused} {len(read(c, 100))}"

    def manual_commit(self):
        tp = TopicPartition(self.topic, 1)
        with closing(self.consumer(1, "manual")) as c:
            c.commit({tp: OffsetAndMetadata(42, "note", -1)})
        with closing(self.consumer(1, "manual")) as c:
            committed = c.committed(tp, metadata=True)
            return f"{committed.offset} {committed.metadata}"

    def long_poll(self):
        """The fetch's own bound lies behind the end of the test."""
        with closing(self.consumer(2, fetch_max_wait_ms=120_000, request_timeout_ms=180_000)) as c:
            c.poll(timeout_ms=500)  # the fetch is on its way
            self.write((2, b"x", None))
            return str(len(read(c, 1)))

    def regex(self):
        with closing(self.consumer(group="regex")) as c:
            c.subscribe(pattern=f"^{self.topic}.*")
            return f"[{', '.join(sorted({r.topic.removeprefix(self.topic) for r in read(c, 103)}))}]"

    def members(self):
        """A gives up one partition and keeps the others without a break; when A goes and
        comes back under its name, B hears nothing of it."""
        a = Member(self, "a")
        until(lambda: len(a.owned) == 3)
        b = Member(self, "b")
        until(lambda: len(a.owned) == 2 and len(b.owned) == 1)
        yield "cooperative members", str(a.revoked)
        before, heard = set(a.owned), b.changes
        a.close()
        again = Member(self, "a")
        until(lambda: len(again.owned) == 2)
        time.sleep(1)  # some heartbeats
        yield "static members", f"{str(again.owned == before).lower()} {b.changes - heard}"
        again.close()
        b.close()


class Member(ConsumerRebalanceListener):
    """One member of a group with an instance id, and the thread that polls it."""

    def __init__(self, demand, instance):
        self.owned, self.revoked, self.changes, self.over = set(), 0, 0, False
        self.consumer = demand.consumer(group="static", group_instance_id=instance, heartbeat_interval_ms=300,
                                        partition_assignment_strategy=[CooperativeStickyAssignor])
        self.consumer.subscribe([demand.topic], listener=self)
        self.thread = threading.Thread(target=self.poll, daemon=True)
        self.thread.start()

    def poll(self):
        """Polls are longer than joins: kafka-python never takes up an assignment that comes
        when the poll that joined is over, and stays without partitions."""
        while not self.over:
            self.consumer.poll(timeout_ms=1000)

    def close(self):
        self.over = True
        self.thread.join()
        self.consumer.close()

    def on_partitions_assigned(self, assigned):
        self.owned |= {p.partition for p in assigned}
        self.changes += 1

    def on_partitions_revoked(self, revoked):
        self.owned -= {p.partition for p in revoked}
        self.revoked += len(revoked)
        self.changes += 1


def until(done):
    deadline = time.monotonic() + 60
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)


def read(consumer, count):
    """Poll until enough records came, or a minute has passed."""
    got, deadline = [], time.monotonic() + 60
    while len(got) < count and time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=200).values():
            got += records
    return got
