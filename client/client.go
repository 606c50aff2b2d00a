// Package client does what a person at a command line asks of a cluster: topics, records,
// groups. It speaks Kafka's protocol and nothing else, so it works on any Kafka cluster, and
// the cluster's own rights, quotas and audit decide about each act.
//
// Every error it returns is a [Fault], but for those of functions that its callers hand in.
package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
)

// Bounds of waiting. What is asked of a cluster is answered within actMax or is a fault.
const (
	dialMax  = 5 * time.Second  // for one connection
	reachMax = 10 * time.Second // until some broker has answered
	retryMax = 15 * time.Second // for trying one request again
	actMax   = 30 * time.Second // for an act as a whole
	leaveMax = 10 * time.Second // for the last commit and for leaving a group
)

// Config says where a cluster is.
type Config struct {
	Servers  []string       // HOST or HOST:PORT, any broker of the cluster; the port is 9092 if none is given
	TLS      *tls.Config    // nil: none
	SASL     sasl.Mechanism // nil: no login
	ClientID string         // empty: streamhouse-cli
}

// Client is a connection to a cluster. It is safe for concurrent use; Close ends it.
type Client struct {
	cfg   Config
	kafka *kgo.Client
	admin *kadm.Client
}

// Open connects, and returns once a broker has answered.
func Open(ctx context.Context, cfg Config) (*Client, error) {
	c := &Client{cfg: cfg}
	var err error
	if c.kafka, err = c.connect(); err != nil {
		return nil, err
	}
	c.admin = kadm.NewClient(c.kafka)
	ctx, cancel := context.WithTimeout(ctx, reachMax)
	defer cancel()
	if err := c.kafka.Ping(ctx); err != nil {
		c.Close()
		return nil, notReached(fmt.Sprintf("no broker answers at %s", strings.Join(cfg.Servers, ", ")), err)
	}
	return c, nil
}

// Close ends the connections.
func (c *Client) Close() { c.kafka.Close() }

// connect makes a client of the library; it dials when first used.
func (c *Client) connect(more ...kgo.Opt) (*kgo.Client, error) {
	opts := append([]kgo.Opt{
		kgo.SeedBrokers(c.cfg.Servers...),
		kgo.ClientID(cmp.Or(c.cfg.ClientID, "streamhouse-cli")),
		kgo.DialTimeout(dialMax),
		kgo.RetryTimeout(retryMax),
		kgo.RequestRetries(5),
	}, more...)
	if c.cfg.TLS != nil {
		opts = append(opts, kgo.Dialer((&tls.Dialer{NetDialer: &net.Dialer{Timeout: dialMax}, Config: c.cfg.TLS}).DialContext))
	}
	if c.cfg.SASL != nil {
		opts = append(opts, kgo.SASL(c.cfg.SASL))
	}
	k, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, &Fault{Kind: Invalid, What: "cannot connect to " + strings.Join(c.cfg.Servers, ", "), Why: err.Error()}
	}
	return k, nil
}
