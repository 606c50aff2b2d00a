"""What aiokafka does beside the story of client.py; demand_test.go says what each case is."""

import asyncio
import os
import time
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import OffsetAndMetadata

FIRST_TIME = 1_000_000_000_000  # milliseconds


class Demand:
    def __init__(self, brokers, topic, group):
        self.brokers, self.topic, self.group = brokers, topic, group

    async def cases(self):
        yield "large record", await self.large_record()
        yield "seek by time", await self.seek_by_time()
        yield "pause and resume", await self.pause()
        yield "manual commit", await self.manual_commit()
        yield "long poll", await self.long_poll()
        yield "regex subscription", await self.regex()
        yield "static members", await self.members()

    @asynccontextmanager
    async def consumer(self, partition=None, group=None, **settings):
        c = AIOKafkaConsumer(bootstrap_servers=self.brokers, group_id=group and f"{self.group}-{group}",
                             auto_offset_reset="earliest", enable_auto_commit=False, **settings)
        if partition is not None:
            c.assign([TopicPartition(self.topic, partition)])
        await c.start()
        try:
            yield c
        finally:
            await c.stop()

    async def write(self, *records, **settings):
        """Write (partition, value, timestamp) and wait for all of them."""
        async with AIOKafkaProducer(bootstrap_servers=self.brokers, **settings) as p:
            await asyncio.gather(*[
                await p.send(self.topic, value, partition=partition, timestamp_ms=timestamp)
                for partition, value, timestamp in records])

    async def large_record(self):
        value = os.urandom(10 << 20)
        await self.write((0, value, None), max_request_size=12582912)
        async with self.consumer(0) as c:
            got = await read(c, 1)
            return f"{len(got)} {str(got[0].value == value).lower()}"

    async def seek_by_time(self):
        await self.write(*((1, str(n).encode(), FIRST_TIME + n * 1000) for n in range(100)),
                         linger_ms=100, compression_type="lz4")
        async with self.consumer(1) as c:
            tp = TopicPartition(self.topic, 1)
            found = (await c.offsets_for_times({tp: FIRST_TIME + 50_500}))[tp]
            c.seek(tp, found.offset)
            first = (await c.getone()).value.decode()
            return f"{found.offset} {first}"

    async def pause(self):
        async with self.consumer(1) as c:
            tp = TopicPartition(self.topic, 1)
            c.pause(tp)
            paused = sum(len(r) for r in (await c.getmany(timeout_ms=600)).values())
            c.resume(tp)
            return f"{paused} {len(await read(c, 100))}"

    async def manual_commit(self):
        tp = TopicPartition(self.topic, 1)
        async with self.consumer(1, "manual") as c:
            await c.commit({tp: OffsetAndMetadata(42, "note")})
        admin = AIOKafkaAdminClient(bootstrap_servers=self.brokers)
        await admin.start()
        committed = (await admin.list_consumer_group_offsets(f"{self.group}-manual"))[tp]
        await admin.close()
        return f"{committed.offset} {committed.metadata}"

    async def long_poll(self):
        """The fetch's own bound lies behind the end of the test."""
        async with self.consumer(2, fetch_max_wait_ms=120_000, request_timeout_ms=180_000) as c:
            await c.getmany(timeout_ms=500)  # the fetch is on its way
            await self.write((2, b"x", None))
            return str(len(await read(c, 1)))

    async def regex(self):
        async with self.consumer(group="regex") as c:
            c.subscribe(pattern=f"^{self.topic}.*")
            return f"[{', '.join(sorted({r.topic.removeprefix(self.topic) for r in await read(c, 103)}))}]"

    async def members(self):
        """When A goes and comes back under its name, B hears nothing of it."""
        async with self.member("b") as (b, heard):
            async with self.member("a") as (a, _):
                await until(lambda: len(a.assignment()) == 2 and len(b.assignment()) == 1 or
                            len(a.assignment()) == 1 and len(b.assignment()) == 2)
                before, changes = a.assignment(), len(heard)
            async with self.member("a") as (again, _):
                await until(lambda: again.assignment())
                await asyncio.sleep(1)  # some heartbeats
                return f"{str(again.assignment() == before).lower()} {len(heard) - changes}"

    @asynccontextmanager
    async def member(self, instance):
        heard = []

        class Listener(ConsumerRebalanceListener):
            async def on_partitions_revoked(self, revoked):
                heard.append(revoked)

            async def on_partitions_assigned(self, assigned):
                heard.append(assigned)

        async with self.consumer(group="static", group_instance_id=instance, heartbeat_interval_ms=300) as c:
            c.subscribe([self.topic], listener=Listener())
            yield c, heard


async def until(done):
    deadline = time.monotonic() + 60
    while not done() and time.monotonic() < deadline:
        await asyncio.sleep(0.05)


async def read(consumer, count):
    """Poll until enough records came, or a minute has passed."""
    got, deadline = [], time.monotonic() + 60
    while len(got) < count and time.monotonic() < deadline:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            got += records
    return got
