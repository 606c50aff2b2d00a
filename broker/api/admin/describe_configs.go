package admin

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/protocol"
)

// DescribeConfigs (key 32), versions 1 to 4.
//
//	1  sources and synonyms (KIP-226)
//	3  types and documentation (KIP-569)
//	4  flexible
//
// Topics, the broker, all brokers (""), its loggers, client metrics subscriptions and
// groups have configs.

// DescribeConfigs shows settings.
func (c *Handlers) DescribeConfigs(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.DescribeConfigsRequest)
	resp := kmsg.NewPtrDescribeConfigsResponse()
	resp.Resources = []kmsg.DescribeConfigsResponseResource{}
	var repeats api.Repeats[metadata.Resource]
	var denied []kmsg.DescribeConfigsResponseResource
	for i := range req.Resources {
		want := &req.Resources[i]
		if err := repeats.Name(resource(want.ResourceType, want.ResourceName)); err != nil {
			return nil, err
		}
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName = want.ResourceType, want.ResourceName
		out.Configs = []kmsg.DescribeConfigsResponseResourceConfig{}
		if code := mayConfig(r, want.ResourceType, want.ResourceName, kmsg.ACLOperationDescribeConfigs); code != protocol.None {
			told := textOf(code)
			out.ErrorCode, out.ErrorMessage = int16(code), &told
			denied = append(denied, out)
			continue
		}
		entries, err := c.describe(resource(want.ResourceType, want.ResourceName), want.ConfigNames)
		out.ErrorMessage = new(string) // "" unless there is one, as in Kafka
		if err != nil {
			c.refuse(&out.ErrorCode, &out.ErrorMessage, err)
		}
		for j := range entries {
			if err := r.Bill.Add(r.Waits(ctx), entryMemory(&entries[j])); err != nil {
				return nil, err
			}
			out.Configs = append(out.Configs, describeEntry(&entries[j], req))
		}
		resp.Resources = append(resp.Resources, out)
	}
	resp.Resources = append(resp.Resources, denied...) // behind the others, as in Kafka
	return resp, nil
}

// mayConfig says whether a client may do something with the settings of a resource: NONE,
// or what is answered instead. What is no such resource is for others to say.
func mayConfig(r *api.Request, kind kmsg.ConfigResourceType, name string, op kmsg.ACLOperation) protocol.Code {
	switch int8(kind) {
	case catalog.TypeTopic:
		if !r.May(kmsg.ACLResourceTypeTopic, op, name) {
			return protocol.TopicAuthorizationFailed
		}
	case catalog.TypeGroup:
		return r.Group(name, op)
	case catalog.TypeBroker, catalog.TypeBrokerLogger, catalog.TypeClientMetrics:
		return r.Cluster(op)
	}
	return protocol.None
}

func (c *Handlers) describe(r metadata.Resource, keys []string) ([]config.Entry, error) {
	if r.Type == catalog.TypeBrokerLogger {
		return c.describeLoggers(r.Name, keys)
	}
	return c.Catalog.Describe(r, keys)
}

// entryMemory is about what an entry takes in an answer, decoded and encoded.
func entryMemory(e *config.Entry) int { return 256 + 2*len(e.Doc) + 192*len(e.Synonyms) }

func describeEntry(e *config.Entry, req *kmsg.DescribeConfigsRequest) kmsg.DescribeConfigsResponseResourceConfig {
	o := kmsg.NewDescribeConfigsResponseResourceConfig()
	o.Name, o.Value, o.ReadOnly, o.IsSensitive = e.Name, e.Value, e.ReadOnly, e.Sensitive
	o.Source, o.ConfigType = kmsg.ConfigSource(e.Source), kmsg.ConfigType(e.Type)
	o.IsDefault = e.Source == config.SourceDefault
	o.ConfigSynonyms = []kmsg.DescribeConfigsResponseResourceConfigConfigSynonym{}
	if req.IncludeSynonyms {
		for _, s := range e.Synonyms {
			y := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
			y.Name, y.Value, y.Source = s.Name, s.Value, kmsg.ConfigSource(s.Source)
			o.ConfigSynonyms = append(o.ConfigSynonyms, y)
		}
	}
	if req.IncludeDocumentation || e.Source == config.SourceBrokerLogger { // "" for these, asked or not
		o.Documentation = &e.Doc
	}
	return o
}
