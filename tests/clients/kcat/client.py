"""kcat driven over standard input and output: a program around a program.

The Go package in the folder above says how. kcat gives all records of a call the same
headers, so a record's number is in its value.
"""

import json
import re
import signal
import subprocess
import sys
import threading
import time

from demand import Demand

DELIVERED = re.compile(r"Message delivered to partition (\d+) \(offset (\d+)\)")
ASSIGNED = re.compile(r"rebalanced \(memberid .*\): (assigned|revoked): ?(.*)")

lock = threading.Lock()


def emit(**event):
    with lock:
        print(json.dumps(event), flush=True)


def number(value):
    return int(value.removeprefix("välue-")) if value else -1


def admin(brokers, topic):
    """Read the topic, which the runner made: kcat makes none."""
    out = subprocess.run(["kcat", "-b", brokers, "-L", "-J", "-t", topic], check=True, capture_output=True).stdout
    partitions = json.loads(out)["topics"][0]["partitions"]
    assert len(partitions) == 6, partitions


def key(n):
    return None if n % 5 == 0 else f"key-{n % 17}"


def produce(brokers, topic):
    """Carry out the commands of standard input, in calls of kcat for one partition each."""
    for line in sys.stdin:
        command = json.loads(line)
        size = 10 if command["pace_ms"] else 50
        end = command["first"] + command["count"]
        for first in range(command["first"], end, size):
            numbers = range(first, min(first + size, end))
            send(brokers, topic, command["codec"], first // size % 6, numbers)
            time.sleep(command["pace_ms"] * size / 1000)
        emit(event="produced")


def send(brokers, topic, codec, partition, numbers):
    text = "".join(f"{key(n) or ''}|välue-{n}\n" for n in numbers)
    # -Z: an empty key is null. -E: a broker that is away is not the end.
    run = subprocess.run(
        ["kcat", "-P", "-E", "-Z", "-vvv", "-b", brokers, "-t", topic, "-p", str(partition), "-K", "|", "-z", codec,
         "-X", "enable.idempotence=true", "-X", "message.timeout.ms=60000", "-X", "reconnect.backoff.max.ms=500"],
        input=text.encode(), capture_output=True, timeout=120)
    offsets = [int(offset) for _, offset in DELIVERED.findall(run.stderr.decode())]
    if run.returncode or len(offsets) != len(numbers):
        raise RuntimeError(f"{run.returncode}, {len(offsets)} of {len(numbers)}: {run.stderr.decode()[-2000:]}")
    for n, offset in zip(numbers, offsets):
        emit(event="acked", n=n, partition=partition, offset=offset, key=key(n), value=f"välue-{n}")


def consume(brokers, topic, group, isolation):
    """Read as a member of a group until standard input ends, then commit and leave."""
    kcat = subprocess.Popen(
        ["kcat", "-E", "-J", "-u", "-b", brokers, "-X", f"isolation.level={isolation}", "-X", "auto.offset.reset=earliest", "-X", "heartbeat.interval.ms=300",
         "-X", "session.timeout.ms=10000", "-X", "auto.commit.interval.ms=500", "-X", "reconnect.backoff.max.ms=500",
         "-G", group, topic],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def wait_for_end():
        sys.stdin.read()
        kcat.send_signal(signal.SIGTERM)

    def watch():
        for line in kcat.stderr:
            if found := ASSIGNED.search(line.decode()):
                owned = [int(p) for p in re.findall(r"\[(\d+)\]", found[2])] if found[1] == "assigned" else []
                emit(event="assigned", partitions=sorted(owned))

    threading.Thread(target=wait_for_end, daemon=True).start()
    watcher = threading.Thread(target=watch)
    watcher.start()
    for line in kcat.stdout:
        r = json.loads(line)
        emit(event="record", n=number(r["payload"]), partition=r["partition"], offset=r["offset"],
             key=r["key"], value=r["payload"])
    watcher.join()
    if kcat.wait():
        raise RuntimeError(f"kcat ended with {kcat.returncode}")


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
