package apitest

import (
	"cmp"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/broker"
	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/api/admin"
	"github.com/streamhouse/streamhouse/broker/api/fetch"
	"github.com/streamhouse/streamhouse/broker/api/produce"
	"github.com/streamhouse/streamhouse/broker/api/routes"
	"github.com/streamhouse/streamhouse/broker/api/transactional"
	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/metadata/features"
	"github.com/streamhouse/streamhouse/metadata/leaders"
	"github.com/streamhouse/streamhouse/metadata/mem"
	"github.com/streamhouse/streamhouse/metadata/users"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Broker is a broker over a Log in memory, on a port of its own.
type Broker struct {
	Addr     string
	Server   *broker.Server
	Log      *Log
	Catalog  *catalog.Catalog
	Features *features.Levels
	Users    *users.Users
	Node     *api.Node
	Self     *leaders.Node // as clients see it
	Leaders  *Leaders
	Routes   *api.Routes
	Sessions *fetch.Sessions
	Registry *prometheus.Registry

	t    testing.TB
	stop context.CancelFunc
	done chan error
}

// Options change what Start makes.
type Options struct {
	Config func(*broker.Config)
	Routes func(*api.Routes) // adds routes beside the usual ones
	Logger *zap.Logger
	Static map[string]string // the broker's settings
	// MaxBatch is max.decompressed.batch.bytes; 0: any number.
	MaxBatch int64
	NoCore   bool    // Produce and Fetch alone
	Slots    int     // of fetch sessions
	Reads    int64   // bytes of partitions that are read; 64 MiB by default
	Storage  api.Log // in place of Log
	// Transactions confirms transactional batches; without it there is no transaction.
	Transactions api.Transactions
	Unverified   bool // transaction.partition.verification.enable is false
	// Coordinator answers the other requests of transactions; without it all are
	// answered NOT_COORDINATOR.
	Coordinator *Coordinator
}

// Leaders are a broker on its own, which may be started anew.
type Leaders struct {
	now atomic.Pointer[leaders.Single]
}

// View implements leaders.Leaders.
func (l *Leaders) View() leaders.View { return l.now.Load() }

// Set replaces the view.
func (l *Leaders) Set(s *leaders.Single) { l.now.Store(s) }

// producerIDs counts.
type producerIDs struct{ last atomic.Int64 }

func (p *producerIDs) Next(context.Context) (int64, error) { return p.last.Add(1), nil }

// loggers are the root and one below it.
type loggers struct {
	mu     sync.Mutex
	levels map[string]string
}

func (l *loggers) Names() []string      { return []string{"root", "log"} }
func (l *loggers) LevelNames() []string { return []string{"DEBUG", "INFO"} }

func (l *loggers) Level(name string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if level, ok := l.levels[name]; ok {
		return level
	}
	return l.levels["root"]
}

func (l *loggers) Set(name, level string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.levels[name] = level
}

func (l *loggers) Unset(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.levels, name)
}

// logDir is a folder of 1,000 bytes, 400 of which are free.
type logDir struct{}

func (logDir) Path() string                 { return LogDir }
func (logDir) Space() (int64, int64, error) { return 1000, 400, nil }

// LogDir is the path of the broker's data folder, which does not exist.
const LogDir = "/data"

