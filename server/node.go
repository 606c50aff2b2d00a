package server

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/broker"
	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/api/admin"
	"github.com/streamhouse/streamhouse/broker/api/fetch"
	"github.com/streamhouse/streamhouse/broker/api/groups"
	"github.com/streamhouse/streamhouse/broker/api/produce"
	"github.com/streamhouse/streamhouse/broker/api/routes"
	"github.com/streamhouse/streamhouse/broker/api/transactional"
	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/coordinator"
	"github.com/streamhouse/streamhouse/coordinator/transactions"
	"github.com/streamhouse/streamhouse/metadata/access"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/metadata/features"
	"github.com/streamhouse/streamhouse/metadata/leaders"
	"github.com/streamhouse/streamhouse/metadata/producerid"
	"github.com/streamhouse/streamhouse/metadata/users"
	"github.com/streamhouse/streamhouse/server/httpd"
	"github.com/streamhouse/streamhouse/server/logging"
	"github.com/streamhouse/streamhouse/server/memory"
	"github.com/streamhouse/streamhouse/server/settings"
	"github.com/streamhouse/streamhouse/sql"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/upkeep"
)

// node is a broker in the making: its parts, each made from those before it.
type node struct {
	memory   memory.Plan
	settings *settings.Settings
	seams    Seams
	stores   *stores
	logger   *zap.Logger
	levels   *logging.Levels
	registry *prometheus.Registry
	now      func() time.Time
	files    descriptors // that may be open

	access  *access.Access // nil: no authorizer
	catalog *catalog.Catalog
	log     *log.Log
	groups  *coordinator.Coordinator
	// transactions uses groups, which outlive it.
	transactions *transactions.Coordinator
	producers    *producerid.Allocator
	features     *features.Levels
	users        *users.Users
	upkeep       upkeep.Config
	debts        *upkeep.Debts // of internal topics
	identity     *api.Node
	leaders      leaders.Leaders
	secured      []secured // by listener
	expiry       *prometheus.GaugeVec
	network      *broker.Server
	http         *httpd.Server
	schemas      schemaPart
	disk         *diskWatch

	sql atomic.Pointer[sql.Engine] // while it runs

	parts    *running
	progress progress    // of the start
	serving  atomic.Bool // clients can connect
}

// networkConfig is what the network server is made of.
func (n *node) networkConfig() broker.Config {
	cfg := network(n.settings, n.catalog.Broker(), n.memory)
	cfg.Listeners = n.listeners()
	cfg.DescriptorsMax = n.files.connections
	if n.access != nil {
		denials := access.NewDenials(n.logger.Named("authorizer"), n.now)
		cfg.Rights = func(principal auth.Principal, address netip.Addr) broker.Rights {
			return n.access.Of(principal, address, denials)
		}
	}
	return cfg
}

// network is the broker package's view of the settings.
// now are the settings in force, with what was changed before the start.
func network(s *settings.Settings, now *config.Broker, plan memory.Plan) broker.Config {
	b := s.Broker()
	cfg := broker.DefaultConfig()
	cfg.MaxRequestBytes = int(b.Int("socket.request.max.bytes"))
	cfg.MaxQueuedBytes = shareOf(plan, b, "request.memory.bytes", "request.memory.bytes")
	cfg.MaxAnswerBytes = plan.Of(memory.Answers)
	if n := b.Int("queued.max.request.bytes"); n > 0 {
		cfg.MaxQueuedBytes = n
	}
	cfg.SendBuffer = int(b.Int("socket.send.buffer.bytes"))
	cfg.ReceiveBuffer = int(b.Int("socket.receive.buffer.bytes"))
	cfg.Limits = limits(now)
	// The listeners leave time for the parts that stop after them.
	cfg.Drain = min(cfg.Drain, max(time.Duration(b.Int("shutdown.timeout.ms"))*time.Millisecond/2, time.Second))
	cfg.MaxIdle = time.Duration(b.Int("connections.max.idle.ms")) * time.Millisecond
	return cfg
}

// limits are the bounds of connections, which can change while the broker runs.
func limits(b *config.Broker) broker.Limits {
	// The settings were validated: the text parses.
	overrides, _ := config.ConnectionOverrides(b.String("max.connections.per.ip.overrides"))
	return broker.Limits{
		MaxConnections:       int(b.Int("max.connections")),
		MaxConnectionsPerIP:  int(b.Int("max.connections.per.ip")),
		ConnectionsOverrides: overrides,
		MaxPerListener:       b.ListenerLimits(),
		ConnectionRate:       int(b.Int("max.connection.creation.rate")),
	}
}

// routes is the table of what this broker answers.
func (n *node) routes(b *config.Broker) *api.Routes {
	t := &api.Routes{}
	storage := api.OverLog(n.log)
	var acls admin.ACLs
	if n.access != nil {
		acls = n.access
	}
	routes.Fill(t, &routes.Handlers{
		Produce: &produce.Handler{
			Topics: n.catalog, Log: storage, Transactions: n.transactions, Verifies: n.verifies, Leaders: n.leaders, Now: n.now,
			MaxBatchBytes: b.Int("max.decompressed.batch.bytes"), Logger: n.logger.Named("api"),
		},
		Fetch: &fetch.Handlers{
			Topics: n.catalog, Log: storage, Leaders: n.leaders, Now: n.now,
			Sessions:  fetch.NewSessions(int(b.Int("max.incremental.fetch.session.cache.slots")), n.memory.Of(memory.Reads)),
			MaxBytes:  int(b.Int("fetch.max.bytes")),
			MaxMemory: shareOf(n.memory, b, "request.memory.bytes", memory.Records),
		},
		Groups: &groups.Handlers{
			Coordinator: n.groups, Transactions: n.transactions, Verifies: n.verifies, TransactionIDs: n.transactions,
			Topics: n.catalog, Leaders: n.leaders, NewUUID: newUUID,
		},
		Transactional: &transactional.Handlers{Coordinator: n.transactions, Topics: n.catalog, ProducerIDs: n.producers},
		Admin: &admin.Handlers{
			Node: n.identity, Leaders: n.leaders, Routes: t, Catalog: n.catalog, Log: storage,
			Features: n.features, Users: n.users, Dir: n.stores.folder, Loggers: n.levels, ACLs: acls, Now: n.now, Logger: n.logger.Named("api"),
		},
	})
	return t
}

// verifies is transaction.partition.verification.enable, which can change at any time.
func (n *node) verifies() bool {
	return n.catalog.Broker().Bool("transaction.partition.verification.enable")
}
