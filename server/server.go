// Package server assembles the broker: it is the only place that knows every
// adapter, the order in which parts start, and the order in which they stop.
package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/broker"
	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/coordinator"
	"github.com/streamhouse/streamhouse/coordinator/transactions"
	"github.com/streamhouse/streamhouse/metadata"
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
	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/upkeep"
	"github.com/streamhouse/streamhouse/web"
)

// producerExpiryInterval is how often idle producers are looked for.
const producerExpiryInterval = time.Minute

const (
	// staleUploadInterval is how often unfinished uploads are looked for.
	staleUploadInterval = 24 * time.Hour
	// staleUploadAge exceeds the longest upload by far.
	staleUploadAge     = 24 * time.Hour
	staleUploadTimeout = time.Minute
)

// sealAtStopMax bounds what a stop spends on the journal, so that the next start finds
// little in it; it is a quarter of the whole stop at most.
const sealAtStopMax = 10 * time.Second

// mergeIntervalMax is how often it is looked for what is to be merged.
const mergeIntervalMax = 10 * time.Second

// Run starts the broker, serves until ctx ends, and stops in order: listeners
// drain, coordinators write what they have, the log makes durable what it took, the
// journal is marked as cleanly stopped. ready is called once clients can connect.
//
// An error that wraps ErrCutOff means that the stop ran out of time: parts of the broker
// still run, and the caller ends the process at once.
func Run(ctx context.Context, set *settings.Settings, logger *zap.Logger, ready func()) error {
	return RunOn(ctx, Seams{}, set, logger, ready)
}

// RunOn is Run on another machine than the real one.
func RunOn(ctx context.Context, seams Seams, set *settings.Settings, logger *zap.Logger, ready func()) error {
	n := newNode(ctx, seams, set, logger)
	err := n.serve(ctx, ready)
	return errors.Join(err, n.stop(ctx))
}

// newNode makes a broker of which nothing is there yet.
func newNode(ctx context.Context, seams Seams, set *settings.Settings, logger *zap.Logger) *node {
	seams = seams.filled()
	logger, levels := logging.Adjustable(logger)
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, w := range set.Warnings() {
		logger.Warn(w)
	}
	if idle := set.WithoutEffect(); len(idle) > 0 {
		logger.Info("settings without effect here, see docs/configuration.md", zap.Strings("settings", idle))
	}
	n := &node{
		memory: planMemory(logger), settings: set, seams: seams, logger: logger, levels: levels, registry: reg, now: seams.Now,
		parts: newRunning(ctx, logger, levels),
	}
	reg.MustRegister(readiness{n})
	return n
}

// serve starts the broker and returns when it has to stop. HTTP answers from the
// beginning, so that whoever waits for a long start sees how far it is.
func (n *node) serve(ctx context.Context, ready func()) (err error) {
	if err := n.divideDescriptors(); err != nil {
		return err
	}
	n.http = n.newHTTP(n.settings.Broker())
	if err := n.http.Listen(ctx); err != nil {
		return err
	}
	n.parts.start(n.door())
	n.progress.at("opening the stores")
	if n.stores, err = openStores(ctx, n.seams, n.settings.Broker(), means{n.memory, n.files}, n.logger, n.registry, &n.progress); err != nil {
		return err
	}
	if err := n.assemble(ctx); err != nil {
		return err
	}
	n.progress.at("opening the listeners")
	if err := n.network.Listen(ctx); err != nil {
		return err
	}
	n.parts.start(n.list(ready)...)
	n.parts.wait(ctx)
	return nil
}

// divideDescriptors finds out how many files may be open, and for whom.
func (n *node) divideDescriptors() (err error) {
	most := n.seams.Descriptors
	if most == 0 {
		if most, err = descriptorLimit(); err != nil {
			return err
		}
	}
	if n.files, err = divide(most); err != nil {
		return err
	}
	if n.files.limit < fewDescriptors {
		n.logger.Warn("few files may be open at a time: raise the limit (ulimit -n)",
			zap.Int("limit", n.files.limit), zap.Int("client_connections", n.files.connections))
	}
	return nil
}

