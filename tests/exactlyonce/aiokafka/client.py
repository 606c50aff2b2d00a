"""Transactions of aiokafka; copy_test.go says what each mode does."""

import asyncio
import json
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError


def emit(**event):
    print(json.dumps(event), flush=True)


async def producer(brokers, transactional_id):
    while True:
        made = AIOKafkaProducer(
            bootstrap_servers=brokers, transactional_id=transactional_id, transaction_timeout_ms=20000,
            request_timeout_ms=5000, retry_backoff_ms=50,
        )
        try:
            await asyncio.wait_for(made.start(), 30)
            return made
        except (KafkaError, asyncio.TimeoutError) as e:
            emit(fault=type(e).__name__)
            await dispose(made)
            await asyncio.sleep(0.2)


class Lost(KafkaError):
    """The group took the partitions away."""


class Watch(ConsumerRebalanceListener):
    """aiokafka joins its group again behind the application's back, asks for committed offsets
    without waiting for open transactions, and sends no generation with its own: a batch that was
    in a transaction is then read a second time. So such a consumer is not used any more."""

    def __init__(self):
        self.lost = False

    async def on_partitions_revoked(self, revoked):
        self.lost = self.lost or bool(revoked)

    async def on_partitions_assigned(self, assigned):
        pass


async def consumer(brokers, group, topic):
    while True:
        made, watch = AIOKafkaConsumer(
            bootstrap_servers=brokers, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
            isolation_level="read_committed", session_timeout_ms=2000, heartbeat_interval_ms=300, retry_backoff_ms=50,
            request_timeout_ms=5000,
        ), Watch()
        try:
            await asyncio.wait_for(made.start(), 30)
            made.subscribe([topic], listener=watch)
            return made, watch
        except (KafkaError, asyncio.TimeoutError) as e:
            emit(fault=type(e).__name__)
            await dispose(made)
            await asyncio.sleep(0.2)


async def dispose(client):
    """Stop a client that may be broken, within a bound."""
    try:
        await asyncio.wait_for(client.stop(), 5)
    except Exception as e:  # whatever it is, this client is not used again
        emit(fault="stop: " + type(e).__name__)


async def copy(stop, brokers, transactional_id, group, source, target):
    out, turn = await producer(brokers, transactional_id), 0
    taken, watch = await consumer(brokers, group, source)
    while not stop.is_set():
        try:
            fetched = await asyncio.wait_for(taken.getmany(timeout_ms=300, max_records=20), 30)
            if watch.lost:
                raise Lost
            batch = [m for messages in fetched.values() for m in messages]
            while batch:
                turn += 1
                if await asyncio.wait_for(transact(out, group, target, batch, abort=turn % 5 == 0), 30):
                    break
        except (KafkaError, asyncio.TimeoutError) as e:
            emit(fault=type(e).__name__)
            # Whether it was committed is for the next producer to settle, and for the
            # group's offsets to say.
            await dispose(out)
            await dispose(taken)
            out = await producer(brokers, transactional_id)
            taken, watch = await consumer(brokers, group, source)
    await dispose(taken)
    await dispose(out)


async def transact(out, group, target, batch, abort):
    """One transaction; false if it was aborted on purpose."""
    await out.begin_transaction()
    sent = [await out.send(target, m.value, m.key, m.partition) for m in batch]
    await asyncio.gather(*sent)
    if abort:
        await out.abort_transaction()
        emit(aborted=len(batch))
        return False
    ends = {}
    for m in batch:
        ends[(m.topic, m.partition)] = m.offset + 1
    await out.send_offsets_to_transaction({TopicPartition(*tp): o for tp, o in ends.items()}, group)
    await out.commit_transaction()
    emit(committed=len(batch))
    return True


async def outcome(call):
    try:
        await asyncio.wait_for(call, 30)
        return "ok"
    except Exception as e:  # its class is the fact
        return type(e).__name__


async def fence(stop, brokers, transactional_id, topic):
    first = await producer(brokers, transactional_id)
    await first.begin_transaction()
    await first.send_and_wait(topic, b"first", partition=0)
    second = await producer(brokers, transactional_id)
    emit(fact="the first one commits", result=await outcome(first.commit_transaction()))
    emit(fact="the first one begins", result=await outcome(first.begin_transaction()))
    await second.begin_transaction()
    await second.send_and_wait(topic, b"second", partition=0)
    emit(fact="the second one commits", result=await outcome(second.commit_transaction()))
    emit(fact="it commits without a transaction", result=await outcome(second.commit_transaction()))
    await second.begin_transaction()
    emit(fact="it commits an empty one", result=await outcome(second.commit_transaction()))
    await second.begin_transaction()
    await second.send_and_wait(topic, b"aborted", partition=0)
    emit(fact="it aborts", result=await outcome(second.abort_transaction()))
    await dispose(first)
    await dispose(second)


async def main():
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    end = loop.run_in_executor(None, sys.stdin.read)
    end.add_done_callback(lambda _: stop.set())
    await {"copy": copy, "fence": fence}[sys.argv[1]](stop, *sys.argv[2:])


asyncio.run(main())
