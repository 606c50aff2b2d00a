"""What kcat does beside the story of client.py; demand_test.go says what each case is."""

import os
import subprocess
import tempfile
import time


class Demand:
    def __init__(self, brokers, topic, group):
        self.brokers, self.topic, self.group = brokers, topic, group

    def cases(self):
        yield "large record", self.large_record()
        yield "long poll", self.long_poll()
        yield "regex subscription", self.regex()

    def kcat(self, *args):
        return ["kcat", "-b", self.brokers, *args]

    def produce(self, partition, *args, text=b""):
        subprocess.run(self.kcat("-P", "-t", self.topic, "-p", str(partition), *args), input=text, check=True, capture_output=True, timeout=60)

    def large_record(self):
        value = os.urandom(10 << 20)
        with tempfile.NamedTemporaryFile() as file:
            file.write(value)
            file.flush()
            self.produce(0, "-X", "message.max.bytes=12582912", file.name)
        got = subprocess.run(self.kcat("-C", "-t", self.topic, "-p", "0", "-o", "beginning", "-c", "1", "-D", "", "-q"),
                             check=True, capture_output=True, timeout=60).stdout
        return f"1 {str(got == value).lower()}"

    def long_poll(self):
        """The fetch's own bound lies behind the end of the test."""
        reader = subprocess.Popen(
            self.kcat("-C", "-t", self.topic, "-p", "2", "-o", "beginning", "-c", "1", "-q", "-J",
                      "-X", "fetch.wait.max.ms=120000", "-X", "socket.timeout.ms=180000"),
            stdout=subprocess.PIPE)
        time.sleep(1)  # the fetch is on its way
        self.produce(2, text=b"x\n")
        got, _ = reader.communicate(timeout=60)
        return str(len(got.splitlines()))

    def regex(self):
        self.produce(1, text=b"".join(b"%d\n" % n for n in range(100)))
        # -c with -G counts; the messages of both topics are 103.
        got = subprocess.run(self.kcat("-X", "auto.offset.reset=earliest", "-X", "receive.message.max.bytes=100000000", "-c", "103",
                                       "-f", "%t\\n", "-q", "-G", f"{self.group}-regex", f"^{self.topic}.*"),
                             check=True, capture_output=True, timeout=90).stdout
        topics = {line.removeprefix(self.topic) for line in got.decode().splitlines()}
        return f"[{', '.join(sorted(topics))}]"