// stop ends what serve has begun, within shutdown.timeout.ms. The stores are closed only
// when nothing that uses them is left: a mark of a clean stop beside a pack on its way
// would destroy it.
func (n *node) stop(ctx context.Context) error {
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.stopMax())
	defer cancel()
	err := n.parts.stop(bound)
	if errors.Is(err, ErrCutOff) || n.stores == nil {
		return err
	}
	closing := within(bound, "closing the stores", func() error { return n.stores.close(bound) })
	if errors.Is(closing, context.DeadlineExceeded) && bound.Err() != nil {
		// A bucket that does not answer: the mark of a clean stop, say, is not written.
		closing = fmt.Errorf("%w: %w", ErrCutOff, closing)
	}
	return errors.Join(err, closing)
}

// stopMax is shutdown.timeout.ms, which can change while the broker runs.
func (n *node) stopMax() time.Duration {
	b := n.settings.Broker()
	if n.catalog != nil {
		b = n.catalog.Broker()
	}
	return time.Duration(b.Int("shutdown.timeout.ms")) * time.Millisecond
}

// door is the part that is there before all others and after them.
func (n *node) door() part {
	return part{name: "http", run: n.http.Run, loggers: []string{"http"}}
}

// list has all parts behind the door, each after those that it uses.
func (n *node) list(ready func()) []part {
	return []part{
		{name: "stores", loggers: []string{"catalog", "journal"}},
		{name: "disk", run: n.disk.run, ready: n.disk.ready},
		{name: "log", run: n.log.Run, ready: n.log.Ready, notes: n.damaged, loggers: []string{"log"}},
		{name: "upkeep", run: n.keepUp, loggers: []string{"upkeep"}},
		{name: "housekeeping", run: n.housekeep},
		{name: "memory", run: memory.GiveBack},
		{name: "group coordinator", run: n.groups.Run, ready: n.groups.Ready, loggers: []string{"groups"}},
		{name: "transaction coordinator", run: n.transactions.Run, ready: n.transactions.Ready, loggers: []string{"transactions"}},
		{name: "certificates", run: n.keepCertificates, loggers: []string{"tls"}},
		{name: "schema registry", run: n.schemas.service.Run, notes: n.schemaNotes, loggers: []string{"registry"}},
		{name: "schema registry's port", run: n.keepDoor},
		{name: "sql", run: n.runSQL, loggers: []string{"sql"}},
		{name: "listeners", run: n.listen(ready), ready: n.network.Ready, loggers: []string{"api", "authorizer", "broker"}},
	}
}

// listen serves clients. It is the last part: with it the broker is there.
func (n *node) listen(ready func()) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := n.parts.failed.Err(); err != nil {
			<-ctx.Done() // the broker stops: it does not say that it is ready
			return nil
		}
		n.serving.Store(true)
		defer n.serving.Store(false)
		if !n.cleaning().Enabled {
			n.logger.Warn("log.cleaner.enable is false: compacted topics grow without end")
		}
		n.logger.Info("broker is ready", zap.Int32("node", n.identity.ID), zap.String("cluster", n.stores.start.ClusterID),
			zap.Int32("start", n.stores.start.Epoch), zap.Any("advertised", n.settings.Advertised()))
		ready()
		return n.network.Run(ctx)
	}
}

// assemble makes every part above the stores. Nothing runs yet.
func (n *node) assemble(ctx context.Context) error {
	b := n.settings.Broker()
	var err error
	n.catalog, err = catalog.Open(ctx, catalog.Options{
		Store: n.stores.meta, StartEpoch: n.stores.start.Epoch, Broker: b, Brokers: 1, Log: n.logger.Named("catalog"),
	})
	if err != nil {
		return err
	}
	if n.access, err = n.newAccess(ctx, b); err != nil {
		return err
	}
	if n.leaders, err = n.newLeaders(b); err != nil {
		return err
	}
	n.disk = newDiskWatch(n.stores.folder, b)
	n.disk.register(n.registry)
	if n.log, err = n.openLog(ctx, b); err != nil {
		return err
	}
	n.debts = upkeep.NewDebts()
	if err := n.coordinators(ctx, b); err != nil {
		return err
	}
	if err := n.catalog.Listen(ctx, catalog.Listener{Deleted: func(t *catalog.Topic) {
		n.log.DropTopic(t.ID)
		n.groups.TopicDeleted()
		n.transactions.TopicDeleted()
	}}); err != nil {
		return err
	}
	if err := n.newSchemas(ctx, b); err != nil {
		return err
	}
	if n.upkeep, err = n.upkeepConfig(b); err != nil {
		return err
	}
	if n.identity, err = n.newIdentity(b); err != nil {
		return err
	}
	if n.users, err = users.Open(ctx, n.stores.meta); err != nil {
		return err
	}
	if err := n.secureListeners(b); err != nil {
		return err
	}
	n.network, err = broker.New(n.networkConfig(), n.routes(b), n.logger.Named("broker"), n.registry)
	if err != nil {
		return err
	}
	// Nothing serves yet, so no change can come between the settings read and this.
	if err := n.catalog.Listen(ctx, catalog.Listener{Broker: func(b *config.Broker) { n.network.SetLimits(limits(b)) }}); err != nil {
		return err
	}
	return nil
}

