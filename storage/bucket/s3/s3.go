// Package s3 is a bucket in an S3-compatible store, over minio-go.
//
// Each call is one attempt, bounded in time; bucket/retry tries again. Creates are
// made exclusive by `If-None-Match: *`, on the PUT of a small object and on the
// completion of a multipart upload. Every request's payload is signed by its
// SHA-256, so a store refuses bytes that changed on the way.
package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// Options say where the store is and who we are there. Zero fields get the
// defaults.
type Options struct {
	Location bucket.Location // Scheme "s3"

	// AccessKey and SecretKey sign requests, with SessionToken if the keys are
	// temporary. Without any of them keys are looked for where Amazon's own tools
	// do: in AWS_* variables, in ~/.aws/credentials, and at the instance's role.
	AccessKey, SecretKey, SessionToken string

	PartBytes   int64         // objects above it are uploaded in parts of it; default 16 MiB, at least 5 MiB
	PartsAtOnce int           // parts under way per object, each a buffer of PartBytes; default 3
	TimeBase    time.Duration // of one attempt, without its payload; default 15 s
	RateMin     int64         // bytes per second that a line carries at least, per upload; default 16 KiB
	IdleMax     time.Duration // a reader or an upload without a byte for so long fails; default 15 s

	TLS *tls.Config // for https; nil: the system's authorities
}

const partBytesLeast = 5 << 20 // S3's lower bound for all parts but the last

func (o Options) withDefaults() Options {
	if o.PartBytes <= 0 {
		o.PartBytes = 16 << 20
	}
	o.PartBytes = max(o.PartBytes, partBytesLeast)
	if o.PartsAtOnce <= 0 {
		o.PartsAtOnce = 3
	}
	if o.TimeBase <= 0 {
		o.TimeBase = 15 * time.Second
	}
	if o.RateMin <= 0 {
		o.RateMin = 16 << 10
	}
	if o.IdleMax <= 0 {
		o.IdleMax = 15 * time.Second
	}
	return o
}

// Bucket is a bucket of the store, or what lies under a prefix of it.
type Bucket struct {
	o         Options
	core      minio.Core
	transport *http.Transport
	name      string      // the store's bucket
	prefix    string      // in front of every key
	oneByOne  atomic.Bool // the store does not delete many at once
}

// New makes a client. It asks the store nothing: bucket.Probe does.
func New(o Options) (*Bucket, error) {
	o = o.withDefaults()
	l := o.Location
	if l.Scheme != "s3" || l.Bucket == "" {
		return nil, fmt.Errorf("s3: %s is no S3 bucket", l)
	}
	if err := s3utils.CheckValidBucketNameStrict(l.Bucket); err != nil {
		return nil, fmt.Errorf("s3: bucket %q: %w", l.Bucket, err)
	}
	creds, err := o.credentials()
	if err != nil {
		return nil, fmt.Errorf("s3: bucket %s: %w", l.Bucket, err)
	}
	host, secure, err := endpoint(l.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("s3: bucket %s: %w", l.Bucket, err)
	}
	region := l.Region
	if region == "" {
		region = "us-east-1"
	}
	lookup := minio.BucketLookupDNS
	if l.PathStyle {
		lookup = minio.BucketLookupPath
	}
	transport := o.newTransport()
	core, err := minio.NewCore(host, &minio.Options{
		Creds: creds, Secure: secure, Transport: transport, Region: region, BucketLookup: lookup, MaxRetries: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("s3: bucket %s at %s: %w", l.Bucket, host, err)
	}
	return &Bucket{o: o, core: *core, transport: transport, name: l.Bucket, prefix: l.Prefix}, nil
}

func (o Options) credentials() (*credentials.Credentials, error) {
	switch {
	case o.AccessKey == "" && o.SecretKey == "" && o.SessionToken == "":
		return credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{},
		}), nil
	case o.AccessKey == "" || o.SecretKey == "":
		return nil, errors.New("of the access key and the secret key only one is set")
	}
	return credentials.NewStaticV4(o.AccessKey, o.SecretKey, o.SessionToken), nil
}

// endpoint splits a URL for minio-go; the default is Amazon's.
func endpoint(s string) (host string, secure bool, err error) {
	if s == "" {
		return "s3.amazonaws.com", true, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return "", false, fmt.Errorf("endpoint %q is no URL", s)
	}
	return u.Host, u.Scheme == "https", nil
}

