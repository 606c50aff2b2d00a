package security

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// growthMiB is how much memory an attack before a login may cost.
const growthMiB = 64

// TestCVE_2022_34917: a thousand connections that declare 100 MiB before they log in, or
// never finish their handshake, cost little, are closed after a while, and keep nobody out.
func TestCVE_2022_34917(t *testing.T) {
	t.Parallel()
	b, ca := saslBroker(t)
	users(t, b, "alice")
	way := scram.Auth{User: "alice", Pass: "alice-secret"}.AsSha512Mechanism()
	if err := ping(t, b.AddrOf("OUT"), way, clientTLS(t, ca, nil)); err != nil {
		t.Fatal(err)
	}
	before := b.MemoryMiB(t, peers.Resident)
	const attackers = 200 // of each kind
	var conns []net.Conn
	for name, c := range map[string]struct {
		listener string
		sends    []byte
	}{
		"a frame of 100 MiB":       {"IN", append(binary.BigEndian.AppendUint32(nil, 100<<20), 0)},
		"half a frame":             {"IN", []byte{0, 0, 2, 0, 0}},
		"nothing":                  {"IN", nil},
		"half a TLS record":        {"OUT", []byte{0x16, 3, 1, 0x3f, 0xff, 1}},
		"nothing where TLS begins": {"OUT", nil},
	} {
		for range attackers {
			conn, err := net.Dial("tcp", b.AddrOf(c.listener))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			defer conn.Close()
			// One that is refused already is what is wanted.
			_, _ = conn.Write(c.sends)
			conns = append(conns, conn)
		}
	}
	if len(conns) < 1000 {
		t.Fatalf("%d connections", len(conns))
	}
	if err := ping(t, b.AddrOf("OUT"), way, clientTLS(t, ca, nil)); err != nil {
		t.Errorf("beside the attack: %v", err)
	}
	if now := b.MemoryMiB(t, peers.Resident); now-before > growthMiB {
		t.Errorf("%d MiB more", now-before)
	}
	for _, conn := range conns {
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil && ended(err) == "nothing" {
			t.Fatal("a connection that never logged in is open after half a minute")
		}
	}
}

// TestCVE_2026_111115: a million tagged fields in a header, before a login, are refused
// without memory for them.
func TestCVE_2026_111115(t *testing.T) {
	t.Parallel()
	b, _ := saslBroker(t)
	before := b.MemoryMiB(t, peers.Resident)
	for name, same := range map[string]bool{"distinct": false, "repeated": true} {
		frame := []byte{0, 18, 0, 3, 0, 0, 0, 1, 0, 1, 'x'} // ApiVersions 3
		frame = binary.AppendUvarint(frame, 1_000_000)
		for i := uint64(0); len(frame) < 500<<10; i++ {
			if same {
				i = 5
			}
			frame = binary.AppendUvarint(frame, i)
			frame = append(frame, 0)
		}
		for range 20 {
			r := dialRaw(t, b.AddrOf("IN"))
			r.send(frame)
			if _, err := r.receive(); err == nil {
				t.Fatalf("%s: answered", name)
			}
		}
	}
	if now := b.MemoryMiB(t, peers.Resident); now-before > growthMiB {
		t.Errorf("%d MiB more", now-before)
	}
}