// coordinators makes those of groups and transactions.
func (n *node) coordinators(ctx context.Context, b *config.Broker) (err error) {
	topics := coordinator.CatalogTopics(n.catalog, n.leaders)
	opts := coordinator.OptionsFrom(b)
	opts.Logger, opts.Now = n.logger.Named("groups"), n.now
	opts.MemberBytesMax, opts.PendingMax = n.memory.Of(memory.Members), n.memory.Of(memory.Pending)
	n.groups = coordinator.New(opts, topics, coordinator.Throttled(coordinator.StorageLog(n.log), n.debts.Groups), n.registry)

	if n.features, err = features.Open(ctx, n.stores.meta); err != nil {
		return err
	}
	n.producers = producerid.New(n.stores.meta)
	txns := transactions.OptionsFrom(b)
	txns.Logger, txns.Now = n.logger.Named("transactions"), n.now
	txns.Level = func() int16 { return n.features.Level(features.Transaction) }
	n.transactions = transactions.New(txns, topics, transactions.StorageLog(n.log, n.debts.Transactions), n.groups, n.producers, n.registry)
	return nil
}

func (n *node) openLog(ctx context.Context, b *config.Broker) (*log.Log, error) {
	cfg := log.Config{
		Journal: n.stores.journal, Store: n.stores.meta, OpenObject: n.stores.openObject, Segments: n.stores.index,
		Topics: n.epochs(), Logger: n.logger.Named("log"), Registry: n.registry, Now: n.now,
		Deleted: n.stores.meta.Deleted, Replayed: n.progress.replayed,
		PackBytes: int(b.Int("journal.pack.bytes")), VolumeBytes: b.Int("journal.volume.bytes"),
		RollAge:     time.Duration(b.Int("seal.max.age.ms")) * time.Millisecond,
		UnsealedMax: b.Int("journal.unsealed.max.bytes"), ExtentBytesMax: n.memory.Of(memory.Extents),
		ProducerExpiry: func() time.Duration {
			return time.Duration(n.catalog.Broker().Int("producer.id.expiration.ms")) * time.Millisecond
		},
	}
	if b.String("journal.kind") == "object" {
		cfg.Linger = time.Duration(b.Int("journal.linger.ms")) * time.Millisecond
		cfg.RecentBytes = n.memory.Of(memory.Recent)
		n.progress.replay(0)
	} else {
		n.progress.replay(bytesIn(journalDir(b.String("data.dir"))))
	}
	return log.Open(ctx, cfg)
}

