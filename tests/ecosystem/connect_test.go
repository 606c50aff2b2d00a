package ecosystem

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/topics"
)

// files are two connectors: lines of a file become records of a topic, exactly once, and
// those lines of another file, at least once.
type files struct {
	t        *testing.T
	b        *peers.Broker
	in, out  string
	appended *os.File
	lines    int // appended so far
}

const linesTopic = "lines"

func newFiles(t *testing.T, b *peers.Broker) *files {
	t.Helper()
	dir := peers.Folder(t)
	f := &files{t: t, b: b, in: filepath.Join(dir, "in.txt"), out: filepath.Join(dir, "out.txt")}
	var err error
	if f.appended, err = os.Create(f.in); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.appended.Close() })
	makeTopic(t, b, linesTopic, 1, nil)
	return f
}

func (f *files) connect(w *worker) {
	f.t.Helper()
	w.connect("source", map[string]string{
		"connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max": "1",
		"file": f.in, "topic": linesTopic, "batch.size": "500",
		"exactly.once.support": "requested", "transaction.boundary": "poll",
		// What a killed worker left open ends soon.
		"producer.override.transaction.timeout.ms": "10000",
	})
	w.connect("sink", map[string]string{
		"connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "tasks.max": "1",
		"file": f.out, "topics": linesTopic, "consumer.override.isolation.level": "read_committed",
		"consumer.override.session.timeout.ms": "5000", "consumer.override.heartbeat.interval.ms": "1000",
	})
}

// write appends further lines to the source's file.
func (f *files) write(count int) {
	f.t.Helper()
	var text strings.Builder
	for range count {
		fmt.Fprintf(&text, "line %d\n", f.lines)
		f.lines++
	}
	if _, err := f.appended.WriteString(text.String()); err != nil {
		f.t.Fatal(err)
	}
}

// sunk is how many different lines the sink has written, and how many in all.
func (f *files) sunk() (different, all int) {
	f.t.Helper()
	file, err := os.Open(f.out)
	if os.IsNotExist(err) {
		return 0, 0
	} else if err != nil {
		f.t.Fatal(err)
	}
	defer file.Close()
	seen := make(map[string]struct{})
	for lines := bufio.NewScanner(file); lines.Scan(); all++ {
		seen[lines.Text()] = struct{}{}
	}
	return len(seen), all
}

// reach waits until the sink has so many different lines.
func (f *files) reach(count int) {
	f.t.Helper()
	got := 0
	await(f.t, fmt.Sprintf("%d lines in the sink's file", count), func() bool { got, _ = f.sunk(); return got >= count })
}

// check holds the topic against the source's file, which was read from its beginning so many
// times: each line is there once for each, in order.
func (f *files) check(times int) {
	f.t.Helper()
	got := read(f.t, f.b, linesTopic, topics.Committed)
	for i, r := range got {
		if want := fmt.Sprintf("line %d", i%f.lines); string(r.Value) != want {
			f.t.Fatalf("record %d of %d is %q, want %q", i, len(got), r.Value, want)
		}
	}
	if len(got) != times*f.lines {
		f.t.Errorf("%d records of %d lines, read %d times", len(got), f.lines, times)
	}
}

// A worker copies a file through a topic; it and the broker are killed at once in the
// middle, and it goes on with what its compacted topics say.
func TestConnect(t *testing.T) {
	b := start(t, nil)
	w := newWorker(t, b, nil)
	w.begin()
	f := newFiles(t, b)
	f.write(5000)
	w.up()
	f.connect(w)
	f.reach(1000)
	w.kill()
	kill(t, b)
	w.begin()
	f.write(5000)
	f.reach(f.lines)
	w.up()
	w.becomes("source", "RUNNING")
	settled(t, b, 2, func() { f.write(1) }, internal...)
	f.reach(f.lines)
	f.check(1)
	different, all := f.sunk()
	t.Logf("%d lines through a topic, %d written by the sink", different, all)
}

// Two workers: one is killed, then the broker, then the other one; connectors are paused,
// stopped, moved to other offsets, and deleted.
func TestConnectTwoWorkers(t *testing.T) {
	long(t)
	b := start(t, nil)
	one, two := newWorker(t, b, nil), newWorker(t, b, nil)
	one.begin()
	one.up()
	two.begin()
	f := newFiles(t, b)
	f.write(20_000)
	two.up()
	f.connect(one)
	f.reach(5000)
	one.kill()
	f.write(20_000)
	f.reach(30_000)
	kill(t, b)
	f.write(20_000)
	f.reach(50_000)
	one.begin()
	one.up()
	two.kill()
	f.write(20_000)
	f.reach(70_000)
	two.begin()
	two.up()

	// Paused, nothing moves; resumed, all of it does.
	two.ask(http.MethodPut, "/connectors/source/pause", nil)
	one.becomes("source", "PAUSED")
	before := len(read(t, b, linesTopic, topics.Committed))
	f.write(30_000)
	two.ask(http.MethodPut, "/connectors/sink/pause", nil)
	one.becomes("sink", "PAUSED")
	if now := len(read(t, b, linesTopic, topics.Committed)); now != before {
		t.Errorf("a source that is paused has written %d records", now-before)
	}
	one.ask(http.MethodPut, "/connectors/source/resume", nil)
	one.ask(http.MethodPut, "/connectors/sink/resume", nil)
	f.reach(f.lines)
	f.check(1)

	// Stopped, the source begins anew: once from an altered offset, once without any.
	stopped := func(name string, change func()) {
		t.Helper()
		one.ask(http.MethodPut, "/connectors/"+name+"/stop", nil)
		two.becomes(name, "STOPPED")
		change()
		one.ask(http.MethodPut, "/connectors/"+name+"/resume", nil)
		two.becomes(name, "RUNNING")
	}
	if at := one.position("source"); !strings.Contains(at, `"position":`) {
		t.Errorf("the source is at %s", at)
	}
	again := func(times int) {
		t.Helper()
		want := times * f.lines
		await(t, fmt.Sprintf("%d records", want), func() bool { return len(read(t, b, linesTopic, topics.Committed)) >= want })
		f.check(times)
	}
	offset := func(partition, offset map[string]any) map[string]any {
		return map[string]any{"offsets": []any{map[string]any{"partition": partition, "offset": offset}}}
	}
	stopped("source", func() {
		one.ask(http.MethodPatch, "/connectors/source/offsets", offset(map[string]any{"filename": f.in}, map[string]any{"position": 0}))
	})
	again(2)
	stopped("source", func() { one.ask(http.MethodDelete, "/connectors/source/offsets", nil) })
	again(3)
	_, all := f.sunk()
	stopped("sink", func() {
		one.ask(http.MethodPatch, "/connectors/sink/offsets",
			offset(map[string]any{"kafka_topic": linesTopic, "kafka_partition": 0}, map[string]any{"kafka_offset": 0}))
	})
	await(t, "the sink has read the topic again", func() bool { _, now := f.sunk(); return now >= all+3*f.lines })

	settled(t, b, 10, func() { f.write(1) }, internal...)
	for _, name := range []string{"source", "sink"} {
		one.ask(http.MethodDelete, "/connectors/"+name, nil)
		await(t, name+" is gone", func() bool {
			code, _ := two.try(http.MethodGet, "/connectors/"+name, nil)
			return code == http.StatusNotFound
		})
	}
}
