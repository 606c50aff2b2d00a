"""kafka-python as a guest of a load; README.md above says what it is told."""

import base64
import json
import sys

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

GOODBYE = 2  # seconds that a client has when it is dropped


class Listener(ConsumerRebalanceListener):
    def __init__(self):
        self.count = 0

    def on_partitions_revoked(self, revoked):
        pass

    def on_partitions_assigned(self, assigned):
        self.count += 1


class Guest:
    def __init__(self, config):
        self.config = config
        self.producer = self.reader = self.member = self.listener = self.taken = None

    def client(self):
        return {
            "bootstrap_servers": self.config["brokers"],
            "request_timeout_ms": self.config["request_timeout_ms"],
            "reconnect_backoff_ms": 20,
            "reconnect_backoff_max_ms": 200,
            "retry_backoff_ms": 50,
        }

    def open(self, _):
        self.drop({"what": "producer"})
        made = KafkaProducer(
            transactional_id=self.config["transactional_id"], transaction_timeout_ms=self.config["txn_timeout_ms"],
            max_block_ms=self.config["patience_ms"], delivery_timeout_ms=self.config["patience_ms"], **self.client())
        try:
            made.init_transactions()
        except KafkaError:
            made.close(GOODBYE)
            raise
        self.producer = made

    def begin(self, _):
        self.producer.begin_transaction()

    def send(self, command):
        waits = []
        for r in command["records"]:
            try:
                waits.append(self.producer.send(r["topic"], base64.b64decode(r["value"]), partition=r["partition"]))
            except KafkaError as e:
                waits.append(e)
        sent = []
        for wait in waits:
            try:
                if isinstance(wait, KafkaError):
                    raise wait
                sent.append({"offset": wait.get(timeout=self.config["patience_ms"] / 1000).offset})
            except KafkaError as e:
                sent.append({"error": repr(e)})
        return {"records": sent}

    def offsets(self, command):
        all = {TopicPartition(o["topic"], o["partition"]): OffsetAndMetadata(o["offset"], "", -1) for o in command["offsets"]}
        try:
            self.producer.send_offsets_to_transaction(all, self.taken)
        except Exception:
            # It would send refused offsets again in its next transaction: see README.md.
            self.drop({"what": "producer"})
            raise

    def commit(self, _):
        self.producer.commit_transaction()

    def abort(self, _):
        self.producer.abort_transaction()

    def consumer(self, isolation, group):
        return KafkaConsumer(
            group_id=group, enable_auto_commit=False, auto_offset_reset="earliest", isolation_level=isolation,
            session_timeout_ms=self.config["session_timeout_ms"], heartbeat_interval_ms=300, fetch_max_wait_ms=50, **self.client())

    def read(self, command):
        self.drop({"what": "reader"})
        self.reader = self.consumer(command["isolation"], None)
        offsets = {TopicPartition(o["topic"], o["partition"]): o["offset"] for o in command["offsets"]}
        self.reader.assign(list(offsets))
        for at, offset in offsets.items():
            self.reader.seek(at, offset)

    def poll(self, _):
        return {"parts": self.parts(self.reader.poll(timeout_ms=100, max_records=200), 0)}

    def take(self, _):
        if self.member is None:
            self.member, self.listener = self.consumer("read_committed", self.config["group"]), Listener()
            self.member.subscribe([self.config["in"]], listener=self.listener)
        # Longer than a join takes: see README.md.
        got = self.member.poll(timeout_ms=500, max_records=self.config["take_max"])
        self.taken = self.member.group_metadata()
        return {"parts": self.parts(got, self.listener.count)}

    @staticmethod
    def parts(got, assignment):
        return [{
            "topic": at.topic, "partition": at.partition, "assignment": assignment,
            "records": [{"offset": m.offset, "value": base64.b64encode(m.value).decode()} for m in messages],
        } for at, messages in got.items() if messages]

    def drop(self, command):
        what = command["what"]
        client = getattr(self, what)
        setattr(self, what, None)
        if client is None:
            return
        try:
            client.close(timeout=GOODBYE) if what == "producer" else client.close(timeout_ms=GOODBYE * 1000)
        except KafkaError as e:
            print("close:", repr(e), file=sys.stderr)  # it is not used again


def main():
    guest = Guest(json.loads(sys.argv[1]))
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(guest, command["do"])(command) or {}
        except Exception as e:  # whatever it is, it is what the library said
            answer = {"error": repr(e)}
        print(json.dumps(answer), flush=True)


main()
