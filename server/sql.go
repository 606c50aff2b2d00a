package server

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/sql"
	"github.com/streamhouse/streamhouse/sql/httpapi"
	"github.com/streamhouse/streamhouse/sql/pgwire"
	"github.com/streamhouse/streamhouse/sql/plan"
	"github.com/streamhouse/streamhouse/sql/scan"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/web"
)

// sqlMounts is SQL over HTTP; it answers 503 until the part runs.
func (n *node) sqlMounts(b *config.Broker) []web.Mount {
	if !b.Bool("sql.enabled") {
		return nil
	}
	return []web.Mount{{Prefix: "/api/v1/sql", Handler: httpapi.New(n.sql.Load), Looks: httpapi.Looks}}
}

// runSQL answers statements until its context ends, and then ends those that run.
func (n *node) runSQL(ctx context.Context) error {
	if !n.settings.Broker().Bool("sql.enabled") {
		<-ctx.Done()
		return nil
	}
	e := sql.New(n.sqlConfig(n.catalog.Broker()))
	n.sql.Store(e)
	err := n.servePostgres(ctx, e)
	n.sql.Store(nil)
	e.Stop()
	return err
}

// servePostgres answers PostgreSQL's clients until its context ends.
func (n *node) servePostgres(ctx context.Context, e *sql.Engine) error {
	b := n.settings.Broker()
	address := b.String("sql.listen")
	if address == "" {
		<-ctx.Done()
		return nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		if _, set := b.Static()["sql.listen"]; set {
			return fmt.Errorf("sql.listen: %w", err)
		}
		n.logger.Info("PostgreSQL clients are not answered: the address is taken (sql.listen)", zap.Error(err))
		<-ctx.Done()
		return nil
	}
	n.logger.Debug("serving PostgreSQL clients", zap.Stringer("address", ln.Addr()))
	return pgwire.New(pgwire.Config{
		Engine: e, Others: b.String("http.anonymous") != string(web.None), Logger: n.logger.Named("sql"),
	}).Run(ctx, ln)
}

func (n *node) sqlConfig(b *config.Broker) sql.Config {
	workers := int(b.Int("sql.workers"))
	if workers == 0 {
		workers = max(runtime.GOMAXPROCS(0)/2, 1)
	}
	return sql.Config{
		Topics: sqlTopics{n}, Now: n.now, Workers: workers, QueriesMax: int(b.Int("sql.queries.max")),
		MemoryBytes: shareOf(n.memory, b, "sql.memory.bytes", "sql.memory.bytes"), QueryBytes: b.Int("sql.query.memory.bytes"), ScanBytes: b.Int("sql.query.scan.bytes"),
		Timeout: time.Duration(b.Int("sql.query.timeout.ms")) * time.Millisecond, Instrumented: n.sqlMetrics(),
	}
}

// sqlMetrics counts what queries took when they end.
func (n *node) sqlMetrics() func(outcome string, r *sql.Running) {
	queries := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "streamhouse_sql_queries_total", Help: "SQL queries by outcome: done, failed, cancelled."}, []string{"outcome"})
	rows := prometheus.NewCounter(prometheus.CounterOpts{Name: "streamhouse_sql_rows_total", Help: "Rows that SQL queries gave."})
	bytes := prometheus.NewCounter(prometheus.CounterOpts{Name: "streamhouse_sql_read_bytes_total", Help: "Bytes, as they are stored, that SQL queries read."})
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "streamhouse_sql_query_seconds", Help: "Seconds that SQL queries took.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 10)})
	memory := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "streamhouse_sql_memory_bytes", Help: "Memory that SQL queries hold."}, func() float64 {
		if e := n.sql.Load(); e != nil {
			return float64(e.MemoryUsed())
		}
		return 0
	})
	for _, outcome := range []string{"done", "failed", "cancelled"} {
		queries.WithLabelValues(outcome)
	}
	n.registry.MustRegister(queries, rows, bytes, seconds, memory)
	return func(outcome string, r *sql.Running) {
		queries.WithLabelValues(outcome).Inc()
		rows.Add(float64(r.Sent.Load()))
		if r.Progress != nil {
			bytes.Add(float64(r.Progress.Bytes.Load()))
		}
		seconds.Observe(n.now().Sub(r.Began).Seconds())
	}
}

// sqlTopics are this broker's topics as SQL sees them.
type sqlTopics struct{ n *node }

// Topic implements sql.Topics. What a user may not read is not there.
func (s sqlTopics) Topic(user sql.User, name string) *plan.Topic {
	t := s.n.catalog.ByName(name)
	if t == nil || !s.rights(user)(name) {
		return nil
	}
	return &plan.Topic{Name: t.Name, Handle: t.ID, Partitions: t.Partitions, Compacted: t.Config.Compact}
}

// Names implements sql.Topics.
func (s sqlTopics) Names(user sql.User) []string {
	may := s.rights(user)
	var out []string
	for _, t := range s.n.catalog.Snapshot().Topics() {
		if may(t.Name) {
			out = append(out, t.Name)
		}
	}
	return out
}

// rights says which topics a user may read.
func (s sqlTopics) rights(user sql.User) func(topic string) bool {
	if s.n.access == nil {
		return func(string) bool { return true }
	}
	who, err := auth.ParsePrincipal(user.Name)
	if err != nil {
		return func(string) bool { return false }
	}
	rights := s.n.access.Of(who, user.Host, nil)
	return func(topic string) bool { return rights.May(kmsg.ACLResourceTypeTopic, kmsg.ACLOperationRead, topic) }
}

// Open implements scan.Opener.
func (s sqlTopics) Open(ctx context.Context, handle any, partition int32) (scan.Partition, error) {
	id := pack.PartitionID{Topic: handle.(pack.TopicID), Partition: partition}
	t := s.n.catalog.ByID(id.Topic)
	if t == nil {
		return nil, protocol.UnknownTopicOrPartition
	}
	leader := s.n.leaders.View().Of(t, partition)
	if leader.Node != s.n.identity.ID {
		return nil, protocol.NotLeaderOrFollower
	}
	p, err := s.n.log.Partition(ctx, id, leader.Epoch)
	if err != nil {
		return nil, err
	}
	return p, nil
}
