package admin_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/protocol"
)

// The codes and texts are those of Apache Kafka 4.4, but for the loggers' names.
func TestBrokerLoggers(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	c := b.Dial()
	const kind = kmsg.ConfigResourceType(8)
	describe := func(version int16, name string, keys ...string) kmsg.DescribeConfigsResponseResource {
		req := kmsg.NewPtrDescribeConfigsRequest()
		req.Version, req.IncludeSynonyms = version, true
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName, r.ConfigNames = kind, name, keys
		req.Resources = append(req.Resources, r)
		return c.Call(req).(*kmsg.DescribeConfigsResponse).Resources[0]
	}
	type op struct {
		logger string
		kind   kmsg.IncrementalAlterConfigOp
		level  string
	}
	alter := func(validate bool, name string, ops ...op) kmsg.IncrementalAlterConfigsResponseResource {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		req.Version, req.ValidateOnly = 1, validate
		r := kmsg.NewIncrementalAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName = kind, name
		for _, o := range ops {
			k := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			k.Name, k.Op, k.Value = o.logger, o.kind, &o.level
			if o.level == "" {
				k.Value = nil
			}
			r.Configs = append(r.Configs, k)
		}
		req.Resources = append(req.Resources, r)
		return c.Call(req).(*kmsg.IncrementalAlterConfigsResponse).Resources[0]
	}
	level := func(logger, want string) {
		t.Helper()
		got := describe(4, "1", logger)
		if len(got.Configs) != 1 || *got.Configs[0].Value != want {
			t.Errorf("%s: %+v, want %s", logger, got.Configs, want)
		}
	}
	apitest.Versions(t, protocol.KeyDescribeConfigs, func(t *testing.T, version int16) {
		all := describe(version, "1")
		if all.ErrorCode != 0 || len(all.Configs) != 2 || all.Configs[0].Name != "root" {
			t.Fatalf("%+v", all)
		}
		if e := all.Configs[0]; e.Source != 6 || e.ReadOnly || e.ConfigType != 0 || len(e.ConfigSynonyms) != 0 || (version >= 3) != (e.Documentation != nil) {
			t.Errorf("%+v", e)
		}
	})
	for name, want := range map[string]string{
		"": "Broker id must not be empty", "x": "Broker id must be an integer, but it is: x", "2": "Unexpected broker id, expected 1 but received 2",
	} {
		if got := describe(4, name); got.ErrorCode != int16(protocol.InvalidRequest) || *got.ErrorMessage != want {
			t.Errorf("%q: %+v %s", name, got, *got.ErrorMessage)
		}
	}
	for _, x := range []struct {
		name    string
		op      op
		code    protocol.Code
		message string
	}{
		{"", op{"root", 0, "INFO"}, protocol.InvalidRequest, "Node id must be an integer, but it is: "},
		{"2", op{"root", 0, "INFO"}, protocol.InvalidRequest, "Unexpected node id. Expected 1, but received 2"},
		{"1", op{"none", 0, "INFO"}, protocol.InvalidConfig, "Logger none does not exist!"},
		{"1", op{"root", 0, "debug"}, protocol.InvalidConfig, "Cannot set the log level of root to debug as it is not a supported log level. Valid log levels are DEBUG, INFO"},
		{"1", op{"root", 1, ""}, protocol.InvalidRequest, "Removing the log level of the root logger is not allowed"},
		{"1", op{"none", 1, ""}, protocol.InvalidConfig, "Logger none does not exist!"},
		{"1", op{"root", 2, "INFO"}, protocol.InvalidRequest, "APPEND operation is not allowed for the BROKER_LOGGER resource"},
		{"1", op{"root", 9, "INFO"}, protocol.InvalidRequest, "Unknown operation type 9 is not allowed for the BROKER_LOGGER resource"},
		{"1", op{"root", 0, ""}, protocol.InvalidRequest, "Null value not supported for : root"},
	} {
		got := alter(false, x.name, op{"log", 0, "DEBUG"}, x.op)
		if protocol.Code(got.ErrorCode) != x.code || text(got.ErrorMessage) != x.message {
			t.Errorf("%+v: %v %q", x, protocol.Code(got.ErrorCode), text(got.ErrorMessage))
		}
	}
	level("log", "INFO") // all ops of a request, or none
	apitest.Is(t, "validate", alter(true, "1", op{"log", 0, "DEBUG"}).ErrorCode, protocol.None)
	level("log", "INFO")
	apitest.Is(t, "set", alter(false, "1", op{"log", 0, "DEBUG"}).ErrorCode, protocol.None)
	level("log", "DEBUG")
	level("root", "INFO")
	apitest.Is(t, "unset", alter(false, "1", op{"log", 1, ""}).ErrorCode, protocol.None)
	level("log", "INFO")
	old := kmsg.NewPtrAlterConfigsRequest()
	old.Version = 2
	r := kmsg.NewAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kind, "1"
	old.Resources = append(old.Resources, r)
	if got := c.Call(old).(*kmsg.AlterConfigsResponse).Resources[0]; text(got.ErrorMessage) != "Unknown resource type 8" {
		t.Errorf("%+v", got)
	}
}
