package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/streamhouse/streamhouse/server"
	"github.com/streamhouse/streamhouse/server/settings"
	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/s3gateway"
)

// machine runs a broker inside the test, on a clock, a disk and a bucket that can be
// harmed. It does what an init system does: a broker that ends is started again.
type machine struct {
	addr     string
	settings *settings.Settings
	clock    clock
	disk     disk
	bucket   store
	logger   *zap.Logger

	mu      sync.Mutex
	stop    context.CancelFunc // of the broker that runs
	done    chan struct{}      // closed when it has ended
	ended   error              // after done
	crashes []error            // ends that nobody asked for, once it had served
}

// inside starts a broker of the given journal on a machine, with its lanes.
func inside(journal string, s3 bool) func(*testing.T) place {
	return func(t *testing.T) place {
		m := &machine{addr: freeAddress(t), logger: zaptest.NewLogger(t, zaptest.Level(zap.InfoLevel))}
		dir := peers.Folder(t)
		http := freeAddress(t)
		args := []string{"--data", filepath.Join(dir, "data"), "--listen", m.addr, "--http", http, "--journal", journal}
		var environ []string
		var gateway *s3gateway.Gateway
		if s3 {
			gateway = s3gateway.Start(t, "faults")
			args = append(args, "--bucket", fmt.Sprintf("s3://faults/run?endpoint=%s&region=%s", gateway.Endpoint, s3gateway.Region))
			environ = []string{"STREAMHOUSE_S3_ACCESS_KEY=" + s3gateway.AccessKey, "STREAMHOUSE_S3_SECRET_KEY=" + s3gateway.SecretKey}
		}
		lines := ""
		for name, value := range machineSettings(m.addr) {
			lines += fmt.Sprintf("%s: %q\n", name, value)
		}
		config := filepath.Join(dir, "streamhouse.yaml")
		if err := os.WriteFile(config, []byte(lines), 0o644); err != nil {
			t.Fatal(err)
		}
		var err error
		if m.settings, err = settings.Load(append(args, "--config", config), environ); err != nil {
			t.Fatal(err)
		}
		if err := m.start(peers.Context(t, time.Minute)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			m.halt()
			for _, err := range m.crashes {
				t.Errorf("the broker ended by itself: %v", err)
			}
		})
		lanes := []Lane{m.clock.lane()}
		if journal == "file" {
			lanes = append(lanes, Lane{[]Fault{m.restart(), m.powerLoss()}}, m.disk.lane())
		} else {
			lanes = append(lanes, Lane{[]Fault{m.restart()}})
		}
		if s3 {
			lanes = append(lanes, m.bucket.lane())
		}
		return place{addr: m.addr, http: http, lanes: lanes, jumps: true,
			halt: func() error { m.halt(); return nil }, room: room{filepath.Join(dir, "data"), gateway}}
	}
}

// machineSettings are those of a machine: its clock jumps by hours, and records of clients whose
// clocks do not are welcome all the same.
func machineSettings(addr string) map[string]string {
	s := brokerSettings(peers.StreamHouse, addr)
	s["log.message.timestamp.after.max.ms"] = "9223372036854775807"
	return s
}

func freeAddress(t *testing.T) string {
	t.Helper()
	addr, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// start returns when a broker serves. On a machine that is being harmed a start may fail;
// it is tried until ctx ends.
func (m *machine) start(ctx context.Context) error {
	for {
		err := m.attempt(ctx)
		if err == nil {
			return nil
		}
		m.logger.Info("the broker did not start", zap.Error(err))
		if !pause(ctx, 200*time.Millisecond) {
			return fmt.Errorf("the broker does not start: %w", err)
		}
	}
}

func (m *machine) attempt(ctx context.Context) error {
	running, stop := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan struct{})
	m.mu.Lock()
	m.stop, m.done = stop, done
	m.mu.Unlock()
	seams := server.Seams{Now: m.clock.now, JournalDisk: m.disk.wrap, Bucket: m.bucket.wrap}
	go func() { // ends with running, which halt cancels
		defer close(done)
		err := server.RunOn(running, seams, m.settings, m.logger, func() { close(ready) })
		m.mu.Lock()
		defer m.mu.Unlock()
		m.ended = err
		select {
		case <-ready:
			if running.Err() == nil {
				m.crashes = append(m.crashes, fmt.Errorf("after it had served: %w", errors.Join(err, errors.New("nobody had stopped it"))))
			}
		default:
		}
	}()
	select {
	case <-ready:
		return nil
	case <-done:
		stop()
		return errors.Join(errors.New("ended before it served"), m.ended)
	case <-ctx.Done():
		m.halt()
		return ctx.Err()
	}
}

// halt stops the broker, if one runs, and returns when it has ended.
func (m *machine) halt() {
	m.mu.Lock()
	stop, done := m.stop, m.done
	m.mu.Unlock()
	stop()
	<-done
}

func (m *machine) restart() Fault {
	return Fault{Name: "machine: restart", Min: 0, Max: 500 * time.Millisecond,
		Begin: func(context.Context, *rand.Rand) error { m.halt(); return nil },
		End:   m.start}
}

// powerLoss takes the journal's disk away, so that what the broker still writes on its way
// down is lost.
func (m *machine) powerLoss() Fault {
	return Fault{Name: "machine: its disk is gone, then a restart", Min: 50 * time.Millisecond, Max: time.Second,
		Begin: func(context.Context, *rand.Rand) error { m.disk.vanish(true); return nil },
		End: func(ctx context.Context) error {
			m.halt()
			m.disk.vanish(false)
			return m.start(ctx)
		}}
}
