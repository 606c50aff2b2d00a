package security

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/tests/peers"
)

// raw speaks to a listener frame by frame.
type raw struct {
	t    *testing.T
	conn net.Conn
}

func dialRaw(t *testing.T, addr string) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &raw{t, conn}
}

// send writes a frame as it is.
func (r *raw) send(frame []byte) {
	// A connection that the broker has closed shows when it is read.
	_, _ = r.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...))
}

// receive reads a frame.
func (r *raw) receive() ([]byte, error) {
	if err := r.conn.SetReadDeadline(time.Now().Add(15 * time.Second)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(r.conn, size[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(r.conn, frame)
	return frame, err
}

// call sends a request and says what came: "closed", or code and text.
func (r *raw) call(req kmsg.Request) string {
	if bare, ok := req.(*bareToken); ok {
		r.send(bare.token)
		frame, err := r.receive()
		if err != nil {
			return ended(err)
		}
		return fmt.Sprintf("bare %d", len(frame))
	}
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("raw")).AppendRequest(nil, req, 7)
	r.send(frame[4:])
	answer, err := r.receive()
	if err != nil {
		return ended(err)
	}
	resp := req.ResponseKind()
	version := req.GetVersion()
	if req.Key() == protocol.KeyApiVersions && version > 5 {
		version = 0
	}
	resp.SetVersion(version)
	header := 4
	if protocol.ResponseHeaderVersion(req.Key(), version) >= 1 {
		header = 5
	}
	if err := resp.ReadFrom(answer[header:]); err != nil {
		return err.Error()
	}
	switch resp := resp.(type) {
	case *kmsg.ApiVersionsResponse:
		return fmt.Sprint(resp.ErrorCode)
	case *kmsg.SASLHandshakeResponse:
		slices.Sort(resp.SupportedMechanisms) // Kafka's order is that of a hash map
		return fmt.Sprint(resp.ErrorCode, " ", strings.Join(resp.SupportedMechanisms, ","))
	case *kmsg.SASLAuthenticateResponse:
		text := ""
		if resp.ErrorMessage != nil {
			text = *resp.ErrorMessage
		}
		return strings.TrimSpace(fmt.Sprint(resp.ErrorCode, " ", text))
	case *kmsg.MetadataResponse:
		return "served"
	}
	return fmt.Sprintf("%T", resp)
}

func ended(err error) string {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) {
		return "nothing"
	}
	return "closed"
}

// bareToken is a token without a header, as after a handshake of version 0.
type bareToken struct {
	kmsg.Request
	token []byte
}

func versions(v int16) kmsg.Request {
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = v, "raw", "1"
	return req
}

func handshake(v int16, mechanism string) kmsg.Request {
	req := kmsg.NewPtrSASLHandshakeRequest()
	req.Version, req.Mechanism = v, mechanism
	return req
}

func token(v int16, text string) kmsg.Request {
	req := kmsg.NewPtrSASLAuthenticateRequest()
	req.Version, req.SASLAuthBytes = v, []byte(text)
	return req
}

func bare(text string) kmsg.Request { return &bareToken{token: []byte(text)} }

func metadata() kmsg.Request {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 9
	return req
}

const (
	alice   = "\x00alice\x00alice secret"
	offered = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
	wrong   = "58 Authentication failed: Invalid username or password"
	generic = "58 Authentication failed during authentication due to invalid credentials with SASL mechanism "
	foreign = "58 Authentication failed: Client requested an authorization id that is different from username"
)

// step is a frame and what comes back; kafka is what Apache Kafka says where that differs.
type step struct {
	send        kmsg.Request
	want, kafka string
}

// loginTable is every frame in every state of a login, with Kafka's answers.
var loginTable = map[string][]step{
	"versions, handshake, token":  {{versions(3), "0", ""}, {handshake(1, "PLAIN"), "0 " + offered, ""}, {token(2, alice), "0", ""}, {metadata(), "served", ""}},
	"handshake, token":            {{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(0, alice), "0", ""}, {metadata(), "served", ""}},
	"handshake 0, bare token":     {{handshake(0, "PLAIN"), "0 " + offered, ""}, {bare(alice), "bare 0", ""}, {metadata(), "served", ""}},
	"old versions":                {{versions(0), "0", ""}, {handshake(0, "PLAIN"), "0 " + offered, ""}, {bare(alice), "bare 0", ""}},
	"versions to come, repeated":  {{versions(99), "35", ""}, {versions(99), "35", ""}, {versions(3), "0", ""}, {handshake(1, "PLAIN"), "0 " + offered, ""}},
	"versions twice":              {{versions(3), "0", ""}, {versions(3), "closed", ""}},
	"versions behind a handshake": {{handshake(1, "PLAIN"), "0 " + offered, ""}, {versions(3), "closed", "34"}},
	"metadata first":              {{metadata(), "closed", ""}},
	"metadata behind versions":    {{versions(3), "0", ""}, {metadata(), "closed", ""}},
	"metadata behind handshake":   {{handshake(1, "PLAIN"), "0 " + offered, ""}, {metadata(), "closed", "served"}},
	"token first":                 {{token(1, alice), "closed", ""}},
	"token behind versions":       {{versions(3), "0", ""}, {token(1, alice), "closed", ""}},
	"handshake twice":             {{handshake(1, "PLAIN"), "0 " + offered, ""}, {handshake(1, "PLAIN"), "closed", "34 "}},
	"unknown mechanism":           {{handshake(1, "GSSAPI"), "33 " + offered, ""}, {handshake(1, "PLAIN"), "closed", ""}},
	"mechanism in small letters":  {{handshake(1, "plain"), "33 " + offered, ""}, {versions(3), "closed", ""}},
	"no mechanism":                {{versions(3), "0", ""}, {handshake(0, ""), "33 " + offered, ""}},
	"wrong password":              {{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(1, "\x00alice\x00x"), wrong, ""}, {token(1, alice), "closed", ""}},
	"unknown user":                {{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(2, "\x00bob\x00x"), wrong, ""}},
	"wrong password, bare":        {{handshake(0, "PLAIN"), "0 " + offered, ""}, {bare("\x00alice\x00x"), "closed", ""}},
	"as oneself":                  {{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(1, "alice"+alice), "0", ""}},
	"CVE-2017-12610, PLAIN":       {{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(1, "admin"+alice), foreign, ""}},
	"two parts":                   {{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(1, "\x00alice"), "58 Invalid SASL/PLAIN response: expected 3 tokens, got 2", ""}},
	"four parts":                  {{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(1, alice+"\x00x"), "58 Invalid SASL/PLAIN response: expected 3 tokens, got 4", ""}},
	"no name":                     {{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(1, "\x00\x00x"), "58 Authentication failed: username not specified", ""}},
	"no password":                 {{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(1, "\x00alice\x00"), "58 Authentication failed: password not specified", ""}},
	"empty token":                 {{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(1, ""), "58 Invalid SASL/PLAIN response: expected 3 tokens, got 1", ""}},
	"bad first message":           {{handshake(1, "SCRAM-SHA-256"), "0 " + offered, ""}, {token(1, "n,,x"), generic + "SCRAM-SHA-256", ""}},
	"channel binding":             {{handshake(1, "SCRAM-SHA-256"), "0 " + offered, ""}, {token(1, "p=tls-unique,,n=alice,r=x"), generic + "SCRAM-SHA-256", ""}},
	"CVE-2017-12610, SCRAM":       {{handshake(1, "SCRAM-SHA-512"), "0 " + offered, ""}, {token(1, "n,a=admin,n=alice,r=x"), foreign, ""}},
	"bad last message":            {{handshake(1, "SCRAM-SHA-256"), "0 " + offered, ""}, {token(1, "n,,n=alice,r=x"), "0", ""}, {token(1, "x"), generic + "SCRAM-SHA-256", ""}},
	"no last message":             {{handshake(1, "SCRAM-SHA-256"), "0 " + offered, ""}, {token(1, "n,,n=alice,r=x"), "0", ""}, {token(1, ""), generic + "SCRAM-SHA-256", ""}},
	"first message twice":         {{handshake(1, "SCRAM-SHA-256"), "0 " + offered, ""}, {token(1, "n,,n=alice,r=x"), "0", ""}, {token(1, "n,,n=alice,r=x"), generic + "SCRAM-SHA-256", ""}},
	"CVE-2024-56128, its nonce":   {{handshake(1, "SCRAM-SHA-256"), "0 " + offered, ""}, {token(1, "n,,n=alice,r=x"), "0", ""}, {token(1, "c=biws,r=x,p="+strings.Repeat("A", 43)+"="), generic + "SCRAM-SHA-256", ""}},
	"delegation token":            {{handshake(1, "SCRAM-SHA-256"), "0 " + offered, ""}, {token(1, "n,,n=alice,r=x,tokenauth=true"), generic + "SCRAM-SHA-256", ""}},
	"not a mechanism's message":   {{handshake(1, "SCRAM-SHA-256"), "0 " + offered, ""}, {token(1, alice), generic + "SCRAM-SHA-256", ""}},
	"handshake when done":         {{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(1, alice), "0", ""}, {handshake(1, "PLAIN"), "34", ""}, {metadata(), "served", ""}},
	"token when done":             {{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(1, alice), "0", ""}, {token(1, alice), "34 SaslAuthenticate request received after successful authentication", ""}, {metadata(), "served", ""}},
	"versions when done":          {{handshake(1, "PLAIN"), "0 " + offered, ""}, {token(1, alice), "0", ""}, {versions(3), "0", ""}},
	"half a header":               {{bare("\x00"), "closed", ""}},
	"an empty frame":              {{bare(""), "closed", ""}},
	"handshake to come":           {{handshake(2, "PLAIN"), "closed", ""}},
	"over 512 KiB":                {{bare(strings.Repeat("x", 512<<10+1)), "closed", ""}},
}

// TestLoginStates: what is answered in each state of a login is what Kafka answers.
func TestLoginStates(t *testing.T) {
	t.Parallel()
	b, _ := saslBroker(t)
	users(t, b, "alice")
	isKafka := b.Options().Kind == peers.Kafka
	frames := 0
	for name, steps := range loginTable {
		t.Run(name, func(t *testing.T) {
			r := dialRaw(t, b.AddrOf("IN"))
			for i, s := range steps {
				frames++
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
	if frames < 90 {
		t.Errorf("%d frames", frames)
	}
	// The codes that are here and nowhere else.
	for code, want := range map[protocol.Code]string{protocol.UnsupportedSASLMechanism: "33 ", protocol.SASLAuthenticationFailed: "58 "} {
		if want != fmt.Sprintf("%d ", int16(code)) {
			t.Error(code)
		}
	}
}