// newTransport is HTTP/1.1, without compression, without a proxy from the
// environment, and with a bound on each phase of a connection's beginning. Each request
// has its own: the answer to a large one may take long, since what the system buffers
// of it counts as sent.
func (o Options) newTransport() *http.Transport {
	config := o.TLS
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return &http.Transport{
		DialContext:         dial,
		TLSHandshakeTimeout: 5 * time.Second,
		TLSClientConfig:     config,
		IdleConnTimeout:     time.Minute,
		MaxIdleConns:        256,
		MaxIdleConnsPerHost: 128,
		DisableCompression:  true,
		WriteBufferSize:     64 << 10,
		ReadBufferSize:      64 << 10,
	}
}

// storeRate is how many bytes per second a store copies at least when it puts an object
// together.
const storeRate = 1 << 20

// attempt bounds one request after which the store itself moves n bytes.
func (b *Bucket) attempt(ctx context.Context, n int64) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, b.o.TimeBase+timeFor(n, storeRate))
}

func timeFor(n, rate int64) time.Duration {
	return time.Duration(float64(n) / float64(rate) * float64(time.Second))
}

// Stat returns an object's size.
func (b *Bucket) Stat(ctx context.Context, key string) (bucket.Info, error) {
	if err := bucket.CheckKey(key); err != nil {
		return bucket.Info{}, err
	}
	ctx, cancel := b.attempt(ctx, 0)
	defer cancel()
	o, err := b.core.StatObject(ctx, b.name, b.prefix+key, minio.StatObjectOptions{})
	if err != nil {
		return bucket.Info{}, b.mapError(ctx, "stat", key, err)
	}
	return bucket.Info{Key: key, Size: o.Size, Modified: o.LastModified}, nil
}

// Close closes idle connections.
func (b *Bucket) Close() error {
	b.transport.CloseIdleConnections()
	return nil
}

// Get opens a range.
func (b *Bucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if err := bucket.CheckKey(key); err != nil {
		return nil, err
	}
	if off < 0 {
		return nil, fmt.Errorf("s3: get %s: %w: from %d", key, bucket.ErrRange, off)
	}
	if n == 0 { // a range of no bytes cannot be said in HTTP
		return b.nothing(ctx, key, off)
	}
	r, err := b.open(ctx, key, off, n)
	if errors.Is(err, bucket.ErrRange) && n < 0 {
		return b.nothing(ctx, key, off) // from the very end to the end is inside
	}
	return r, err
}

// nothing is a reader of no bytes at off, if the object reaches that far.
func (b *Bucket) nothing(ctx context.Context, key string, off int64) (io.ReadCloser, error) {
	info, err := b.Stat(ctx, key)
	if err != nil {
		return nil, err
	}
	if _, err := bucket.CheckRange(key, info.Size, off, 0); err != nil {
		return nil, err
	}
	return http.NoBody, nil
}

func (b *Bucket) open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	opts := minio.GetObjectOptions{}
	var err error
	switch {
	case n > 0:
		err = opts.SetRange(off, off+n-1)
	case off > 0:
		err = opts.SetRange(off, 0) // to the end
	}
	if err != nil {
		return nil, fmt.Errorf("s3: get %s: %w: %w", key, bucket.ErrRange, err)
	}
	ctx, watch := newWatchdog(ctx, b.o.TimeBase, b.o.IdleMax)
	body, info, header, err := b.core.GetObject(ctx, b.name, b.prefix+key, opts)
	if err != nil {
		err = b.mapError(ctx, "get", key, err)
		watch.end()
		return nil, err
	}
	watch.stop()
	if err := checkRange(key, off, n, info.Size, header); err != nil {
		body.Close()
		watch.end()
		return nil, err
	}
	return &reader{ctx: ctx, b: b, key: key, body: body, left: info.Size, watch: watch}, nil
}

// checkRange compares what was sent with what was asked for: a store cuts a range
// that ends behind the object, and one that knows no ranges sends everything.
func checkRange(key string, off, n, size int64, header http.Header) error {
	ranged := header.Get("Content-Range") != ""
	if wanted := off > 0 || n > 0; wanted && !ranged && (off > 0 || n != size) {
		return fmt.Errorf("s3: get %s: the store ignores ranges: %w", key, bucket.ErrRefused)
	}
	if n > 0 && size != n {
		return fmt.Errorf("s3: get %s: %w: asked for %d bytes from %d, there are %d", key, bucket.ErrRange, n, off, size)
	}
	return nil
}
