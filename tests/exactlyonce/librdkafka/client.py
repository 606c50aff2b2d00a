"""Transactions of confluent-kafka (librdkafka); copy_test.go says what each mode does."""

import json
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

BOUND = 30  # seconds of a call
stop = threading.Event()


def emit(**event):
    print(json.dumps(event), flush=True)


def producer(brokers, transactional_id):
    made = Producer({
        "bootstrap.servers": brokers,
        "transactional.id": transactional_id,
        "transaction.timeout.ms": 20000,
        "reconnect.backoff.max.ms": 200,
        "linger.ms": 1,
        # Its other strategy, which is the default, forgets the coordinator when the only
        # broker is away for a moment and does not find it again, whoever's broker that is.
        "metadata.recovery.strategy": "none",
        "log_level": 0,
    })
    retried(made.init_transactions, BOUND)
    return made


def retried(call, *args):
    """Calls again for as long as librdkafka says that this is the thing to do."""
    end = time.monotonic() + 2 * BOUND
    while True:
        try:
            return call(*args)
        except KafkaException as e:
            if not e.args[0].retriable() or time.monotonic() > end:
                raise


def consumer(brokers, group, topic):
    made = Consumer({
        "bootstrap.servers": brokers,
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "session.timeout.ms": 2000,
        "heartbeat.interval.ms": 300,
        "reconnect.backoff.max.ms": 200,
        "log_level": 0,
    })
    made.subscribe([topic])
    return made


def copy(brokers, transactional_id, group, source, target):
    out, taken, turn = producer(brokers, transactional_id), consumer(brokers, group, source), 0
    while not stop.is_set():
        batch = [m for m in taken.consume(20, timeout=0.3) if not m.error()]
        while batch:
            turn += 1
            try:
                if transact(out, taken, target, batch, abort=turn % 5 == 0):
                    break
            except KafkaException as e:
                emit(fault=e.args[0].name())
                if e.args[0].txn_requires_abort():
                    try:
                        retried(out.abort_transaction, BOUND)
                    except KafkaException:
                        out = producer(brokers, transactional_id)
                else:
                    out = producer(brokers, transactional_id)
                # Whether it was committed is for the group's offsets to say.
                taken.close()
                taken = consumer(brokers, group, source)
                break


def transact(out, taken, target, batch, abort):
    """One transaction; false if it was aborted on purpose."""
    out.begin_transaction()
    for m in batch:
        out.produce(target, m.value(), m.key(), m.partition())
    if abort:
        out.flush(BOUND)
        retried(out.abort_transaction, BOUND)
        emit(aborted=len(batch))
        return False
    ends = {m.partition(): m.offset() + 1 for m in batch}
    offsets = [TopicPartition(batch[0].topic(), p, o) for p, o in ends.items()]
    retried(out.send_offsets_to_transaction, offsets, taken.consumer_group_metadata(), BOUND)
    retried(out.commit_transaction, BOUND)
    emit(committed=len(batch))
    return True


def outcome(call, *args):
    try:
        call(*args)
        return "ok"
    except KafkaException as e:
        error = e.args[0]
        return f"{error.name()} fatal={error.fatal()} abort={error.txn_requires_abort()}"


def fence(brokers, transactional_id, topic):
    first = producer(brokers, transactional_id)
    first.begin_transaction()
    first.produce(topic, b"first", partition=0)
    first.flush(BOUND)
    second = producer(brokers, transactional_id)
    emit(fact="the first one commits", result=outcome(first.commit_transaction, BOUND))
    emit(fact="the first one begins", result=outcome(first.begin_transaction))
    second.begin_transaction()
    second.produce(topic, b"second", partition=0)
    emit(fact="the second one commits", result=outcome(second.commit_transaction, BOUND))
    emit(fact="it commits without a transaction", result=outcome(second.commit_transaction, BOUND))
    second.begin_transaction()
    emit(fact="it commits an empty one", result=outcome(second.commit_transaction, BOUND))
    second.begin_transaction()
    second.produce(topic, b"aborted", partition=0)
    second.flush(BOUND)
    emit(fact="it aborts", result=outcome(second.abort_transaction, BOUND))


def watch():
    sys.stdin.read()
    stop.set()


threading.Thread(target=watch, daemon=True).start()
{"copy": copy, "fence": fence}[sys.argv[1]](*sys.argv[2:])
