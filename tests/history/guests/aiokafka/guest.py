"""aiokafka as a guest of a load; README.md above says what it is told."""

import asyncio
import base64
import json
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

GOODBYE = 2  # seconds that a client has when it is dropped


class Again(Exception):
    """The member was assigned partitions a second time."""


class Gone(Exception):
    """There is no such client any more."""


class Listener(ConsumerRebalanceListener):
    def __init__(self):
        self.count = 0

    async def on_partitions_revoked(self, revoked):
        pass

    async def on_partitions_assigned(self, assigned):
        self.count += 1


class Guest:
    def __init__(self, config):
        self.config = config
        self.patience = config["patience_ms"] / 1000
        self.clients = {"producer": None, "reader": None, "member": None}
        self.listener = None

    def the(self, what):
        if self.clients[what] is None:
            raise Gone(what)
        return self.clients[what]

    def client(self):
        return {
            "bootstrap_servers": self.config["brokers"],
            "request_timeout_ms": self.config["request_timeout_ms"],
            "retry_backoff_ms": 50,
        }

    async def started(self, made):
        try:
            await asyncio.wait_for(made.start(), self.patience)
        except BaseException:
            await self.dispose(made)
            raise
        return made

    async def dispose(self, client):
        """Stops a client that may be broken, within a bound."""
        if client is not None:
            try:
                await asyncio.wait_for(client.stop(), GOODBYE)
            except (KafkaError, asyncio.TimeoutError, asyncio.CancelledError) as e:
                # The last may be that of a task which the client has cancelled itself.
                print("stop:", repr(e), file=sys.stderr)  # it is not used again

    async def open(self, _):
        await self.drop({"what": "producer"})
        self.clients["producer"] = await self.started(AIOKafkaProducer(
            transactional_id=self.config["transactional_id"], transaction_timeout_ms=self.config["txn_timeout_ms"], **self.client()))

    async def begin(self, _):
        await self.the("producer").begin_transaction()

    async def send(self, command):
        waits, producer = [], self.the("producer")
        for r in command["records"]:
            waits.append(await producer.send(r["topic"], base64.b64decode(r["value"]), partition=r["partition"]))
        sent = await asyncio.gather(*waits, return_exceptions=True)
        return {"records": [{"error": repr(s)} if isinstance(s, BaseException) else {"offset": s.offset} for s in sent]}

    async def offsets(self, command):
        all = {TopicPartition(o["topic"], o["partition"]): o["offset"] for o in command["offsets"]}
        await self.the("producer").send_offsets_to_transaction(all, self.config["group"])

    async def commit(self, _):
        await self.the("producer").commit_transaction()

    async def abort(self, _):
        await self.the("producer").abort_transaction()

    def consumer(self, isolation, group):
        return AIOKafkaConsumer(
            group_id=group, enable_auto_commit=False, auto_offset_reset="earliest", isolation_level=isolation,
            session_timeout_ms=self.config["session_timeout_ms"], heartbeat_interval_ms=300, fetch_max_wait_ms=50, **self.client())

    async def read(self, command):
        await self.drop({"what": "reader"})
        reader = self.clients["reader"] = await self.started(self.consumer(command["isolation"], None))
        offsets = {TopicPartition(o["topic"], o["partition"]): o["offset"] for o in command["offsets"]}
        reader.assign(list(offsets))
        for at, offset in offsets.items():
            reader.seek(at, offset)

    async def poll(self, _):
        return {"parts": self.parts(await self.the("reader").getmany(timeout_ms=100, max_records=200), 0)}

    async def take(self, _):
        if self.clients["member"] is None:
            member, self.listener = self.consumer("read_committed", self.config["group"]), Listener()
            member.subscribe([self.config["in"]], listener=self.listener)
            self.clients["member"] = await self.started(member)
        got = await self.clients["member"].getmany(timeout_ms=100, max_records=self.config["take_max"])
        if self.listener.count > 1:
            raise Again()
        return {"parts": self.parts(got, self.listener.count)}

    @staticmethod
    def parts(got, assignment):
        return [{
            "topic": at.topic, "partition": at.partition, "assignment": assignment,
            "records": [{"offset": m.offset, "value": base64.b64encode(m.value).decode()} for m in messages],
        } for at, messages in got.items() if messages]

    async def drop(self, command):
        client, self.clients[command["what"]] = self.clients[command["what"]], None
        await self.dispose(client)


async def main():
    guest, loop = Guest(json.loads(sys.argv[1])), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        try:
            answer = await asyncio.wait_for(getattr(guest, command["do"])(command), guest.patience) or {}
        except asyncio.TimeoutError as e:
            answer = {"error": repr(e)}
            # What was cut short may still be under way in the producer, and belong to its
            # next transaction.
            await guest.drop({"what": "producer"})
        except Exception as e:  # whatever it is: a producer whose sender has failed asserts
            answer = {"error": repr(e)}
        print(json.dumps(answer), flush=True)


asyncio.run(main())
