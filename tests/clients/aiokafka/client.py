"""aiokafka driven over standard input and output.

The Go package in the folder above says how.
"""

import asyncio
import json
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from demand import Demand


def emit(**event):
    print(json.dumps(event), flush=True)


def text(data):
    return None if data is None else data.decode()


async def lines():
    """Yield the lines of standard input."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        yield line


async def admin(brokers, topic):
    """Make the topic and read it back."""
    client = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await client.start()
    await client.create_topics([NewTopic(topic, 6, 1, topic_configs={"max.message.bytes": "2000000"})])
    described = await client.describe_topics([topic])
    assert len(described[0]["partitions"]) == 6, described
    answer = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    assert "2000000" in str(answer), answer
    await client.close()


def record(n):
    """The n-th record: a key or a value there must be, says this client."""
    return {
        "key": None if n % 5 == 0 else f"key-{n % 17}".encode(),
        "value": None if n % 13 == 0 and n % 5 != 0 else f"välue-{n}".encode(),
        "headers": [("n", str(n).encode())],
    }


async def produce(brokers, topic):
    """Carry out the commands of standard input, each with a client of its own."""
    async for line in lines():
        command = json.loads(line)
        producer = AIOKafkaProducer(
            bootstrap_servers=brokers, enable_idempotence=True, retry_backoff_ms=200,
            compression_type=None if command["codec"] == "none" else command["codec"],
            request_timeout_ms=60000)
        await producer.start()

        async def report(n, answer):
            meta = await answer
            emit(event="acked", n=n, partition=meta.partition, offset=meta.offset,
                 key=text(record(n)["key"]), value=text(record(n)["value"]))

        sent = []
        for n in range(command["first"], command["first"] + command["count"]):
            # Awaited one by one: send waits for room, and the next one may not overtake it.
            answer = await producer.send(topic, **record(n))
            sent.append(asyncio.create_task(report(n, answer)))
            await asyncio.sleep(command["pace_ms"] / 1000)
        await asyncio.gather(*sent)
        await producer.stop()
        emit(event="produced")


class Listener(ConsumerRebalanceListener):
    async def on_partitions_revoked(self, revoked):
        emit(event="assigned", partitions=[])

    async def on_partitions_assigned(self, assigned):
        emit(event="assigned", partitions=sorted(p.partition for p in assigned))


async def consume(brokers, topic, group, isolation):
    """Read as a member of a group until standard input ends, then commit and leave."""
    loop = asyncio.get_running_loop()
    ended = loop.run_in_executor(None, sys.stdin.read)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=brokers, group_id=group, isolation_level=isolation, auto_offset_reset="earliest",
        heartbeat_interval_ms=300, session_timeout_ms=10000, auto_commit_interval_ms=500,
        metadata_max_age_ms=2000, retry_backoff_ms=200)
    consumer.subscribe([topic], listener=Listener())
    await consumer.start()
    while not ended.done():
        try:
            batches = await consumer.getmany(timeout_ms=200)
        except KafkaError as error:
            if not error.retriable:
                raise
            continue
        for records in batches.values():
            for r in records:
                emit(event="record", n=int(dict(r.headers)["n"]), partition=r.partition,
                     offset=r.offset, key=text(r.key), value=text(r.value))
    await consumer.stop()  # commits what was read


async def demand(brokers, topic, group):
    async for case, value in Demand(brokers, topic, group).cases():
        emit(event="case", case=case, value=value)


def main():
    mode, brokers, topic, *rest = sys.argv[1:]
    asyncio.run({"admin": admin, "produce": produce, "consume": consume, "demand": demand}[mode](brokers, topic, *rest))
    emit(event="done")


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # the runner reads why
        emit(event="error", error=repr(error))
        sys.exit(1)
