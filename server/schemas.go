package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/metadata/leaders"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/registry"
	"github.com/streamhouse/streamhouse/registry/rest"
	"github.com/streamhouse/streamhouse/registry/schema"
	"github.com/streamhouse/streamhouse/registry/schema/avro"
	"github.com/streamhouse/streamhouse/registry/schema/jsonschema"
	"github.com/streamhouse/streamhouse/registry/schema/protobuf"
	"github.com/streamhouse/streamhouse/registry/state"
	"github.com/streamhouse/streamhouse/server/httpd"
	"github.com/streamhouse/streamhouse/server/memory"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/topic"
	"github.com/streamhouse/streamhouse/web"
)

// registryPrefix is where http.listen has the schema registry.
const registryPrefix = "/schema-registry"

// schemaPart is the schema registry with its two doors: a mount of http.listen, which is
// there before the registry is, and a port of its own.
type schemaPart struct {
	service *registry.Registry
	answers atomic.Pointer[http.Handler] // nil until there is a service
	door    *httpd.Server
}

// ServeHTTP answers on http.listen from the start of the broker on.
func (p *schemaPart) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := p.answers.Load(); h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	rest.Unready(w, r)
}

// mount is the part as a door has it.
func (p *schemaPart) mount(prefix string) web.Mount {
	return web.Mount{Prefix: prefix, Handler: p, Looks: rest.Looks, Refuse: rest.Refuse}
}

// newSchemas makes the registry over the log.
func (n *node) newSchemas(ctx context.Context, b *config.Broker) error {
	topics := &registryTopics{
		catalog: n.catalog, log: n.log, leaders: leaders.Epochs{Leaders: n.leaders, Topics: n.catalog},
		name: b.String("kafkastore.topic"), changed: make(chan struct{}, 1),
	}
	if err := n.catalog.Listen(ctx, topics.listener()); err != nil {
		return err
	}
	n.schemas.service = registry.New(registry.Options{
		Topics: topics, Languages: []schema.Language{avro.Language{}, jsonschema.Language{}, protobuf.Language{}},
		Defaults: state.Defaults{
			Level:              schema.Level(strings.ToUpper(b.String("schema.compatibility.level"))),
			ValidateFields:     b.Bool("schema.validate.fields"),
			ValidateNewSchemas: b.Bool("schema.validate.new.schemas"),
			MutableModes:       b.Bool("mode.mutability"),
		},
		Logger: n.logger.Named("registry"), Registry: n.registry, Now: n.now,
		ParseBytes: n.memory.Of(memory.Parsing), KeptBytes: int(n.memory.Of(memory.Schemas)),
	})
	version, commit := build()
	var h http.Handler = rest.New(rest.Options{
		Registry: n.schemas.service, ClusterID: n.stores.start.ClusterID, GroupID: b.String("schema.registry.group.id"),
		Version: version, Commit: commit, BodyMax: b.Int("size.limit.filter.max.request.body.size"),
		SearchDefault: int(b.Int("schema.search.default.limit")), SearchMax: int(b.Int("schema.search.max.limit")),
		Metrics: n.registry,
	})
	n.schemas.answers.Store(&h)
	return n.openSchemaDoor(ctx, b)
}

// openSchemaDoor binds schema.registry.listen. Kafka has no such port: where the default
// one is taken, by another registry say, that is a line and not the end of the start.
func (n *node) openSchemaDoor(ctx context.Context, b *config.Broker) error {
	const setting = "schema.registry.listen"
	cfg := httpd.Config{
		Setting: setting, Address: b.String(setting), ConnectionsMax: n.files.http, Logger: n.logger.Named("registry"),
		Root: n.policy(b).Wrap(n.schemas.mount("")),
	}
	n.schemas.door = httpd.New(cfg)
	err := n.schemas.door.Listen(ctx)
	if err == nil || n.settings.Given(setting) {
		return err
	}
	n.logger.Warn("the schema registry has no port of its own: the default one is taken", zap.Error(err),
		zap.String("instead", registryPrefix+" of http.listen"))
	cfg.Address = ""
	n.schemas.door = httpd.New(cfg)
	return nil
}

// keepDoor serves the registry's own port once its topic was read.
func (n *node) keepDoor(ctx context.Context) error {
	if !n.schemas.service.Await(ctx) {
		return nil
	}
	return n.schemas.door.Run(ctx)
}

// schemaNotes says why the registry answers nothing; that is no reason to send Kafka's
// clients elsewhere.
func (n *node) schemaNotes() []string {
	if err := n.schemas.service.Ready(); err != nil {
		return []string{err.Error()}
	}
	return nil
}

// build is what the binary was built from.
func build() (version, commit string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", ""
	}
	i := slices.IndexFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "vcs.revision" })
	if i >= 0 {
		commit = info.Settings[i].Value
	}
	return info.Main.Version, commit
}

// registryTopics answers the registry from the catalog and the log.
type registryTopics struct {
	catalog *catalog.Catalog
	log     *log.Log
	leaders leaders.Epochs
	name    string
	changed chan struct{}
}

func (t *registryTopics) listener() catalog.Listener {
	tell := func(topic *catalog.Topic) {
		if topic.Name != t.name {
			return
		}
		select {
		case t.changed <- struct{}{}:
		default: // told already
		}
	}
	return catalog.Listener{Created: tell, Deleted: tell, Changed: func(_, now *catalog.Topic) { tell(now) }}
}

// Changed implements registry.Topics.
func (t *registryTopics) Changed() <-chan struct{} { return t.changed }

// Find implements registry.Topics.
func (t *registryTopics) Find() (registry.Topic, bool) {
	found := t.catalog.ByName(t.name)
	if found == nil {
		return registry.Topic{}, false
	}
	return registry.Topic{
		ID: found.ID, Name: found.Name, Partitions: found.Partitions,
		Compact: found.Config.Compact, BatchMax: int(found.Config.MaxMessageBytes),
	}, true
}

// Create implements registry.Topics.
func (t *registryTopics) Create(ctx context.Context) error {
	compact := "compact"
	_, err := t.catalog.Create(ctx, catalog.Spec{
		Name: t.name, Partitions: 1, Replicas: -1, Configs: map[string]*string{"cleanup.policy": &compact},
	})
	var e *protocol.Error
	if errors.As(err, &e) && e.Code == protocol.TopicAlreadyExists {
		return nil
	}
	return err
}

// Open implements registry.Topics.
func (t *registryTopics) Open(ctx context.Context, of registry.Topic) (*topic.Partition, error) {
	id := pack.PartitionID{Topic: of.ID}
	epoch, ok := t.leaders.LeaderEpoch(id)
	if !ok {
		return nil, fmt.Errorf("topic %s: %w", of.Name, protocol.UnknownTopicOrPartition)
	}
	return topic.Open(ctx, t.log, id, epoch)
}
