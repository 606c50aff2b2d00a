package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// against makes a client of a store that is the handler.
func against(t *testing.T, o Options, h http.HandlerFunc) *Bucket {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	l, err := bucket.ParseLocation("s3://store/pre?endpoint=" + srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	o.Location = l
	b := open(t, o)
	t.Cleanup(func() {
		b.Close()
		srv.CloseClientConnections()
	})
	return b
}

func answer(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>as asked</Message></Error>", code)
}

func TestAnswersAreMapped(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		want   error // nil: an error that may be tried again
	}{
		{412, "PreconditionFailed", bucket.ErrExists},
		{409, "ConditionalRequestConflict", nil},
		{409, "OperationAborted", nil},
		{404, "NoSuchBucket", bucket.ErrRefused},
		{403, "AccessDenied", bucket.ErrRefused},
		{403, "SignatureDoesNotMatch", bucket.ErrRefused},
		{403, "RequestTimeTooSkewed", nil},
		{400, "RequestTimeout", nil},
		{400, "BadDigest", nil},
		{400, "InvalidArgument", bucket.ErrRefused},
		{501, "NotImplemented", bucket.ErrRefused},
		{507, "InsufficientStorage", bucket.ErrNoRoom},
		{507, "XMinioStorageFull", bucket.ErrNoRoom},
		{403, "QuotaExceeded", bucket.ErrNoRoom},
		{500, "InternalError", nil},
		{503, "SlowDown", nil},
		{502, "", nil},
	} {
		t.Run(fmt.Sprintf("%d-%s", c.status, c.code), func(t *testing.T) {
			var calls atomic.Int32
			b := against(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				_, _ = io.Copy(io.Discard, r.Body)
				answer(w, c.status, c.code)
			})
			err := b.Create(t.Context(), "k", bucket.Bytes([]byte("x")))
			if err == nil || c.want != nil && !errors.Is(err, c.want) || bucket.Final(err) != (c.want != nil) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if !strings.Contains(err.Error(), "pre/k") {
				t.Errorf("%q does not name the object", err)
			}
			if calls.Load() != 1 {
				t.Errorf("%d requests for one attempt", calls.Load())
			}
		})
	}
}

// TestEarlyAnswerGivesTheBytesBack is an experiment that once went wrong: the store
// answers 503 at once and goes on reading the body. When Create has returned, its
// caller uses the memory again; the store must not see what is in it then.
func TestEarlyAnswerGivesTheBytesBack(t *testing.T) {
	for range 5 {
		var seen sync.WaitGroup
		var wrong atomic.Int64
		b := against(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
			seen.Add(1)
			defer seen.Done()
			c := http.NewResponseController(w)
			if err := c.EnableFullDuplex(); err != nil {
				t.Error(err)
			}
			p := make([]byte, 32<<10)
			_, _ = r.Body.Read(p)
			answer(w, 503, "SlowDown")
			_ = c.Flush()
			for {
				n, err := r.Body.Read(p)
				wrong.Add(int64(bytes.Count(p[:n], []byte{'X'})))
				if err != nil {
					return
				}
				time.Sleep(time.Millisecond) // a slow store; nothing waits for it
			}
		})
		data := make([]byte, 8<<20)
		if err := b.Create(t.Context(), "k", bucket.Bytes(data)); err == nil {
			t.Fatal("a 503 was taken for success")
		}
		for i := range data {
			data[i] = 'X'
		}
		b.Close()
		seen.Wait()
		if n := wrong.Load(); n > 0 {
			t.Fatalf("the store received %d bytes that were written after Create had returned", n)
		}
	}
}

func TestStoreThatNeverAnswers(t *testing.T) {
	gone := make(chan struct{})
	b := against(t, Options{TimeBase: 100 * time.Millisecond, RateMin: 1 << 30}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-gone
	})
	defer close(gone)
	begin := time.Now()
	errs := map[string]error{
		"create": b.Create(t.Context(), "k", bucket.Bytes([]byte("x"))),
		"delete": b.Delete(t.Context(), "k"),
		"list":   b.List(t.Context(), "", "", func(bucket.Info) error { return nil }),
	}
	_, errs["stat"] = b.Stat(t.Context(), "k")
	_, errs["get"] = b.Get(t.Context(), "k", 0, -1)
	for what, err := range errs {
		if !errors.Is(err, context.DeadlineExceeded) || bucket.Final(err) {
			t.Errorf("%s: got %v, want a timeout that may be tried again", what, err)
		}
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("five calls took %v", took)
	}
}

