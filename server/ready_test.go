package server

import (
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
	journalfile "github.com/streamhouse/streamhouse/storage/journal/file"
)

// readiness is what /health/ready says.
func (l *life) readiness() (int, string) {
	l.t.Helper()
	return l.get("/health/ready")
}

func (l *life) get(path string) (int, string) {
	l.t.Helper()
	resp, err := http.Get("http://" + l.http.Addr().String() + path)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func (l *life) isServing() bool {
	select {
	case <-l.ready:
		return true
	case <-l.ended:
		l.t.Fatalf("it ended at its start: %v", l.err)
	default:
	}
	return false
}

// says waits until readiness has a code and says something.
func (l *life) says(code int, what string) {
	l.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		got, body := l.readiness()
		if got == code && strings.Contains(body, what) {
			return
		}
		if time.Now().After(end) {
			l.t.Fatalf("%d %q, want %d %q", got, body, code, what)
		}
	}
}

// slowDisk is one whose folder cannot be listed, which is how a recovery begins, until it
// is let go.
type slowDisk struct {
	journalfile.Disk
	in, ends chan struct{}
}

func (d *slowDisk) List() ([]journalfile.DirEntry, error) {
	d.in <- struct{}{}
	<-d.ends
	return d.Disk.List()
}

// HTTP answers while the broker recovers, and says how far it is.
func TestRecoveryIsSeen(t *testing.T) {
	dir := t.TempDir()
	first := begin(t, Seams{}, dir, nil).serving()
	first.stored("t")
	killed := copyFolder(t, dir)
	if err := first.end(); err != nil {
		t.Fatal(err)
	}
	slow := &slowDisk{in: make(chan struct{}), ends: make(chan struct{})}
	l := begin(t, Seams{JournalDisk: func(d journalfile.Disk) journalfile.Disk { slow.Disk = d; return slow }}, killed, nil)
	<-slow.in
	if code, body := l.readiness(); code != 503 || !strings.Contains(body, "broker: starting: replaying the journal: 0 packs, 0 of about ") {
		t.Errorf("%d %q", code, body)
	}
	close(slow.ends)
	for !l.isServing() { // parts are made while somebody scrapes
		if code, _ := l.get("/metrics"); code != 200 {
			t.Errorf("metrics: %d", code)
		}
	}
	l.says(200, "ready")
	if packs := l.progress.packs.Load(); packs == 0 {
		t.Error("no pack was counted")
	}
	if err := l.end(); err != nil {
		t.Error(err)
	}
}

// smallDisk says how much is free.
type smallDisk struct {
	journalfile.Disk
	free atomic.Int64
}

func (d *smallDisk) Free() (int64, error) { return d.free.Load(), nil }

// While the journal refuses the broker is not ready, and again when it takes writes.
func TestNotReadyWhileTheJournalRefuses(t *testing.T) {
	small := &smallDisk{}
	small.free.Store(math.MaxInt64)
	l := begin(t, Seams{JournalDisk: func(d journalfile.Disk) journalfile.Disk { small.Disk = d; return small }}, t.TempDir(), nil).serving()
	l.stored("t")
	l.says(200, "ready")
	small.free.Store(0)
	if r := <-l.put("t"); r.Err != protocol.KafkaStorageError {
		t.Fatalf("%+v", r)
	}
	l.says(503, "log: the journal takes nothing: journal: no room")
	small.free.Store(math.MaxInt64)
	l.says(200, "ready")
	l.stored("t")
}

// A disk that is full is noticed without a write.
func TestNotReadyOnAFullDisk(t *testing.T) {
	usable := int64(100)
	d := &diskWatch{need: 100, space: func() (int64, int64, error) { return 1 << 40, usable, nil }}
	d.look()
	if err := d.ready(); err != nil {
		t.Error(err)
	}
	usable = 99
	d.look()
	if err := d.ready(); err == nil || !strings.Contains(err.Error(), "it is full: 99 bytes") {
		t.Error(err)
	}
	n := &node{}
	if !slices.ContainsFunc(n.list(nil), func(p part) bool { return p.name == "disk" && p.ready != nil && p.run != nil }) {
		t.Error("nobody asks it")
	}
}
