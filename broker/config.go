package broker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/streamhouse/streamhouse/auth"
)

// Listener is one address that clients connect to.
type Listener struct {
	Name    string // "PLAINTEXT"
	Address string // host:port to bind; port 0 picks a free one
	// Local says that clients are told localhost, which is of no use on other machines.
	// The first from one of those is worth a warning.
	Local bool
	// Protocol is what its clients set as security.protocol; empty: PLAINTEXT.
	Protocol string
	// TLS is what its connections begin with; nil: they are plain.
	TLS *tls.Config
	// Identify says who a client is whose certificate was verified. An error closes the
	// connection. nil: nobody is known by a certificate.
	Identify func(*x509.Certificate) (auth.Principal, error)
	// Login is how its clients log in; nil: they do not. The principal is then that of the
	// login, whatever certificate was shown.
	Login *Login
}

// Config is what a Server needs to know. Names in comments are Kafka's settings.
type Config struct {
	Listeners []Listener

	MaxRequestBytes int   // socket.request.max.bytes
	MaxQueuedBytes  int64 // queued.max.request.bytes: memory of requests on their way in, over all connections
	MaxAnswerBytes  int64 // memory of answers until clients have taken them, over all connections; of one, too
	SendBuffer      int   // socket.send.buffer.bytes; -1: the system's choice
	ReceiveBuffer   int   // socket.receive.buffer.bytes; -1: the system's choice

	Limits // those to begin with; see Server.SetLimits

	// DescriptorsMax is for how many connections there are file descriptors; 0: not known.
	DescriptorsMax int

	MaxIdle time.Duration // connections.max.idle.ms
	// FirstFrame and Frame bound how long a client may keep the broker waiting within
	// its first frame and a later one; MinRate bytes that arrive give a second more.
	FirstFrame time.Duration
	Frame      time.Duration
	MinRate    int64
	// Handshake bounds TLS's handshake, however little of it has come.
	Handshake time.Duration
	// SendStall is how long a client may take none of what is sent to it.
	SendStall time.Duration
	// Drain bounds a stop: for half a second requests in progress may go on, then waiting
	// ones are cut short, and after all of it connections are closed.
	Drain time.Duration

	// Rights says what a principal at an address may do, with the ACLs as they are then;
	// nil: everybody may do everything.
	Rights func(principal auth.Principal, address netip.Addr) Rights
}

// DefaultConfig has Kafka's values where Kafka has the setting.
func DefaultConfig() Config {
	return Config{
		Listeners:       []Listener{{Name: "PLAINTEXT", Address: ":9092"}},
		MaxRequestBytes: 100 << 20,
		MaxQueuedBytes:  256 << 20,
		MaxAnswerBytes:  256 << 20,
		SendBuffer:      -1,
		ReceiveBuffer:   -1,
		Limits:          Limits{MaxConnections: 1<<31 - 1, MaxConnectionsPerIP: 1<<31 - 1},
		MaxIdle:         10 * time.Minute,
		FirstFrame:      10 * time.Second,
		Frame:           30 * time.Second,
		MinRate:         16 << 10,
		Handshake:       10 * time.Second,
		SendStall:       60 * time.Second,
		Drain:           10 * time.Second,
	}
}

// Validate reports every fault at once.
func (c *Config) Validate() error {
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(len(c.Listeners) == 0, "listeners: at least one is needed")
	names := map[string]bool{}
	for _, l := range c.Listeners {
		fault(l.Name == "", "listeners: %q has no name", l.Address)
		fault(names[l.Name], "listeners: the name %s is there twice", l.Name)
		names[l.Name] = true
	}
	fault(c.MaxRequestBytes < 1<<20, "socket.request.max.bytes: %d is less than 1 MiB", c.MaxRequestBytes)
	fault(c.MaxQueuedBytes < 1<<20, "queued.max.request.bytes: %d is less than 1 MiB", c.MaxQueuedBytes)
	fault(c.MaxAnswerBytes < 1<<20, "memory for answers: %d is less than 1 MiB", c.MaxAnswerBytes)
	fault(c.MaxConnections < 1, "max.connections: %d lets nobody in", c.MaxConnections)
	fault(c.MaxConnectionsPerIP < 0, "max.connections.per.ip: %d is negative", c.MaxConnectionsPerIP)
	fault(c.FirstFrame <= 0 || c.Handshake <= 0 || c.Frame <= 0 || c.MinRate <= 0 || c.SendStall <= 0 || c.Drain <= 0,
		"times and rates of connections must be positive")
	return errors.Join(faults...)
}