func TestBodyThatStopsAndBodyThatEnds(t *testing.T) {
	gone := make(chan struct{})
	var stall atomic.Bool
	b := against(t, Options{IdleMax: 100 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		_, _ = w.Write(make([]byte, 500))
		_ = http.NewResponseController(w).Flush()
		if stall.Load() {
			<-gone
		}
		panic(http.ErrAbortHandler) // the connection is lost
	})
	defer close(gone)
	for _, c := range []struct {
		stall bool
		want  error
	}{{false, io.ErrUnexpectedEOF}, {true, context.DeadlineExceeded}} {
		stall.Store(c.stall)
		r, err := b.Get(t.Context(), "k", 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		r.Close()
		if len(got) != 500 || !errors.Is(err, c.want) || bucket.Final(err) {
			t.Errorf("stall=%v: %d bytes, %v", c.stall, len(got), err)
		}
	}
}

// TestSlowReaderIsNotTheStoresFault: what the caller does between two reads is not
// counted.
// TestSlowLineTakesItsTime: an upload that goes on is not broken off, however slow it is,
// and one that has stopped is.
func TestSlowLineTakesItsTime(t *testing.T) {
	stop := make(chan struct{})
	var stuck atomic.Bool
	b := against(t, Options{TimeBase: 300 * time.Millisecond, IdleMax: 300 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		p := make([]byte, 16<<10)
		for {
			if stuck.Load() {
				<-stop
			}
			if _, err := r.Body.Read(p); err != nil {
				return
			}
			time.Sleep(25 * time.Millisecond)
		}
	})
	defer close(stop)
	if err := b.Create(t.Context(), "k", bucket.Bytes(make([]byte, 1<<20))); err != nil {
		t.Errorf("slow: %v", err)
	}
	stuck.Store(true)
	if err := b.Create(t.Context(), "k", bucket.Bytes(make([]byte, 16<<20))); !errors.Is(err, errSlow) {
		t.Errorf("stuck: %v", err)
	}
}

func TestSlowReaderIsNotTheStoresFault(t *testing.T) {
	data := make([]byte, 1<<20)
	b := against(t, Options{TimeBase: 50 * time.Millisecond, IdleMax: 50 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = w.Write(data)
	})
	r, err := b.Get(t.Context(), "k", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	time.Sleep(200 * time.Millisecond)
	if n, err := io.Copy(io.Discard, r); n != int64(len(data)) || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
}

func TestStoreThatIgnoresRanges(t *testing.T) {
	b := against(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		_, _ = w.Write(make([]byte, 1000))
	})
	if _, err := b.Get(t.Context(), "k", 100, 50); !errors.Is(err, bucket.ErrRefused) || !strings.Contains(err.Error(), "ranges") {
		t.Fatalf("got %v", err)
	}
}

// TestStoreThatIgnoresConditions: most of the world before 2024.
func TestStoreThatIgnoresConditions(t *testing.T) {
	var mu sync.Mutex
	objects := map[string][]byte{}
	b := against(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		switch r.Method {
		case http.MethodPut:
			objects[r.URL.Path], _ = io.ReadAll(r.Body)
		case http.MethodDelete:
			delete(objects, r.URL.Path)
			w.WriteHeader(http.StatusNoContent)
		default:
			_, _ = w.Write(objects[r.URL.Path])
		}
	})
	if err := bucket.Probe(t.Context(), b); !errors.Is(err, bucket.ErrUnfit) {
		t.Fatalf("got %v", err)
	}
	if len(objects) != 0 {
		t.Fatalf("the probe left %d objects", len(objects))
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{
		{Location: bucket.Location{Scheme: "file", Path: "/x"}, AccessKey: "a", SecretKey: "s"},
		{Location: bucket.Location{Scheme: "s3"}, AccessKey: "a", SecretKey: "s"},
		{Location: bucket.Location{Scheme: "s3", Bucket: "b"}, AccessKey: "a", SecretKey: "s"},
		{Location: bucket.Location{Scheme: "s3", Bucket: "store"}, AccessKey: "a"},
		{Location: bucket.Location{Scheme: "s3", Bucket: "store"}, SecretKey: "sesame"},
	} {
		_, err := New(o)
		if err == nil {
			t.Errorf("%+v was accepted", o.Location)
		} else if strings.Contains(err.Error(), "sesame") {
			t.Errorf("%q tells a secret", err)
		}
	}
}

func TestKeysFromTheEnvironment(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "from-env")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	var auth atomic.Value
	b := against(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		auth.Store(r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusNoContent)
	})
	o := b.o
	o.AccessKey, o.SecretKey = "", ""
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if got, _ := auth.Load().(string); !strings.Contains(got, "Credential=from-env/") {
		t.Fatalf("signed as %q", got)
	}
}

func TestPartSize(t *testing.T) {
	for total, want := range map[int64]int64{1: 16 << 20, 160_000 << 20: 16 << 20, 1 << 40: (1<<40 + 9999) / 10000} {
		if got := partSize(16<<20, total); got != want || (total+got-1)/got > 10_000 {
			t.Errorf("%d bytes: parts of %d, want %d", total, got, want)
		}
	}
}
