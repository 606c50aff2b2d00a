package api_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// directory has the topics open and secret, of two partitions.
type directory struct{}

func (directory) ByName(name string) *catalog.Topic {
	t := &catalog.Topic{}
	t.Name, t.Partitions, t.ID = name, 2, pack.TopicID{name[0]}
	if name != "open" && name != "secret" {
		return nil
	}
	return t
}

func (d directory) ByID(id pack.TopicID) *catalog.Topic {
	switch id[0] {
	case 'o':
		return d.ByName("open")
	case 's':
		return d.ByName("secret")
	}
	return nil
}

// only lets its client read what is called open, and nothing else.
type only struct{}

func (only) MayAny(kmsg.ACLResourceType, kmsg.ACLOperation) bool { return false }

func (only) Denied(int16, kmsg.ACLResourceType, kmsg.ACLOperation, string) {}

func (only) Version() int64 { return 1 }

func (only) May(on kmsg.ACLResourceType, op kmsg.ACLOperation, name string) bool {
	return op == kmsg.ACLOperationRead && name == "open"
}

// TestTopicOfARequest: what a request names, who asks and what for decide on the code, in
// one place.
func TestTopicOfARequest(t *testing.T) {
	const read, write = kmsg.ACLOperationRead, kmsg.ACLOperationWrite
	for _, c := range []struct {
		what      string
		ref       api.Ref
		partition int32
		op        kmsg.ACLOperation
		anybody   protocol.Code // without rights
		client    protocol.Code // of one that may read open alone
	}{
		{"by name", api.Named("open"), 1, read, protocol.None, protocol.None},
		{"another operation", api.Named("open"), 1, write, protocol.None, protocol.TopicAuthorizationFailed},
		{"a topic that is there", api.Named("secret"), 0, read, protocol.None, protocol.TopicAuthorizationFailed},
		{"one that is not", api.Named("none"), 0, read, protocol.UnknownTopicOrPartition, protocol.TopicAuthorizationFailed},
		{"by id", api.Identified(pack.TopicID{'o'}), 0, read, protocol.None, protocol.None},
		{"another's id", api.Identified(pack.TopicID{'s'}), 0, read, protocol.None, protocol.TopicAuthorizationFailed},
		{"no id", api.Identified(pack.TopicID{'x'}), 0, read, protocol.UnknownTopicID, protocol.UnknownTopicID},
		{"no partition", api.Named("open"), 2, read, protocol.UnknownTopicOrPartition, protocol.UnknownTopicOrPartition},
		{"a negative one", api.Identified(pack.TopicID{'o'}), -1, read, protocol.UnknownTopicOrPartition, protocol.UnknownTopicOrPartition},
	} {
		for rights, want := range map[api.Rights]protocol.Code{nil: c.anybody, only{}: c.client} {
			r := &api.Request{Conn: &api.ConnInfo{Rights: rights}}
			got, code := r.TopicPartition(directory{}, c.ref, c.partition, c.op)
			if code != want || (got != nil) != (want == protocol.None) {
				t.Errorf("%s, rights %v: %v %v, want %v", c.what, rights, got, code, want)
			}
		}
	}
}

// TestOperations: the bits of KIP-430 are those of who asks.
func TestOperations(t *testing.T) {
	all := &api.Request{Conn: &api.ConnInfo{}}
	if topic, group, cluster := all.TopicOperations("x"), all.GroupOperations("x"), all.ClusterOperations(); topic != 0x0DF8 || group != 0x0D48 || cluster != 0x1FA0 {
		t.Errorf("%#x %#x %#x", topic, group, cluster)
	}
	one := &api.Request{Conn: &api.ConnInfo{Rights: only{}}}
	if topic, group, cluster := one.TopicOperations("open"), one.GroupOperations("x"), one.ClusterOperations(); topic != 1<<3 || group != 0 || cluster != 0 {
		t.Errorf("%#x %#x %#x", topic, group, cluster)
	}
	if all.Group("g", kmsg.ACLOperationRead) != protocol.None || one.Group("g", kmsg.ACLOperationRead) != protocol.GroupAuthorizationFailed {
		t.Error("groups")
	}
}