// TestReload: on SIGHUP the broker goes on, connections stay, and new ones see the new
// certificate; a broken file keeps the one before.
func TestReload(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "ca")
	dir := t.TempDir()
	key := file(t, dir, "broker.pem", ca.issue(t, pkix.Name{CommonName: "broker"}))
	b := start(t, peers.Options{Listeners: map[string]string{"OUT": "SSL"}, Settings: map[string]string{"ssl.keystore.location": key}})
	shown := func() string {
		conn, err := tls.Dial("tcp", b.AddrOf("OUT"), clientTLS(t, ca, nil))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	hangUp := func() {
		if err := syscall.Kill(b.PID(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.AddrOf("OUT")), kgo.DialTLSConfig(clientTLS(t, ca, nil)), kgo.AllowAutoTopicCreation(),
		kgo.DefaultProduceTopic("reload"), kgo.RequestRetries(0), kgo.RecordRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, nil, "reload"); err != nil {
		t.Fatal(err)
	}
	stop, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(failed)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := cl.ProduceSync(context.Background(), kgo.StringRecord("x")).FirstErr(); err != nil {
				failed <- err
				return
			}
		}
	}()
	old := shown()
	renewed := ca.issue(t, pkix.Name{CommonName: "broker"})
	block, _ := pem.Decode(renewed[bytes.LastIndex(renewed, []byte("-----BEGIN")):])
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	file(t, dir, "broker.pem", renewed)
	hangUp()
	for deadline := time.Now().Add(30 * time.Second); shown() != cert.SerialNumber.String(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still certificate %s", shown())
		}
	}
	if old == cert.SerialNumber.String() {
		t.Fatal("the same certificate")
	}
	file(t, dir, "broker.pem", renewed[:len(renewed)/2])
	hangUp()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(b.LogTail(1<<20), "the old ones stay"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is said about half a file")
		}
	}
	if shown() != cert.SerialNumber.String() {
		t.Error("half a file changed something")
	}
	close(stop)
	if err := <-failed; err != nil {
		t.Errorf("a connection did not outlive a reload: %v", err)
	}
}

// TestCVE_2026_33558: no secret is in logs at debug, in metrics, in described settings or in
// what --print-config shows.
func TestCVE_2026_33558(t *testing.T) {
	t.Parallel()
	const marked = "hunter2"
	ca := newAuthority(t, "ca")
	pair := ca.issue(t, pkix.Name{CommonName: "broker"})
	at := bytes.Index(pair, []byte("-----BEGIN CERTIFICATE"))
	set := settings("IN", "sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-512",
		"plain.sasl.jaas.config", `org.apache.kafka.common.security.plain.PlainLoginModule required username="`+marked+`" password="`+marked+`" user_alice="`+marked+`";`)
	maps.Copy(set, map[string]string{"ssl.keystore.key": string(pair[:at]), "ssl.keystore.certificate.chain": string(pair[at:]), "ssl.key.password": marked, "log.level": "debug"})
	b := start(t, peers.Options{Listeners: map[string]string{"IN": "SASL_PLAINTEXT", "OUT": "SSL"}, Settings: set})
	users(t, b, marked) // whose password is hunter2-secret; the name is no secret
	for _, password := range []string{marked, marked + "x"} {
		err := ping(t, b.AddrOf("IN"), plain.Auth{User: "alice", Pass: password}.AsMechanism(), nil)
		if (err == nil) != (password == marked) {
			t.Errorf("%s: %v", password, err)
		}
	}
	for _, way := range logins("alice", marked) {
		_ = ping(t, b.AddrOf("IN"), way, nil) // refused
	}
	r := dialRaw(t, b.AddrOf("IN"))
	for _, req := range []string{"\x00" + marked, "\x00a\x00" + marked + "\x00c"} {
		_ = r.call(handshake(1, "PLAIN"))
		_ = r.call(token(1, req))
		r = dialRaw(t, b.AddrOf("IN"))
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	described, err := kadm.NewClient(cl).DescribeBrokerConfigs(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	configs, err := json.Marshal(described)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(configs), "plain.sasl.jaas.config") {
		t.Error("the line for PLAIN is not among the settings")
	}
	resp, err := http.Get(b.HTTP() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var args []string
	for name, value := range set {
		args = append(args, "--"+name+"="+value)
	}
	printed, err := streamhouse(t, "", append([]string{"server", "--print-config", "--listeners", "IN://:1,OUT://:2", "--listener.security.protocol.map", "IN:SASL_PLAINTEXT,OUT:SSL"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	secretKey := strings.Split(string(pair[:at]), "\n")[1]
	for where, text := range map[string]string{"the log": b.LogTail(64 << 20), "settings": string(configs), "metrics": string(metrics), "--print-config": printed} {
		if len(text) < 1000 {
			t.Errorf("%s: only %d bytes", where, len(text))
		}
		if strings.Contains(text, marked) || strings.Contains(text, secretKey) {
			t.Errorf("%s has a secret", where)
		}
	}
}