// keepUp runs upkeep, once the bucket was asked what only it can tell. Where the answer
// is that it is another, or has seen a newer state, the broker ends as a start would.
func (n *node) keepUp(ctx context.Context) error {
	select {
	case <-n.stores.met:
	default:
		c := contact{logger: n.logger, progress: &n.progress}
		if err := c.insist(ctx, n.stores.meet, errNotMet); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
	return upkeep.New(n.upkeep, n.stores.witness).Run(ctx)
}

func (n *node) upkeepConfig(b *config.Broker) (upkeep.Config, error) {
	spool, err := spoolDir(b)
	if err != nil {
		return upkeep.Config{}, err
	}
	epochs := n.epochs()
	return upkeep.Config{
		Journal: n.stores.journal, Bucket: n.stores.bucket, Store: n.stores.meta,
		Log: upkeep.LogOf(n.log, epochs), Topics: upkeepTopics{n.catalog}, Index: n.stores.index,
		Forgotten: n.stores.objects.Forget,
		Logger:    n.logger.Named("upkeep"), Registry: n.registry, Now: n.now, Debts: n.debts,
		Start: n.stores.start, Broker: b.NodeID, SpoolDir: spool, Room: n.disk.room,
		Cleaning: n.cleaning, StateBytesMax: int(n.memory.Of(memory.StateBlock)),
		Merging: func() upkeep.Merging { return n.merging(b) },
		// Who does not want pieces to wait is not to wait for a look.
		MergeInterval: max(time.Second, min(mergeIntervalMax, time.Duration(b.Int("merge.wait.ms"))*time.Millisecond)),
		ProducerExpiry: func() time.Duration {
			return time.Duration(n.catalog.Broker().Int("producer.id.expiration.ms")) * time.Millisecond
		},
		RetentionInterval: time.Duration(b.Int("log.retention.check.interval.ms")) * time.Millisecond,
		StopMax:           min(sealAtStopMax, time.Duration(b.Int("shutdown.timeout.ms"))*time.Millisecond/4),
	}, nil
}

// housekeep forgets idle producers and broken-off uploads until ctx ends.
func (n *node) housekeep(ctx context.Context) error {
	tick := time.NewTicker(producerExpiryInterval)
	defer tick.Stop()
	uploads := time.NewTicker(staleUploadInterval)
	defer uploads.Stop()
	met := n.stores.met
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-met:
			met = nil
			n.removeStaleUploads(ctx)
		case <-uploads.C:
			if met == nil {
				n.removeStaleUploads(ctx)
			}
		case <-tick.C:
			if expired := n.log.ExpireProducers(); expired > 0 {
				n.logger.Debug("idle producers forgotten", zap.Int("producers", expired))
			}
		}
	}
}

// removeStaleUploads frees what uploads of killed processes occupy in a store. It can
// wait: a failure is tried again the next time.
func (n *node) removeStaleUploads(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, staleUploadTimeout)
	defer cancel()
	removed, err := bucket.RemoveStaleUploads(ctx, n.stores.bucket, n.now().Add(-staleUploadAge))
	switch {
	case err != nil:
		n.logger.Warn("unfinished uploads could not be removed from the bucket", zap.Error(err))
	case removed > 0:
		n.logger.Info("unfinished uploads removed from the bucket", zap.Int("uploads", removed))
	}
}

// epochs answers the log and upkeep.
func (n *node) epochs() leaders.Epochs { return leaders.Epochs{Leaders: n.leaders, Topics: n.catalog} }

func (n *node) newIdentity(b *config.Broker) (*api.Node, error) {
	return &api.Node{ID: b.NodeID, ClusterID: n.stores.start.ClusterID}, nil
}

func (n *node) newLeaders(b *config.Broker) (leaders.Leaders, error) {
	self := &leaders.Node{ID: b.NodeID, Listeners: make(map[string]leaders.Endpoint)}
	if rack := b.String("broker.rack"); rack != "" {
		self.Rack = &rack
	}
	for name, a := range n.settings.Advertised() {
		self.Listeners[name] = leaders.Endpoint{Host: a.Host, Port: a.Port}
	}
	if len(self.Listeners) == 0 {
		return nil, errors.New("advertised.listeners: none")
	}
	return leaders.NewSingle(self, n.stores.start.Epoch), nil
}

// newAccess is the authorizer, or nil if there is none.
func (n *node) newAccess(ctx context.Context, b *config.Broker) (*access.Access, error) {
	if b.String("authorizer.class.name") == "" {
		return nil, nil
	}
	supers, err := auth.ParseSupers(b.String("super.users"))
	if err != nil {
		return nil, err
	}
	policy := auth.Policy{Supers: supers, OpenIfNone: b.Bool("allow.everyone.if.no.acl.found")}
	return access.Open(ctx, n.stores.meta, policy)
}

func newUUID() string { return uuid.NewString() }

// cleaning is what log.cleaner.* say now.
func (n *node) cleaning() upkeep.Cleaning {
	b := n.catalog.Broker()
	rate, _ := b.Get("log.cleaner.io.max.bytes.per.second")
	return upkeep.Cleaning{
		Enabled: b.Bool("log.cleaner.enable"), Threads: int(b.Int("log.cleaner.threads")),
		DedupeBytes: b.Int("log.cleaner.dedupe.buffer.size"), BytesPerSecond: rate.Num,
	}
}

