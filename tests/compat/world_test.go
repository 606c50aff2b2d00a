package compat

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/wire"
)

// testCase is one request, sent at each version from..to.
type testCase struct {
	name     string
	from, to int16
	// request is the body; the runner sets its version. A string that has to differ by
	// version ends in vN, see each.
	request func(w *world, v int16) kmsg.Request
	// until, if set, asks again until it is content: for what a client retries too.
	until func(kmsg.Response) bool
	// keep, if set, remembers what later cases need.
	keep func(w *world, r kmsg.Response)
}

// answer is what a broker said at a run of versions that it said the same at.
type answer struct {
	Versions string `json:"versions"`
	Answer   any    `json:"answer"`
}

// world is what the cases of one suite share.
type world struct {
	addr   string
	conn   *wire.Conn
	topics map[string][16]byte
	member map[string]string
	pid    int64
}

func newWorld(addr string) *world {
	return &world{addr: addr, topics: make(map[string][16]byte), member: make(map[string]string)}
}

func (w *world) close() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

// run sends a case at all its versions.
func (w *world) run(c testCase) ([]answer, error) {
	var out []answer
	first := c.from
	for v := c.from; v <= c.to; v++ {
		got, err := w.ask(c, v)
		if err != nil {
			return nil, fmt.Errorf("version %d: %w", v, err)
		}
		if n := len(out); n > 0 && reflect.DeepEqual(out[n-1].Answer, got) {
			out[n-1].Versions = span(first, v)
			continue
		}
		first = v
		out = append(out, answer{Versions: span(v, v), Answer: got})
	}
	return out, nil
}

func span(from, to int16) string {
	if from == to {
		return strconv.Itoa(int(from))
	}
	return fmt.Sprintf("%d-%d", from, to)
}

func (w *world) ask(c testCase, v int16) (any, error) {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		req := c.request(w, v)
		req.SetVersion(v)
		resp, err := w.call(req)
		if closed(err) {
			w.close()
			return "connection closed", nil
		}
		if err != nil {
			return nil, err
		}
		if c.until != nil && !c.until(resp) {
			if time.Now().After(end) {
				return nil, fmt.Errorf("still %+v", resp)
			}
			continue
		}
		if c.keep != nil {
			c.keep(w, resp)
		}
		return normal(resp, fmt.Sprintf("v%d", v))
	}
}

func (w *world) call(req kmsg.Request) (kmsg.Response, error) {
	if w.conn == nil {
		conn, err := wire.Dial(w.addr, "compat", patience)
		if err != nil {
			return nil, err
		}
		w.conn = conn
	}
	resp, err := w.conn.Call(req, patience)
	if *record && changesTopics(req) {
		// Kafka answers when its controller has decided; the broker learns it later.
		time.Sleep(150 * time.Millisecond)
	}
	return resp, err
}

func changesTopics(req kmsg.Request) bool {
	name := kmsg.NameForKey(req.Key())
	return name == "Metadata" || strings.HasPrefix(name, "Create") || strings.HasPrefix(name, "Delete") || strings.Contains(name, "Alter")
}

func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
