package config

import (
	"testing"

	"github.com/streamhouse/streamhouse/protocol"
)

// The answers are those of Apache Kafka 4.4.
func TestAlterClientMetrics(t *testing.T) {
	for _, c := range []struct {
		name, value string
		kind        OpKind
		code        protocol.Code
		message     string
	}{
		{"interval.ms", "100", Set, 0, ""},
		{"interval.ms", " 3600000 ", Set, 0, ""},
		{"interval.ms", "99", Set, protocol.InvalidRequest, "Invalid value 99 for interval.ms, interval must be between 100 and 3600000 (1 hour)"},
		{"interval.ms", "3600001", Set, protocol.InvalidRequest, "Invalid value 3600001 for interval.ms, interval must be between 100 and 3600000 (1 hour)"},
		{"interval.ms", "", Set, protocol.InvalidConfig, "Invalid value  for configuration interval.ms: Not a number of type INT"},
		{"metrics", "", Set, 0, ""},
		{"metrics", "a,a, b ", Set, 0, ""},
		{"metrics", "a,,b", Set, protocol.InvalidConfig, "Configuration 'metrics' values must not be empty."},
		{"metrics", "b", Append, protocol.InvalidConfig, "Can't APPEND to key metrics because its type is not LIST."},
		{"match", "", Set, 0, ""},
		{"match", " client_id = a.* ,client_id=b", Set, 0, ""},
		{"match", "client_source_port=1,client_source_address=1,client_instance_id=x,client_software_version=y,client_software_name=z", Set, 0, ""},
		{"match", "client_id=a,,client_id=b", Set, protocol.InvalidConfig, "Configuration 'match' values must not be empty."},
		{"match", "client_id", Set, protocol.InvalidConfig, "Illegal client matching pattern: client_id"},
		{"match", "client_id=", Set, protocol.InvalidConfig, "Illegal client matching pattern: client_id="},
		{"match", "CLIENT_ID=a", Set, protocol.InvalidConfig, "Illegal client matching pattern: CLIENT_ID=a"},
		{"match", "client_id=a=b", Set, protocol.InvalidConfig, "Illegal client matching pattern: client_id=a=b"},
		{"match", "client_id=[a", Set, protocol.InvalidConfig, "Illegal client matching pattern: client_id=[a"},
		{"match", "client_id=(?=a)b", Set, protocol.InvalidConfig, "Illegal client matching pattern: client_id=(?=a)b"},
		{"no.such", "1", Set, protocol.InvalidRequest, "Unknown client metrics configuration: no.such"},
	} {
		next, err := AlterClientMetrics(map[string]string{}, []Op{{Name: c.name, Kind: c.kind, Value: &c.value}})
		refused, isError := err.(*protocol.Error)
		switch {
		case c.code == 0 && (err != nil || next[c.name] != c.value):
			t.Errorf("%s=%q: %v, %v", c.name, c.value, next, err)
		case c.code != 0 && (!isError || refused.Code != c.code || refused.Message != c.message):
			t.Errorf("%s=%q: %v", c.name, c.value, err)
		}
	}
}

func TestDescribeClientMetrics(t *testing.T) {
	entries := DescribeClientMetrics(map[string]string{"interval.ms": " 0500 "}, nil)
	if len(entries) != 3 {
		t.Fatalf("%+v", entries)
	}
	set, unset := entries[0], entries[1]
	if *set.Value != "500" || set.Source != SourceClientMetrics || len(set.Synonyms) != 1 || set.ReadOnly {
		t.Errorf("%+v", set)
	}
	if *unset.Value != "" || unset.Source != SourceDefault || len(unset.Synonyms) != 0 || unset.Type != List {
		t.Errorf("%+v", unset)
	}
	if only := DescribeClientMetrics(nil, []string{"match", "no.such"}); len(only) != 1 || only[0].Name != "match" {
		t.Errorf("%+v", only)
	}
}
