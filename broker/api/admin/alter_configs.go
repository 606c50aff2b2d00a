package admin

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata"
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
			err = c.Catalog.Replace(ctx, res, ops, req.ValidateOnly)
		}
		out := kmsg.NewAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = want.ResourceType, want.ResourceName
		c.refuse(&out.ErrorCode, &out.ErrorMessage, err)
		resp.Resources = append(resp.Resources, out)
	}
	return resp, nil
}

var errRepeated = protocol.Errorf(protocol.InvalidRequest, "Each resource must appear at most once.")
