package security

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// as is a client of a user of plainLine.
func as(t *testing.T, b *peers.Broker, user, password string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(b.AddrOf("IN")), kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism()),
		kgo.RequestRetries(2), kgo.RetryTimeout(patience), kgo.RecordDeliveryTimeout(patience), kgo.MetadataMinAge(50 * time.Millisecond),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// acl runs kafka-acls as the administrator.
func acl(t *testing.T, b *peers.Broker, properties string, args ...string) string {
	t.Helper()
	java, err := peers.KafkaTools(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), programMax)
	defer cancel()
	args = append([]string{"--bootstrap-server", b.AddrOf("IN"), "--command-config", properties}, args...)
	out, err := java.Command("org.apache.kafka.tools.AclCommand", 96, args...).Run(ctx, "")
	if err != nil {
		t.Fatalf("kafka-acls %v: %v\n%s", args, err, out)
	}
	return out
}

// TestACLs: who has no right is told so; rights given by kafka-acls and by a client act at
// once on connections that stand, a denial goes before what allows, and all of it is there
// after a kill -9.
func TestACLs(t *testing.T) {
	set := settings("IN", "sasl.enabled.mechanisms", "PLAIN", "plain.sasl.jaas.config", plainLine)
	set["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
	set["super.users"] = "User:admin"
	b := start(t, peers.Options{Listeners: map[string]string{"IN": "SASL_PLAINTEXT"}, Settings: set})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	properties := file(t, t.TempDir(), "admin.properties", fmt.Append(nil, "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n"+
		"sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"admin\" password=\"admin-secret\";\n"))
	admin := kadm.NewClient(as(t, b, "admin", "admin-secret"))
	if _, err := admin.CreateTopics(ctx, 1, 1, nil, "orders", "other"); err != nil {
		t.Fatal(err)
	}
	alice := as(t, b, "alice", "alice secret", kgo.DefaultProduceTopic("orders"))
	asked := kadm.NewClient(alice)
	produces := func() error { return alice.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr() }
	reads := func() error {
		ends, err := asked.ListEndOffsets(ctx, "orders")
		if err == nil {
			err = ends.Error()
		}
		return err
	}
	want := func(what string, err error, code *kerr.Error) {
		t.Helper()
		if code == nil && err != nil || code != nil && !errors.Is(err, code) {
			t.Errorf("%s: %v, want %v", what, err, code)
		}
	}
	topics := func() string {
		listed, err := asked.ListTopics(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(listed.Names(), " ")
	}
	if got := topics(); got != "" {
		t.Errorf("alice may describe nothing, and sees %s", got)
	}
	want("a produce without a right", produces(), kerr.TopicAuthorizationFailed)
	want("a look without a right", reads(), kerr.TopicAuthorizationFailed)
	made, err := asked.CreateACLs(ctx, kadm.NewACLs().Allow("User:alice").Topics("other").Operations(kadm.OpRead))
	if err == nil && len(made) == 1 {
		err = made[0].Err
	}
	want("a right for herself", err, kerr.ClusterAuthorizationFailed)
	created, err := asked.CreateTopic(ctx, 1, 1, nil, "hers")
	if err == nil {
		err = created.Err
	}
	want("a topic", err, kerr.TopicAuthorizationFailed)

	acl(t, b, properties, "--add", "--allow-principal", "User:alice", "--operation", "Write", "--topic", "ord", "--resource-pattern-type", "prefixed")
	want("a produce with a right to a prefix", produces(), nil)
	want("a look, which Write implies", reads(), nil)
	if got := topics(); got != "orders" {
		t.Errorf("alice sees %q", got)
	}

	consumer := as(t, b, "alice", "alice secret", kgo.ConsumeTopics("orders"), kgo.ConsumerGroup("g"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	polled := func(bound time.Duration) (n int, err error) {
		waiting, cancel := context.WithTimeout(ctx, bound)
		defer cancel()
		for n == 0 && waiting.Err() == nil {
			fetched := consumer.PollFetches(waiting)
			n += fetched.NumRecords()
			for _, e := range fetched.Errors() {
				if errors.Is(e.Err, kerr.GroupAuthorizationFailed) || errors.Is(e.Err, kerr.TopicAuthorizationFailed) {
					return n, e.Err
				}
			}
		}
		return n, nil
	}
	n, err := polled(20 * time.Second)
	want("a group without a right", err, kerr.GroupAuthorizationFailed)
	if n > 0 {
		t.Errorf("%d records read without a right", n)
	}
	for _, rights := range []*kadm.ACLBuilder{
		kadm.NewACLs().Allow("User:alice").Groups("g").Operations(kadm.OpRead).ResourcePatternType(kadm.ACLPatternLiteral),
		kadm.NewACLs().Allow("User:alice").Topics("orders").Operations(kadm.OpRead).ResourcePatternType(kadm.ACLPatternLiteral),
	} {
		if _, err := admin.CreateACLs(ctx, rights); err != nil {
			t.Fatal(err)
		}
	}
	consumer.Close()
	consumer = as(t, b, "alice", "alice secret", kgo.ConsumeTopics("orders"), kgo.ConsumerGroup("g"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if n, err := polled(30 * time.Second); err != nil || n == 0 {
		t.Errorf("%d records, %v", n, err)
	}

	denied := kadm.NewACLs().Deny("User:*").DenyHosts("127.0.0.0/8").Topics("orders").Operations(kadm.OpWrite).ResourcePatternType(kadm.ACLPatternLiteral)
	if _, err := admin.CreateACLs(ctx, denied); err != nil {
		t.Fatal(err)
	}
	want("a produce that is denied to all of this network", produces(), kerr.TopicAuthorizationFailed)
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := b.Start(ctx); err != nil {
		t.Fatal(err)
	}
	want("the same after a kill", produces(), kerr.TopicAuthorizationFailed)
	if gone, err := admin.DeleteACLs(ctx, denied); err != nil || len(gone) != 1 || len(gone[0].Deleted) != 1 {
		t.Fatalf("%+v, %v", gone, err)
	}
	want("a produce once the denial is gone", produces(), nil)
	listed := acl(t, b, properties, "--list")
	for _, line := range []string{"patternType=PREFIXED", "(principal=User:alice, host=*, operation=WRITE, permissionType=ALLOW)", "resourceType=GROUP, name=g"} {
		if !strings.Contains(listed, line) {
			t.Errorf("kafka-acls --list has no %s:\n%s", line, listed)
		}
	}
	if strings.Contains(listed, "DENY") {
		t.Errorf("kafka-acls --list has what was deleted:\n%s", listed)
	}
}
