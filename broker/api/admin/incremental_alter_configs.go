package admin

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/catalog"
)

// IncrementalAlterConfigs (key 44), versions 0 and 1 (KIP-339): 1 is flexible. All
// changes of a resource are done or none.

// IncrementalAlterConfigs changes single settings.
func (c *Handlers) IncrementalAlterConfigs(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.IncrementalAlterConfigsRequest)
	resp := kmsg.NewPtrIncrementalAlterConfigsResponse()
	resp.Resources = []kmsg.IncrementalAlterConfigsResponseResource{}
	repeated := api.Twice(req.Resources, func(w *kmsg.IncrementalAlterConfigsRequestResource) metadata.Resource {
		return resource(w.ResourceType, w.ResourceName)
	})
	for i := range req.Resources {
		want := &req.Resources[i]
		res := resource(want.ResourceType, want.ResourceName)
		ops := make([]config.Op, len(want.Configs))
		for j := range ops {
			w := &want.Configs[j]
			ops[j] = config.Op{Name: w.Name, Kind: config.OpKind(w.Op), Value: w.Value}
		}
		err := error(errRepeated)
		if !repeated[res] {
			if err = c.mayAlter(r, res, ops); err == nil {
				err = c.alter(ctx, res, ops, req.ValidateOnly)
			}
		}
		out := kmsg.NewIncrementalAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = want.ResourceType, want.ResourceName
		c.refuse(&out.ErrorCode, &out.ErrorMessage, err)
		resp.Resources = append(resp.Resources, out)
	}
	return resp, nil
}

func (c *Handlers) alter(ctx context.Context, r metadata.Resource, ops []config.Op, validateOnly bool) error {
	if r.Type == catalog.TypeBrokerLogger {
		return c.alterLoggers(r.Name, ops, validateOnly)
	}
	return c.Catalog.Alter(ctx, r, ops, validateOnly)
}
