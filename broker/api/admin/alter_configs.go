package admin

import (
	"context"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/protocol"
)

// AlterConfigs (key 33), versions 0 to 2: 2 is flexible. It replaces the whole set of
// a resource: what is not named goes back to its default.

// AlterConfigs replaces settings.
func (c *Handlers) AlterConfigs(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.AlterConfigsRequest)
	resp := kmsg.NewPtrAlterConfigsResponse()
	resp.Resources = []kmsg.AlterConfigsResponseResource{}
	repeated := api.Twice(req.Resources, func(w *kmsg.AlterConfigsRequestResource) metadata.Resource {
		return resource(w.ResourceType, w.ResourceName)
	})
	for i := range req.Resources {
		want := &req.Resources[i]
		res := resource(want.ResourceType, want.ResourceName)
		ops := make([]config.Op, len(want.Configs))
		for j := range ops {
			ops[j] = config.Op{Name: want.Configs[j].Name, Kind: config.Set, Value: want.Configs[j].Value}
		}
		err := error(errRepeated)
		if !repeated[res] {
			if err = c.mayAlter(r, res, ops); err == nil {
				err = c.Catalog.Replace(ctx, res, ops, req.ValidateOnly)
			}
		}
		out := kmsg.NewAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = want.ResourceType, want.ResourceName
		c.refuse(&out.ErrorCode, &out.ErrorMessage, err)
		resp.Resources = append(resp.Resources, out)
	}
	return resp, nil
}

var errRepeated = protocol.Errorf(protocol.InvalidRequest, "Each resource must appear at most once.")

// mayAlter says why a client may not change settings of a resource, or nil. Changes that
// are refused whoever asks pass, to be told why: those without a value, and those of another
// broker.
func (c *Handlers) mayAlter(r *api.Request, res metadata.Resource, ops []config.Op) error {
	if res.Type == catalog.TypeBroker || res.Type == catalog.TypeBrokerLogger {
		if res.Name != "" && res.Name != strconv.Itoa(int(c.Node.ID)) {
			return nil
		}
	}
	for i := range ops {
		if ops[i].Value == nil && ops[i].Kind != config.Delete {
			return nil
		}
	}
	if code := mayConfig(r, kmsg.ConfigResourceType(res.Type), res.Name, kmsg.ACLOperationAlterConfigs); code != protocol.None {
		return protocol.Errorf(code, "%s", textOf(code))
	}
	return nil
}

// textOf is Kafka's text for what a client may not do, where that is said.
func textOf(code protocol.Code) string {
	switch code {
	case protocol.TopicAuthorizationFailed:
		return "Topic authorization failed."
	case protocol.GroupAuthorizationFailed:
		return "Group authorization failed."
	}
	return "Cluster authorization failed."
}
