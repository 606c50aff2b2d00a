// Package httpapi answers statements over HTTP: POST with a statement, as one JSON answer or
// as a stream; what runs can be cancelled.
package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/streamhouse/streamhouse/sql"
	"github.com/streamhouse/streamhouse/sql/parse"
	"github.com/streamhouse/streamhouse/sql/plan"
	"github.com/streamhouse/streamhouse/sql/value"
	"github.com/streamhouse/streamhouse/web"
)

const (
	// rowsMax is how many rows one JSON answer holds; a stream has no such bound.
	rowsMax = 10_000
	// bodyMax bounds a request: the statement, and as much again for parameters.
	bodyMax = 2*parse.TextMax + 64<<10
	// progressEvery is how often a stream tells how far it is, at most.
	progressEvery = time.Second
	// flushEvery is how long rows wait for others, at most.
	flushEvery = 100 * time.Millisecond
)

// Handler serves /api/v1/sql. Engine returns nil until there is one.
type Handler struct {
	Engine func() *sql.Engine
	mux    *http.ServeMux
}

// New makes the handler; paths are below its mount.
func New(engine func() *sql.Engine) *Handler {
	h := &Handler{Engine: engine, mux: http.NewServeMux()}
	h.mux.HandleFunc("POST /{$}", h.query)
	h.mux.HandleFunc("DELETE /{id}", h.cancel)
	h.mux.HandleFunc("GET /catalog", h.catalog)
	return h
}

// Looks says that a request changes nothing: statements do not, as long as none is built that
// does; ending a query does.
func Looks(r *http.Request) bool { return r.Method != http.MethodDelete }

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "" {
		r.URL.Path = "/"
	}
	if h.Engine() == nil {
		problem(w, http.StatusServiceUnavailable, value.Errorf("57P03", "the broker is starting"))
		return
	}
	h.mux.ServeHTTP(w, r)
}

// request is a statement with its parameters, by their JSON types.
type request struct {
	Query      string            `json:"query"`
	Parameters []json.RawMessage `json:"parameters"`
	TimeoutMs  int64             `json:"timeout_ms"`
}

// problem answers in the form of RFC 9457, with what SQL says.
func problem(w http.ResponseWriter, status int, e *value.Error) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(faultJSON(e, http.StatusText(status), status), '\n')) // who does not read it is gone
}

func faultJSON(e *value.Error, title string, status int) []byte {
	b := []byte{'{'}
	if title != "" {
		b = value.AppendQuoted(append(b, `"title":`...), title)
		b = strconv.AppendInt(append(b, `,"status":`...), int64(status), 10)
		b = append(b, ',')
	}
	b = value.AppendQuoted(append(b, `"detail":`...), e.Message)
	b = value.AppendQuoted(append(b, `,"sqlstate":`...), e.Code)
	if e.Position > 0 {
		b = strconv.AppendInt(append(b, `,"position":`...), int64(e.Position), 10)
	}
	if e.Hint != "" {
		b = value.AppendQuoted(append(b, `,"hint":`...), e.Hint)
	}
	return append(b, '}')
}

// status is HTTP's word for a SQLSTATE.
func status(e *value.Error) int {
	switch {
	case e.Code == value.OutOfMemory:
		return http.StatusTooManyRequests
	case e.Code == value.Canceled:
		return http.StatusRequestTimeout
	case e.Code == value.UndefinedTable:
		return http.StatusNotFound
	case e.Code == value.IOError || strings.HasPrefix(e.Code, "XX"):
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

// asError is an error as SQL says it.
func asError(err error) *value.Error {
	var e *value.Error
	if errors.As(err, &e) {
		return e
	}
	return value.Errorf("XX000", "%v", err)
}

// userOf is who sends a request.
func userOf(r *http.Request) sql.User {
	u := sql.User{Name: web.Principal(r.Context()).String()}
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		u.Host = at.Addr().Unmap()
	}
	return u
}

func (h *Handler) query(w http.ResponseWriter, r *http.Request) {
	if kind := r.Header.Get("Content-Type"); kind != "" && !strings.HasPrefix(kind, "application/json") {
		problem(w, http.StatusUnsupportedMediaType, value.Errorf("08P01", "the body is of type %q", kind).WithHint("send application/json: {\"query\": \"SELECT 1\"}"))
		return
	}
	var req request
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyMax))
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil {
		problem(w, http.StatusBadRequest, value.Errorf("08P01", "the body cannot be read: %v", err).WithHint("send {\"query\": \"SELECT 1\", \"parameters\": [], \"timeout_ms\": 0}"))
		return
	}
	_, _ = io.Copy(io.Discard, r.Body) // a client that hangs up is noticed once the body was read
	a := answer{w: w, r: r, began: time.Now(), session: h.Engine().NewSession(userOf(r))}
	if web.Streams(r) {
		a.stream = web.NewStream(w, r)
	}
	rows, err := a.run(r.Context(), &req)
	if err != nil {
		a.fail(asError(err))
		return
	}
	defer rows.Close()
	if a.stream != nil {
		err = a.streamed(rows)
	} else {
		err = a.whole(rows)
	}
	if err != nil {
		rows.Close()
		a.fail(asError(err))
	}
}

