package security

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// session is how long logins last in these tests.
const session = 3 * time.Second

// TestSessionStates: what is answered to a client that is logged in and has to log in anew.
func TestSessionStates(t *testing.T) {
	t.Parallel()
	b, _ := saslBroker(t, "connections.max.reauth.ms", fmt.Sprint(session.Milliseconds()))
	users(t, b, "alice", "bob")
	isKafka := b.Options().Kind == peers.Kafka
	begin := []step{{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(1, alice), "0", ""}}
	for name, c := range map[string]struct {
		wait  time.Duration // before the steps
		steps []step
	}{
		"again":             {0, []step{{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(1, alice), "0", ""}, {metadata(), "served", ""}}},
		"again, too soon":   {0, []step{{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(1, alice), "0", ""}, {handshake(1, "PLAIN"), "34", ""}, {metadata(), "served", ""}}},
		"too late":          {session + session/2, []step{{metadata(), "closed", ""}}},
		"late, but first":   {session + session/2, []step{{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(1, alice), "0", ""}, {metadata(), "served", ""}}},
		"as somebody else":  {0, []step{{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(1, "\x00admin\x00admin-secret"), "58 Cannot change principals during re-authentication from User.alice: User.admin", ""}, {metadata(), "closed", ""}}},
		"another mechanism": {0, []step{{handshake(1, "SCRAM-SHA-256"), "0 " + offered, ""}, {token(1, "n,,n=alice,r=x"), "58 SASL mechanism 'SCRAM-SHA-256' requested by client is not supported for re-authentication of mechanism 'PLAIN'", "closed"}}},
		"wrong password":    {0, []step{{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(1, "\x00alice\x00x"), wrong, ""}, {metadata(), "closed", ""}}},
		"broken message":    {0, []step{{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(1, "x"), "58 Invalid SASL/PLAIN response: expected 3 tokens, got 1", ""}}},
		"metadata within":   {0, []step{{handshake(1, "PLAIN"), "0 " + offered, ""}, {metadata(), "closed", "served"}}},
		"token at once":     {0, []step{{token(1, alice), "34 SaslAuthenticate request received after successful authentication", ""}, {metadata(), "served", ""}}},
		"unknown mechanism": {0, []step{{handshake(1, "GSSAPI"), "33 " + offered, "closed"}, {metadata(), "closed", ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := dialRaw(t, b.AddrOf("IN"))
			for i, s := range append(begin[:2:2], c.steps...) {
				if i == len(begin) {
					time.Sleep(c.wait)
				}
				want := s.want
				if isKafka && s.kafka != "" {
					want = s.kafka
				}
				if got := r.call(s.send); strings.TrimSpace(got) != strings.TrimSpace(want) {
					t.Errorf("frame %d: %q, want %q", i, got, want)
					return
				}
			}
		})
	}
}

// TestSessions: a client goes on over several sessions without an error, and who was
// removed is out by the end of the one that is open.
func TestSessions(t *testing.T) {
	t.Parallel()
	b, _ := saslBroker(t, "connections.max.reauth.ms", fmt.Sprint(session.Milliseconds()))
	users(t, b, "alice")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.AddrOf("IN")), kgo.SASL(scram.Auth{User: "alice", Pass: "alice-secret"}.AsSha512Mechanism()),
		kgo.AllowAutoTopicCreation(), kgo.RecordRetries(0), kgo.RequestRetries(0), kgo.DefaultProduceTopic("sessions"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, 1, 1, nil, "sessions"); err != nil {
		t.Fatal(err)
	}
	produced := 0
	for end := time.Now().Add(3 * session); time.Now().Before(end); produced++ {
		if err := cl.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr(); err != nil {
			t.Fatalf("record %d: %v", produced, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if produced < 20 {
		t.Errorf("%d records over three sessions", produced)
	}
	admin, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	gone, err := kadm.NewClient(admin).AlterUserSCRAMs(ctx, []kadm.DeleteSCRAM{
		{User: "alice", Mechanism: kadm.ScramSha512},
	}, nil)
	if err != nil || gone.Error() != nil {
		t.Fatal(err, gone.Error())
	}
	time.Sleep(session + time.Second)
	if err := cl.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr(); err == nil {
		t.Error("a user who was removed produces on after the end of the session")
	}
}