// Start runs a broker until the test ends.
func Start(t testing.TB, o Options) *Broker {
	t.Helper()
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	ctx := context.Background()
	store := mem.New(time.Now)
	known, err := users.Open(ctx, store)
	if err != nil {
		t.Fatal(err)
	}
	levels, err := features.Open(ctx, store)
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.Open(ctx, catalog.Options{
		Store: store, StartEpoch: 1, Broker: config.NewBroker(1, o.Static), Brokers: 1, Log: o.Logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &Broker{
		t: t, Log: NewLog(), Catalog: cat, Features: levels, Users: known, Registry: prometheus.NewRegistry(), Routes: &api.Routes{},
		Node: &api.Node{ID: 1, ClusterID: "abcdefghijklmnopqrstuv"},
		Self: &leaders.Node{ID: 1, Listeners: map[string]leaders.Endpoint{}}, Leaders: &Leaders{},
		Sessions: fetch.NewSessions(max(o.Slots, 1), cmp.Or(o.Reads, 64<<20)),
	}
	if err := cat.Listen(ctx, catalog.Listener{Deleted: func(t *catalog.Topic) { b.Log.DropTopic(t.ID) }}); err != nil {
		t.Fatal(err)
	}
	b.Leaders.Set(leaders.NewSingle(b.Self, 1))
	b.routes(&o)
	cfg := broker.DefaultConfig()
	cfg.Listeners = []broker.Listener{{Name: "PLAINTEXT", Address: "127.0.0.1:0"}}
	cfg.Drain = 2 * time.Second
	if o.Config != nil {
		o.Config(&cfg)
	}
	if b.Server, err = broker.New(cfg, b.Routes, o.Logger, b.Registry); err != nil {
		t.Fatal(err)
	}
	if err := b.Server.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	addr := b.Server.Addr(0).(*net.TCPAddr)
	b.Addr = addr.String()
	b.Self.Listeners["PLAINTEXT"] = leaders.Endpoint{Host: "127.0.0.1", Port: int32(addr.Port)}
	run, stop := context.WithCancel(ctx)
	b.stop, b.done = stop, make(chan error, 1)
	go func() { b.done <- b.Server.Run(run) }()
	t.Cleanup(func() { _ = b.Stop() })
	return b
}

func (b *Broker) routes(o *Options) {
	var storage api.Log = b.Log
	if o.Transactions == nil {
		o.Transactions = &Transactions{Code: protocol.InvalidProducerIDMapping}
	}
	if o.Storage != nil {
		storage = o.Storage
	}
	if o.Coordinator == nil {
		o.Coordinator = &Coordinator{Transactions: Transactions{Code: protocol.NotCoordinator}}
	}
	fetches := &fetch.Handlers{
		Topics: b.Catalog, Log: storage, Leaders: b.Leaders, Sessions: b.Sessions,
		MaxBytes: 55 << 20, MaxMemory: 64 << 20, Now: time.Now,
	}
	b.Routes.OnLeave(fetches.Left)
	all := routes.Table(&routes.Handlers{
		Fetch: fetches,
		Produce: &produce.Handler{
			Topics: b.Catalog, Log: storage, Leaders: b.Leaders, Now: time.Now,
			Transactions: o.Transactions, Verifies: func() bool { return !o.Unverified },
			MaxBatchBytes: o.MaxBatch, Logger: o.Logger,
		},
		Transactional: &transactional.Handlers{Coordinator: o.Coordinator, Topics: b.Catalog, ProducerIDs: &producerIDs{}},
		Admin: &admin.Handlers{
			Node: b.Node, Leaders: b.Leaders, Routes: b.Routes, Catalog: b.Catalog, Log: storage, Features: b.Features,
			Users: b.Users, Dir: logDir{}, Loggers: &loggers{levels: map[string]string{"root": "INFO"}}, Now: time.Now, Logger: zap.NewNop(),
		},
	})
	for _, r := range all {
		if !o.NoCore || r.Key == protocol.KeyProduce || r.Key == protocol.KeyFetch {
			b.Routes.Add(r)
		}
	}
	if o.Routes != nil {
		o.Routes(b.Routes)
	}
}

// Row is a row for a handler of a test's own, which nothing is asked of.
func Row(key int16, h api.Handler) api.Route {
	return api.Route{Key: key, Handler: h, Policy: api.Policy{
		Opens: api.BeforeLogin, Waits: api.ForOthers, Quota: api.QuotaExempt, Audit: api.AuditNothing, Needs: []api.Need{},
	}}
}

// Topic makes a topic.
func (b *Broker) Topic(name string, partitions int32, configs map[string]string) *catalog.Topic {
	b.t.Helper()
	spec := catalog.Spec{Name: name, Partitions: partitions, Replicas: 1, Configs: map[string]*string{}}
	for k, v := range configs {
		spec.Configs[k] = &v
	}
	t, err := b.Catalog.Create(context.Background(), spec)
	if err != nil {
		b.t.Fatal(err)
	}
	return t
}

// End is the high watermark of a partition.
func (b *Broker) End(t *catalog.Topic, partition int32) int64 {
	b.t.Helper()
	p, err := b.Log.Partition(context.Background(), pack.PartitionID{Topic: t.ID, Partition: partition}, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	return p.Bounds().HighWatermark
}

// Dial connects a client.
func (b *Broker) Dial() *Client {
	b.t.Helper()
	return Dial(b.t, b.Addr)
}

// Stop stops the broker and returns what Run returned; once.
func (b *Broker) Stop() error {
	b.stop()
	select {
	case err := <-b.done:
		b.done <- err
		return err
	case <-time.After(20 * time.Second):
		b.t.Error("the broker does not stop")
		return nil
	}
}