// answer is a request on its way.
type answer struct {
	w       http.ResponseWriter
	r       *http.Request
	session *sql.Session
	stream  *web.Stream
	sent    bool // something of the stream
	began   time.Time
	rows    int64
	buf     []byte
}

// run runs the statements of a request; the rows are the last one's.
func (a *answer) run(ctx context.Context, req *request) (*sql.Rows, error) {
	list, err := sql.Parse(req.Query)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return &sql.Rows{}, nil
	}
	timeout := time.Duration(max(req.TimeoutMs, 0)) * time.Millisecond
	if len(list) > 1 && len(req.Parameters) > 0 {
		return nil, value.Errorf(value.SyntaxError, "several statements take no parameters")
	}
	for i, st := range list {
		p, err := a.session.Prepare(st, nil)
		if err != nil {
			return nil, err
		}
		params, err := parameters(p, req.Parameters)
		if err != nil {
			return nil, err
		}
		rows, err := a.session.Run(ctx, p, params, timeout)
		if err != nil || i == len(list)-1 {
			return rows, err
		}
		for {
			b, err := rows.Next()
			if err != nil {
				return nil, err
			}
			if b == nil {
				break
			}
		}
		rows.Close()
	}
	return nil, nil
}

// parameters brings JSON values to the types of a statement's parameters.
func parameters(p *sql.Prepared, given []json.RawMessage) ([]value.Value, error) {
	out := make([]value.Value, len(given))
	for i, raw := range given {
		if i >= len(p.Params) {
			return nil, value.Errorf("08P01", "the statement has %d parameters, %d were given", len(p.Params), len(given))
		}
		v := value.FromJSON(string(raw))
		if v.IsNull() {
			continue
		}
		var err error
		if out[i], err = value.Cast(v, p.Params[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func columnsJSON(b []byte, cols []plan.Column) []byte {
	b = append(b, '[')
	for i, c := range cols {
		if i > 0 {
			b = append(b, ',')
		}
		b = value.AppendQuoted(append(b, `{"name":`...), c.Name)
		b = append(value.AppendQuoted(append(b, `,"type":`...), c.Type.String()), '}')
	}
	return append(b, ']')
}

func rowJSON(b []byte, row []value.Value) []byte {
	b = append(b, '[')
	for i, v := range row {
		if i > 0 {
			b = append(b, ',')
		}
		b = v.AppendJSON(b)
	}
	return append(b, ']')
}

func noticesJSON(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, n := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = value.AppendQuoted(b, n)
	}
	return append(b, ']')
}

// statsJSON is what a query took.
func (a *answer) statsJSON(b []byte, rows *sql.Rows) []byte {
	b = strconv.AppendInt(append(b, `"row_count":`...), a.rows, 10)
	if p := rows.Progress; p != nil {
		b = strconv.AppendInt(append(b, `,"records_read":`...), p.Rows.Load(), 10)
		b = strconv.AppendInt(append(b, `,"bytes_read":`...), p.Bytes.Load(), 10)
		b = strconv.AppendInt(append(b, `,"reads":`...), p.Reads.Load(), 10)
	}
	return strconv.AppendInt(append(b, `,"elapsed_ms":`...), time.Since(a.began).Milliseconds(), 10)
}

// whole answers with one JSON object, or an error if it would be too large.
func (a *answer) whole(rows *sql.Rows) error {
	b := append(columnsJSON([]byte(`{"columns":`), rows.Columns), `,"rows":[`...)
	for {
		batch, err := rows.Next()
		if err != nil {
			return err
		}
		if batch == nil {
			break
		}
		for i := range batch.N {
			if a.rows++; a.rows > rowsMax || len(b) > 64<<20 {
				return value.Errorf(value.TooMany, "the answer has more than %d rows, or 64 MiB", rowsMax).
					WithHint("ask for a stream (Accept: application/x-ndjson), or add LIMIT")
			}
			if a.rows > 1 {
				b = append(b, ',')
			}
			b = rowJSON(b, batch.Row(i))
		}
	}
	b = noticesJSON(append(b, `],"notices":`...), rows.Notices())
	b = append(a.statsJSON(append(b, `,"stats":{`...), rows), "}}\n"...)
	h := a.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	// The server's own bound of an answer began with the request.
	_ = http.NewResponseController(a.w).SetWriteDeadline(time.Now().Add(30 * time.Second))
	_, _ = a.w.Write(b) // who does not read it is gone
	return nil
}

// streamed answers with events: columns, rows, progress, notice, done.
func (a *answer) streamed(rows *sql.Rows) error {
	a.sent = true
	head := columnsJSON([]byte(`{"columns":`), rows.Columns)
	if rows.Running != nil {
		head = strconv.AppendInt(append(head, `,"id":`...), rows.Running.ID, 10)
	}
	if err := a.stream.Send("columns", append(head, '}')); err != nil {
		return err
	}
	flushed, told := time.Now(), time.Now()
	for {
		batch, err := rows.Next()
		if err != nil {
			return err
		}
		if batch == nil {
			break
		}
		b := append(a.buf[:0], `{"rows":[`...)
		for i := range batch.N {
			if i > 0 {
				b = append(b, ',')
			}
			b = rowJSON(b, batch.Row(i))
		}
		a.buf = append(b, "]}"...)
		a.rows += int64(batch.N)
		if err := a.stream.Send("rows", a.buf); err != nil {
			return err
		}
		now := time.Now()
		if now.Sub(told) > progressEvery {
			told = now
			if err := a.stream.Send("progress", append(a.statsJSON([]byte{'{'}, rows), '}')); err != nil {
				return err
			}
		}
		if now.Sub(flushed) > flushEvery {
			flushed = now
			if err := a.stream.Flush(); err != nil {
				return err
			}
		}
	}
	for _, n := range rows.Notices() {
		if err := a.stream.Send("notice", append(value.AppendQuoted([]byte(`{"message":`), n), '}')); err != nil {
			return err
		}
	}
	if err := a.stream.Send("done", append(a.statsJSON([]byte{'{'}, rows), '}')); err != nil {
		return err
	}
	return a.stream.Flush()
}

// fail says that the statement failed: as the answer, or as the stream's last line.
func (a *answer) fail(e *value.Error) {
	if !a.sent {
		problem(a.w, status(e), e)
		return
	}
	if a.stream.Send("error", faultJSON(e, "", 0)) == nil {
		_ = a.stream.Flush() // who does not read it is gone
	}
}

func (h *Handler) cancel(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || !h.Engine().Kill(web.Principal(r.Context()).String(), false, id) {
		problem(w, http.StatusNotFound, value.Errorf("42704", "no query %s of yours runs", r.PathValue("id")))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// catalogMax is how many names one answer has.
const catalogMax = 1000

// catalog has names that begin with a prefix: topics and functions.
func (h *Handler) catalog(w http.ResponseWriter, r *http.Request) {
	prefix := strings.ToLower(r.URL.Query().Get("prefix"))
	s := h.Engine().NewSession(userOf(r))
	var list []map[string]string
	add := func(kind, name, detail string) {
		if strings.HasPrefix(strings.ToLower(name), prefix) && len(list) < catalogMax {
			list = append(list, map[string]string{"kind": kind, "name": name, "detail": detail})
		}
	}
	for _, n := range s.Names() {
		add("topic", n, "")
	}
	for _, f := range plan.Functions() {
		add("function", f.Name, f.Doc)
	}
	for n, f := range plan.Aggregates() {
		add("aggregate", n, f.Doc)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"names": list}) // who does not read it is gone
}
