// Package s3gateway runs a real S3 server, versitygw, for tests: its objects are
// files in a folder of the test's own.
//
// The server is built by `go install`, once, into a cache folder. A machine where
// that fails is a machine where these tests fail: they say why and never skip.
package s3gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// The server's keys and region.
const (
	AccessKey = "streamhouse-test"
	SecretKey = "streamhouse-test-secret"
	Region    = "us-east-1"
)

// Gateway is a running server.
type Gateway struct {
	Endpoint string // http://127.0.0.1:port
	Folder   string // where its buckets are

	binary string
	cmd    *exec.Cmd
	log    *bytes.Buffer
	done   chan struct{} // closed when the process has ended
}

// Start runs a server until the test ends and makes it the named buckets.
func Start(t testing.TB, buckets ...string) *Gateway {
	t.Helper()
	binary, err := Install()
	if err != nil {
		t.Fatalf("versitygw is needed for the S3 tests: %v", err)
	}
	g := &Gateway{binary: binary, Folder: t.TempDir()}
	for _, b := range buckets {
		if err := os.Mkdir(filepath.Join(g.Folder, b), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.startAnywhere(); err != nil {
		t.Fatalf("start versitygw: %v", err)
	}
	t.Cleanup(g.Stop)
	return g
}

// Location is a bucket of the server, below a prefix.
func (g *Gateway) Location(name, prefix string) bucket.Location {
	l, err := bucket.ParseLocation(fmt.Sprintf("s3://%s/%s?endpoint=%s&region=%s", name, prefix, g.Endpoint, Region))
	if err != nil {
		panic(err) // the test's own names are wrong
	}
	return l
}

// startAnywhere takes a free port; somebody else may be quicker, then another.
func (g *Gateway) startAnywhere() error {
	var errs []error
	for range 5 {
		addr, err := freeAddress()
		if err != nil {
			return err
		}
		if err := g.start(addr); err == nil {
			return nil
		} else {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (g *Gateway) start(addr string) error {
	g.Endpoint = "http://" + addr
	g.log = &bytes.Buffer{}
	g.done = make(chan struct{})
	g.cmd = exec.Command(g.binary, "--quiet", "--port", addr, "--region", Region, "posix", g.Folder)
	g.cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+AccessKey, "ROOT_SECRET_KEY="+SecretKey)
	g.cmd.Stdout, g.cmd.Stderr = g.log, g.log
	dieWithParent(g.cmd)
	if err := g.cmd.Start(); err != nil {
		return err
	}
	go func() { // ends with the process; Stop waits for it
		_ = g.cmd.Wait()
		close(g.done)
	}()
	if err := g.waitReady(); err != nil {
		g.Stop()
		return fmt.Errorf("%w\n%s", err, g.log)
	}
	return nil
}

// waitReady waits until this process, and not another on the same port, answers.
func (g *Gateway) waitReady() error {
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-g.done:
			return errors.New("it ended at once")
		case <-deadline:
			return errors.New("it does not answer")
		case <-tick.C:
			resp, err := http.Get(g.Endpoint)
			if err != nil {
				continue
			}
			resp.Body.Close()
			return nil
		}
	}
}

// Stop ends the server. The folder stays, so Restart finds its objects.
func (g *Gateway) Stop() {
	_ = g.cmd.Process.Kill()
	<-g.done
}

// Restart runs a stopped server again at the same address.
func (g *Gateway) Restart() error { return g.start(g.Endpoint[len("http://"):]) }

const (
	tool    = "github.com/versity/versitygw/cmd/versitygw"
	version = "v1.8.0"
)

var install = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "streamhouse-tests", "versitygw-"+version)
	binary := filepath.Join(dir, "versitygw")
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	return binary, build(dir)
})

// Install builds the server if the cache has none and returns its path.
func Install() (string, error) { return install() }

// build installs next to the final place and renames, so that test processes that
// run at once never start half a binary.
func build(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "install", tool+"@"+version)
	cmd.Dir = temp // outside of any module
	cmd.Env = append(os.Environ(), "GOBIN="+temp, "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOOS=", "GOARCH=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go install %s@%s: %w\n%s", tool, version, err, out)
	}
	return os.Rename(filepath.Join(temp, "versitygw"), filepath.Join(dir, "versitygw"))
}
