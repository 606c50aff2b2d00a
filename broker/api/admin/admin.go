// Package admin has the handlers that need topics, settings and what is known of the
// cluster, one file per API key: what clients are told of them, and what administrators
// change.
package admin

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/metadata/features"
	"github.com/streamhouse/streamhouse/metadata/leaders"
	"github.com/streamhouse/streamhouse/protocol"
)

// Handlers has the handlers of the APIs that need topics, configs and the log, one
// method per key, each in a file of its own.
type Handlers struct {
	Node     *api.Node
	Leaders  leaders.Leaders
	Routes   *api.Routes
	Catalog  *catalog.Catalog
	Log      api.Log
	Features *features.Levels
	Dir      LogDir
	Loggers  Loggers
	Users    Users
	ACLs     ACLs // nil: there is no authorizer
	Now      func() time.Time
	Logger   *zap.Logger
}

// refuse puts an error into an answer's fields. What clients only see as an unknown
// error is logged here, since nobody else will.
func (c *Handlers) refuse(code *int16, message **string, err error) {
	known := api.CodeOf(err)
	*code, *message = int16(known), api.MessageOf(err)
	if known == protocol.UnknownServerError {
		c.Logger.Error("request failed", zap.Error(err))
	}
}

// needs says that the client may not do something with the cluster, or nil. Kafka's text
// has the whole request in it.
func needs(r *api.Request, op kmsg.ACLOperation) error {
	code := r.Cluster(op)
	if code == protocol.None {
		return nil
	}
	return protocol.Errorf(code, "Request needs %s permission.", op)
}
