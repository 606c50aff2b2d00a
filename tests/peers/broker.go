package peers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Kind names which broker a test runs against.
type Kind string

const (
	StreamHouse Kind = "streamhouse" // ours, built from this tree
	Kafka       Kind = "kafka"       // Apache Kafka, the reference
)

// Options describe one broker. The zero value of everything but Kind and Dir is the
// broker's default.
type Options struct {
	Kind Kind
	// Dir is a folder of the broker's own: data, configuration and log file.
	Dir string
	// Settings are broker settings under Kafka's names.
	Settings map[string]string
	// Listeners are more listeners beside PLAINTEXT, by name, with their protocol.
	Listeners map[string]string
	// HeapMiB bounds the JVM of the reference broker; 512 if zero.
	HeapMiB int

	// Only StreamHouse has these.
	Journal string   // file or object; the broker's default if empty
	Bucket  string   // URL; the broker's default if empty
	Race    bool     // build with the race detector
	Binary  string   // instead of one that is built from this tree
	Env     []string // in addition to the test's own
	DataDir string   // instead of a folder in Dir
}

// Broker is a broker process that can be stopped, killed and started again on the same
// data and address. It is not safe for concurrent use.
type Broker struct {
	options Options
	host    string
	port    int
	http    int
	ports   map[string]int // of Listeners
	launch  func(ctx context.Context) (Command, error)
	log     *os.File
	process *Process
	prepare func(ctx context.Context) error
}

// New installs or builds what the broker needs, chooses free ports and writes its
// configuration. It starts nothing.
func New(ctx context.Context, o Options) (*Broker, error) {
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(o.Listeners))
	ports, err := freePorts(3 + len(names))
	if err != nil {
		return nil, err
	}
	b := &Broker{options: o, host: "127.0.0.1", port: ports[0], http: ports[1], ports: make(map[string]int)}
	for i, name := range names {
		b.ports[name] = ports[3+i]
	}
	switch o.Kind {
	case StreamHouse:
		err = b.configureStreamHouse(ctx)
	case Kafka:
		err = b.configureKafka(ctx, ports[2])
	default:
		err = fmt.Errorf("broker kind %q: one of %s, %s", o.Kind, StreamHouse, Kafka)
	}
	if err != nil {
		return nil, err
	}
	b.log, err = os.OpenFile(b.LogPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	return b, err
}

// Addr is the broker's bootstrap address, the same over all its starts.
func (b *Broker) Addr() string { return fmt.Sprintf("%s:%d", b.host, b.port) }

// AddrOf is the bootstrap address of one of Options.Listeners.
func (b *Broker) AddrOf(listener string) string {
	return fmt.Sprintf("%s:%d", b.host, b.ports[listener])
}

// listeners are the settings listeners and listener.security.protocol.map; beside are
// those that are not for clients.
func (b *Broker) listeners(beside string) (addresses, protocols string) {
	addresses, protocols = "PLAINTEXT://"+b.Addr(), "PLAINTEXT:PLAINTEXT"
	for _, name := range slices.Sorted(maps.Keys(b.options.Listeners)) {
		addresses += "," + name + "://" + b.AddrOf(name)
		protocols += "," + name + ":" + b.options.Listeners[name]
	}
	return addresses + beside, protocols
}

// Port is the port of Addr.
func (b *Broker) Port() int { return b.port }

// HTTP is the base URL of the broker's metrics and health. Only StreamHouse has one.
func (b *Broker) HTTP() string { return fmt.Sprintf("http://%s:%d", b.host, b.http) }

// PID is the process id of the running broker.
func (b *Broker) PID() int { return b.process.PID() }

// Done is closed when the running broker's process has ended.
func (b *Broker) Done() <-chan struct{} { return b.process.Done() }

// Options are what the broker was made from.
func (b *Broker) Options() Options { return b.options }

// Data is the folder of the broker's data.
func (b *Broker) Data() string {
	if b.options.DataDir != "" {
		return b.options.DataDir
	}
	return filepath.Join(b.options.Dir, "data")
}

// LogPath is the file that takes everything the broker prints, over all its starts.
func (b *Broker) LogPath() string { return filepath.Join(b.options.Dir, "broker.log") }

// LogTail is the end of the broker's log, for reports.
func (b *Broker) LogTail(bytes int) string {
	text, err := os.ReadFile(b.LogPath())
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-bytes):]))
}

// Start runs the broker and returns when it serves clients.
func (b *Broker) Start(ctx context.Context) error {
	if err := b.Launch(ctx); err != nil {
		return err
	}
	return b.Ready(ctx)
}

// Launch starts the broker's process without waiting for it to serve.
func (b *Broker) Launch(ctx context.Context) error {
	if b.process != nil {
		return errors.New("broker already started")
	}
	if b.prepare != nil {
		if err := b.prepare(ctx); err != nil {
			return err
		}
	}
	command, err := b.launch(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.log, "--- %s start %s\n", time.Now().Format(time.RFC3339Nano), command)
	b.process, err = command.Start(nil, b.log, b.log)
	return err
}

// Ready waits until the launched broker serves clients. A broker that ends instead is
// an error with the end of its log.
func (b *Broker) Ready(ctx context.Context) error {
	const poll = 3 * time.Millisecond
	last := errors.New("not asked yet")
	for {
		select {
		case <-b.process.Done():
			err := b.process.Err()
			b.process = nil
			return fmt.Errorf("%s broker ended while starting: %w\n%s", b.options.Kind, err, b.LogTail(4096))
		case <-ctx.Done():
			return fmt.Errorf("%s broker not ready: %w (last try: %w)\n%s", b.options.Kind, ctx.Err(), last, b.LogTail(4096))
		case <-time.After(poll):
		}
		if last = serves(b.Addr()); last == nil {
			return nil
		}
	}
}

// Stop ends the broker as an operator would, with SIGTERM. Ours has to call that an
// orderly end; a JVM reports the signal.
func (b *Broker) Stop() error {
	return b.end(func(p *Process) error {
		if err := p.Stop(60 * time.Second); err != nil {
			return err
		}
		if p.Err() != nil && b.options.Kind == StreamHouse {
			return fmt.Errorf("the broker stopped with an error: %w\n%s", p.Err(), b.LogTail(4096))
		}
		return nil
	})
}

// Races returns what the race detector of a broker built with it has found so far.
func (b *Broker) Races() (string, error) {
	text, err := os.ReadFile(b.LogPath())
	if err != nil {
		return "", err
	}
	if at := strings.Index(string(text), "WARNING: DATA RACE"); at >= 0 {
		return string(text[at:min(len(text), at+6000)]), nil
	}
	return "", nil
}

// Kill ends the broker with SIGKILL.
func (b *Broker) Kill() error { return b.end((*Process).Kill) }

// Wait returns when the broker has ended by itself, with its error.
func (b *Broker) Wait(ctx context.Context) error {
	select {
	case <-b.process.Done():
		err := b.process.Err()
		b.process = nil
		return err
	case <-ctx.Done():
		return fmt.Errorf("broker still runs: %w", ctx.Err())
	}
}

// Restart stops the broker and starts it again on the same data and address.
func (b *Broker) Restart(ctx context.Context) error {
	if err := b.Stop(); err != nil {
		return err
	}
	return b.Start(ctx)
}

func (b *Broker) end(how func(*Process) error) error {
	if b.process == nil {
		return nil
	}
	p := b.process
	b.process = nil
	return how(p)
}

// Close kills the broker if it runs and closes its log file.
func (b *Broker) Close() error { return errors.Join(b.Kill(), b.log.Close()) }
