package server

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/server/settings"
	"github.com/streamhouse/streamhouse/storage/buffer"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// life is a broker inside the test, from a start of its data folder to its end.
type life struct {
	*node
	t     *testing.T
	logs  *observer.ObservedLogs
	ready chan struct{}
	halt  context.CancelFunc
	ended chan struct{} // closed when it has ended
	err   error         // how, after ended
}

// begin starts a broker on a data folder; set are settings beside it.
func begin(t *testing.T, seams Seams, dir string, set map[string]string) *life {
	t.Helper()
	args := []string{"--data", dir}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		args = append(args, "--"+name, set[name])
	}
	for name, address := range map[string]string{"listen": "127.0.0.1:0", "http": "127.0.0.1:0"} {
		if _, given := set[name]; !given {
			args = append(args, "--"+name, address)
		}
	}
	read, err := settings.Load(args, nil)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	ctx, halt := context.WithCancel(context.Background())
	l := &life{t: t, logs: logs, ready: make(chan struct{}), halt: halt, ended: make(chan struct{})}
	l.node = newNode(ctx, seams, read, zap.New(core))
	go func() {
		defer close(l.ended)
		err := l.serve(ctx, func() { close(l.ready) })
		l.err = errors.Join(err, l.stop(ctx))
	}()
	t.Cleanup(func() { l.end() })
	return l
}

// serving waits until clients can connect.
func (l *life) serving() *life {
	l.t.Helper()
	select {
	case <-l.ready:
	case <-l.ended:
		l.t.Fatalf("it ended at its start: %v", l.err)
	case <-time.After(time.Minute):
		l.t.Fatal("it does not start")
	}
	return l
}

// end stops the broker and returns how it ended.
func (l *life) end() error {
	l.halt()
	return l.failed()
}

// failed waits until the broker has ended by itself, and returns how.
func (l *life) failed() error {
	<-l.ended
	return l.err
}

func (l *life) partition(topic string) *log.Partition {
	l.t.Helper()
	made, _, err := l.catalog.Ensure(l.t.Context(), topic)
	if err != nil {
		l.t.Fatal(err)
	}
	p, err := l.log.Partition(l.t.Context(), pack.PartitionID{Topic: made.ID}, l.leaders.View().Of(made, 0).Epoch)
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

// put appends a record and returns where its outcome will be found.
func (l *life) put(topic string) <-chan log.Result {
	l.t.Helper()
	p := l.partition(topic)
	b := record.NewBuilder()
	b.Append(time.Now().UnixMilli(), nil, make([]byte, 1000))
	built := b.Batch()
	buf := buffer.Get(len(built))
	copy(buf.Bytes(), built)
	h, err := record.ParseHeader(buf.Bytes())
	if err != nil {
		l.t.Fatal(err)
	}
	out := make(chan log.Result, 1)
	t := log.NewTicket(1, func(t *log.Ticket) { out <- t.Results()[0] })
	l.log.NewAppender().Append(l.t.Context(), t, 0, p, log.Batch{Buf: buf, Bytes: buf.Bytes(), Header: h})
	return out
}

// stored appends a record and waits until it is acknowledged.
func (l *life) stored(topic string) int64 {
	l.t.Helper()
	r := <-l.put(topic)
	if r.Err != nil {
		l.t.Fatal(r.Err)
	}
	return r.BaseOffset
}

// copyFolder is what a killed process leaves, taken while this one holds the folder.
func copyFolder(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o750)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, 0o640)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}
