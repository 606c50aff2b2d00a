"""confluent-kafka (librdkafka) as a guest of a load; README.md above says what it is told."""

import base64
import json
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition


class Guest:
    def __init__(self, config):
        self.config = config
        self.patience = config["patience_ms"] / 1000
        self.producer = self.reader = self.member = self.taken = None
        self.assignment = 0

    def client(self, **more):
        return {
            "bootstrap.servers": self.config["brokers"],
            "socket.timeout.ms": self.config["request_timeout_ms"],
            "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 200,
            # Its other strategy, which is the default, forgets the coordinator when the only
            # broker is away for a moment and does not find it again, whoever's broker that is.
            "metadata.recovery.strategy": "none",
            "log_level": 0,
            **more,
        }

    def retried(self, call, *args):
        """Calls again for as long as librdkafka says that this is the thing to do."""
        end = time.monotonic() + self.patience
        while True:
            try:
                return call(*args)
            except KafkaException as e:
                if not e.args[0].retriable() or time.monotonic() > end:
                    raise

    def open(self, _):
        self.producer = None
        made = Producer(self.client(**{
            "transactional.id": self.config["transactional_id"],
            "transaction.timeout.ms": self.config["txn_timeout_ms"],
            "linger.ms": 0,
        }))
        self.retried(made.init_transactions, self.patience)
        self.producer = made

    def begin(self, _):
        self.producer.begin_transaction()

    def send(self, command):
        sent = [{"error": "no report of its delivery"} for _ in command["records"]]

        def report(i):
            def delivered(error, message):
                sent[i] = {"error": str(error)} if error else {"offset": message.offset()}
            return delivered

        for i, r in enumerate(command["records"]):
            self.producer.produce(r["topic"], base64.b64decode(r["value"]), partition=r["partition"], on_delivery=report(i))
        self.producer.flush(self.patience)
        return {"records": sent}

    def offsets(self, command):
        all = [TopicPartition(o["topic"], o["partition"], o["offset"]) for o in command["offsets"]]
        self.retried(self.producer.send_offsets_to_transaction, all, self.taken, self.patience)

    def commit(self, _):
        self.retried(self.producer.commit_transaction, self.patience)

    def abort(self, _):
        self.retried(self.producer.abort_transaction, self.patience)

    def consumer(self, isolation, group):
        return Consumer(self.client(**{
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": isolation,
            "session.timeout.ms": self.config["session_timeout_ms"],
            "heartbeat.interval.ms": 300,
            "fetch.wait.max.ms": 50,
        }))

    def read(self, command):
        self.reader = self.consumer(command["isolation"], self.config["group"] + "-readers")
        self.reader.assign([TopicPartition(o["topic"], o["partition"], o["offset"]) for o in command["offsets"]])

    def poll(self, _):
        parts = {}
        for m in self.reader.consume(200, 0.1):
            self.put(parts, m)
        return {"parts": list(parts.values())}

    def put(self, parts, m):
        if m.error():
            if m.error().code() == KafkaError._PARTITION_EOF or m.error().retriable():
                return
            raise KafkaException(m.error())
        part = parts.setdefault((m.topic(), m.partition(), self.assignment), {
            "topic": m.topic(), "partition": m.partition(), "assignment": self.assignment, "records": []})
        part["records"].append({"offset": m.offset(), "value": base64.b64encode(m.value()).decode()})

    def take(self, _):
        if self.member is None:
            self.member = self.consumer("read_committed", self.config["group"])
            self.member.subscribe([self.config["in"]], on_assign=self.assigned)
        parts, count = {}, 0
        m = self.member.poll(0.1)
        while m is not None:  # one by one: a record belongs to the assignment at its time
            self.put(parts, m)
            count += 1
            m = self.member.poll(0) if count < self.config["take_max"] else None
        if parts:
            self.taken = self.member.consumer_group_metadata()
        return {"parts": list(parts.values())}

    def assigned(self, _, partitions):
        self.assignment += 1

    def drop(self, command):
        what = command["what"]
        client = getattr(self, what)
        setattr(self, what, None)
        if client is not None and what != "producer":
            client.close()


def main():
    guest = Guest(json.loads(sys.argv[1]))
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(guest, command["do"])(command) or {}
        except KafkaException as e:
            error = e.args[0]
            answer = {"error": f"{error.name()}: {error.str()}", "abort": error.txn_requires_abort()}
        print(json.dumps(answer), flush=True)


main()
