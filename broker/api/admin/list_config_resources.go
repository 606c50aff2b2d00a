package admin

import (
	"context"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/protocol"
)

// ListConfigResources (key 74), versions 0 and 1.
//
//	0  as ListClientMetricsResources: the client metrics subscriptions (KIP-714)
//	1  any types (KIP-1142); none named is all
//
// Topics, the broker and its loggers always are; subscriptions and groups are when
// something is set for them.

// configTypes are the types of resources, in the order of the answer.
var configTypes = []int8{catalog.TypeGroup, catalog.TypeClientMetrics, catalog.TypeBrokerLogger, catalog.TypeBroker, catalog.TypeTopic}

// ListConfigResources names what DescribeConfigs can be asked about.
func (c *Handlers) ListConfigResources(_ context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.ListConfigResourcesRequest)
	resp := kmsg.NewPtrListConfigResourcesResponse()
	resp.ConfigResources = []kmsg.ListConfigResourcesResponseConfigResource{}
	if code := r.Cluster(kmsg.ACLOperationDescribeConfigs); code != protocol.None {
		resp.ErrorCode = int16(code)
		return resp, nil
	}
	types := req.ResourceTypes
	switch {
	case r.Version == 0:
		types = []int8{catalog.TypeClientMetrics}
	case len(types) == 0:
		types = configTypes
	}
	for _, t := range types {
		if !slices.Contains(configTypes, t) {
			resp.ErrorCode = int16(protocol.UnsupportedVersion)
			return resp, nil
		}
	}
	for _, t := range configTypes {
		if !slices.Contains(types, t) {
			continue
		}
		for _, name := range c.configured(t) {
			e := kmsg.NewListConfigResourcesResponseConfigResource()
			e.Name, e.Type = name, t
			resp.ConfigResources = append(resp.ConfigResources, e)
		}
	}
	return resp, nil
}

func (c *Handlers) configured(resourceType int8) []string {
	snapshot := c.Catalog.Snapshot()
	switch resourceType {
	case catalog.TypeBroker, catalog.TypeBrokerLogger:
		return []string{strconv.Itoa(int(c.Node.ID))}
	case catalog.TypeTopic:
		topics := snapshot.Topics()
		names := make([]string, len(topics))
		for i, t := range topics {
			names[i] = t.Name
		}
		return names
	}
	names := snapshot.Configured(resourceType)
	slices.Sort(names)
	return names
}