// merging is what merge.* say, and log.cleaner.io.max.bytes.per.second now.
func (n *node) merging(b *config.Broker) upkeep.Merging {
	rate, _ := n.catalog.Broker().Get("log.cleaner.io.max.bytes.per.second")
	return upkeep.Merging{
		Enabled: b.Bool("merge.enable"), Wait: time.Duration(b.Int("merge.wait.ms")) * time.Millisecond, BytesPerSecond: rate.Num,
	}
}

// upkeepTopics answers upkeep from the catalog.
type upkeepTopics struct{ catalog *catalog.Catalog }

func (u upkeepTopics) Exists(id metadata.TopicID) bool { return u.catalog.ByID(id) != nil }

func (u upkeepTopics) List() []upkeep.Topic {
	topics := u.catalog.Snapshot().Topics()
	out := make([]upkeep.Topic, 0, len(topics))
	for _, t := range topics {
		out = append(out, upkeep.Topic{
			ID: t.ID, Name: t.Name, Partitions: t.Partitions, Owner: ownerOf(t),
			Delete: t.Config.Delete, RetentionMs: t.Config.RetentionMs, RetentionBytes: t.Config.RetentionBytes,
			Compact: t.Config.Compact, MinCleanableRatio: t.Config.MinCleanableDirtyRatio,
			MinCompactionLagMs: t.Config.MinCompactionLagMs, MaxCompactionLagMs: t.Config.MaxCompactionLagMs,
			DeleteRetentionMs: t.Config.DeleteRetentionMs, SegmentBytes: int64(t.Config.SegmentBytes), SegmentMs: t.Config.SegmentMs,
		})
	}
	return out
}

func ownerOf(t *catalog.Topic) upkeep.Owner {
	switch {
	case !t.Internal || !t.Config.Compact:
		return upkeep.Clients
	case t.Name == catalog.TransactionsTopic:
		return upkeep.Transactions
	}
	return upkeep.Groups
}

// policy says who may use what is served over HTTP.
func (n *node) policy(b *config.Broker) web.Policy {
	p := web.Policy{Anonymous: web.Anonymous(b.String("http.anonymous")), Hosts: b.List("http.hosts")}
	for _, at := range n.settings.Advertised() {
		p.Hosts = append(p.Hosts, at.Host)
	}
	return p
}

// mounts puts the checks of web before parts that are served on http.listen.
func (n *node) mounts(b *config.Broker, parts ...web.Mount) []httpd.Mount {
	policy := n.policy(b)
	var out []httpd.Mount
	for _, m := range parts {
		out = append(out, httpd.Mount{Prefix: m.Prefix, Handler: policy.Wrap(m)})
	}
	return out
}

func (n *node) newHTTP(b *config.Broker) *httpd.Server {
	return httpd.New(httpd.Config{
		Mounts:  append(n.mounts(b, append(n.sqlMounts(b), n.schemas.mount(registryPrefix))...), n.seriesMounts(b)...),
		Address: b.String("http.listen"), ConnectionsMax: n.files.http, Gatherer: n.registry, Logger: n.logger.Named("http"),
		Ready: n.checks,
		Notes: func() []string { return n.parts.notes() },
	})
}

// damagedNamed is how many damaged partitions are named at a time.
const damagedNamed = 20

// damaged names the partitions that cannot be served because of what is stored of them.
func (n *node) damaged() []string {
	var out []string
	damaged := n.log.Damaged()
	for id, err := range damaged {
		if len(out) == damagedNamed {
			out = append(out, fmt.Sprintf("%d more partitions are damaged", len(damaged)-damagedNamed))
			break
		}
		name := id.String()
		if t := n.catalog.ByID(id.Topic); t != nil {
			name = fmt.Sprintf("%s-%d", t.Name, id.Partition)
		}
		out = append(out, fmt.Sprintf("partition %s is damaged and answers KAFKA_STORAGE_ERROR: %v", name, err))
	}
	return out
}

// started says whether clients can connect, and how far the start is until then.
func (n *node) started() error {
	switch {
	case n.parts.stopping.Load():
		return errors.New("stopping")
	case !n.serving.Load():
		return fmt.Errorf("starting: %s", &n.progress)
	}
	return nil
}
