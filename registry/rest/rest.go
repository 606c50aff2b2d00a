// Package rest is Confluent's REST API of the schema registry: routes, bodies, codes.
// What a request means is decided in registry/state; who may ask is decided before the
// Handler, by web.
package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamhouse/streamhouse/registry"
	"github.com/streamhouse/streamhouse/registry/schema"
	"github.com/streamhouse/streamhouse/registry/subject"
	"github.com/streamhouse/streamhouse/web"
)

// Options are what a Handler is made of.
type Options struct {
	Registry *registry.Registry
	// ClusterID and GroupID are told by /v1/metadata/id.
	ClusterID, GroupID string
	Version, Commit    string
	// BodyMax bounds the body of a request in bytes.
	BodyMax int64
	// SearchDefault and SearchMax are how many schemas a list has that asks for no
	// number, and at most.
	SearchDefault, SearchMax int
	Metrics                  prometheus.Registerer
}

// atWorkMax bounds the requests that are worked on at a time; others wait.
const atWorkMax = 64

// Handler answers the API.
type Handler struct {
	o       Options
	work    chan struct{}
	count   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

// New makes a Handler.
func New(o Options) *Handler {
	h := &Handler{
		o: o, work: make(chan struct{}, atWorkMax),
		count: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "streamhouse_registry_requests_total", Help: "Requests of the schema registry's API, by route and HTTP status.",
		}, []string{"route", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "streamhouse_registry_request_seconds", Help: "Time to the answer of a request of the schema registry's API, by route.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 8),
		}, []string{"route"}),
	}
	o.Metrics.MustRegister(h.count, h.seconds)
	return h
}

// Looks says whether a request changes nothing: lookups and checks are POSTs that do not.
func Looks(r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions {
		return true
	}
	route, _, _ := match(r.URL.EscapedPath())
	return r.Method == http.MethodPost && route != nil && route.looks
}

// Refuse answers a request that web did not let in.
func Refuse(w http.ResponseWriter, _ *http.Request, f *web.Fault) {
	write(w, media[0], f.Status, fault{f.Status, f.Detail + ": " + f.Hint})
}

// Unready answers while there is no registry yet.
func Unready(w http.ResponseWriter, _ *http.Request) {
	write(w, media[0], http.StatusServiceUnavailable, fault{http.StatusServiceUnavailable, "the registry's topic is being read"})
}

// media are the types of answers, the default first.
var media = []string{"application/vnd.schemaregistry.v1+json", "application/vnd.schemaregistry+json", "application/json"}

type fault struct {
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

// request is one request on its way.
type request struct {
	*http.Request
	h       *Handler
	query   url.Values
	context string            // of /contexts/{c}/..
	path    map[string]string // parts of the path by the route's names
}

// ServeHTTP answers.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	name := "unknown"
	kind, ok := accepted(r.Header.Values("Accept"))
	var answer any
	var err error = schema.Errorf(schema.NotAcceptable, "HTTP 406 Not Acceptable")
	if ok {
		name, answer, err = h.answer(r)
	}
	status := http.StatusOK
	if err != nil {
		var e *schema.Error
		if !errors.As(err, &e) {
			e = schema.Errorf(50001, "%v", err)
		}
		if status = int(e.Code); status >= 10000 {
			status /= 100
		}
		answer = fault{int(e.Code), e.Message}
	} else if answer == nil {
		status = http.StatusNoContent
	}
	write(w, kind, status, answer)
	h.count.WithLabelValues(name, strconv.Itoa(status)).Inc()
	h.seconds.WithLabelValues(name).Observe(time.Since(began).Seconds())
}

// bare is an answer that is a text of its own and not put into quotes.
type bare string

func write(w http.ResponseWriter, kind string, status int, answer any) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", kind)
	if status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="schema registry"`)
	}
	w.WriteHeader(status)
	if text, ok := answer.(bare); ok {
		_, _ = io.WriteString(w, string(text)) // a client that left
		return
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(answer) // as above
}

// accepted picks the type of the answer.
func accepted(headers []string) (string, bool) {
	best, quality := "", 0.0
	given := false
	for part := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		given = true
		kind, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if text, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		for _, m := range media {
			if (kind == m || kind == "*/*" || kind == "application/*") && q > quality {
				best, quality = m, q
			}
		}
	}
	if !given {
		return media[0], true
	}
	if best == "" {
		return media[0], false
	}
	return best, true
}

// answer finds the route and does what it says.
func (h *Handler) answer(r *http.Request) (route string, answer any, err error) {
	to, context, path := match(r.URL.EscapedPath())
	if to == nil {
		return "unknown", nil, schema.Errorf(schema.NotFound, "HTTP 404 Not Found")
	}
	do := to.methods[r.Method]
	if do == nil {
		return to.name, nil, schema.Errorf(405, "HTTP 405 Method Not Allowed")
	}
	if err := h.o.Registry.Ready(); err != nil && !to.always {
		return to.name, nil, schema.Errorf(503, "%v", err)
	}
	select {
	case h.work <- struct{}{}:
		defer func() { <-h.work }()
	case <-r.Context().Done():
		return to.name, nil, schema.Errorf(schema.TimedOut, "the client has gone")
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return to.name, nil, schema.Errorf(400, "HTTP 400 Bad Request: %v", err)
	}
	answer, err = do(&request{Request: r, h: h, query: query, context: context, path: path})
	return to.name, answer, err
}

// flag is true for "true" in any case.
func (r *request) flag(name string) bool { return strings.EqualFold(r.query.Get(name), "true") }

// name is the subject of a path's part.
func (r *request) name(part string) subject.Name {
	return subject.Parse(subject.Qualify(r.context, part))
}

// subject is the subject of the path; a config's alias stands for another.
func (r *request) subject() subject.Name { return r.alias(r.name(r.path["s"])) }

func (r *request) alias(n subject.Name) subject.Name {
	x := r.look().Subject(n)
	if x == nil || x.Config == nil || x.Config.Alias == "" {
		return n
	}
	return subject.Parse(subject.Qualify(n.Context, x.Config.Alias))
}

// window cuts a list by offset and limit; most is the longest, fallback the usual length;
// 0: no bound.
func window[T any](r *request, all []T, fallback, most int) ([]T, error) {
	offset, limit := 0, -1
	for name, to := range map[string]*int{"offset": &offset, "limit": &limit} {
		text := r.query.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, schema.Errorf(schema.NotFound, "HTTP 404 Not Found: %s is no number", name)
		}
		*to = n
	}
	if limit < 0 && fallback > 0 {
		limit = fallback
	}
	if most > 0 && (limit < 0 || limit > most) {
		limit = most
	}
	all = all[min(max(offset, 0), len(all)):]
	if limit >= 0 {
		all = all[:min(limit, len(all))]
	}
	if all == nil {
		all = []T{}
	}
	return all, nil
}

// body reads the JSON of a request. Errors: 400, 413, 415, 422.
func (r *request) body(into any) error {
	if kind := r.Header.Get("Content-Type"); kind != "" {
		media1, _, err := mime.ParseMediaType(kind)
		if err != nil || !bodyType(media1) {
			return schema.Errorf(415, "HTTP 415 Unsupported Media Type")
		}
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, r.h.o.BodyMax+1))
	switch {
	case err != nil:
		return schema.Errorf(400, "the body was not read: %v", err)
	case int64(len(data)) > r.h.o.BodyMax:
		return schema.Errorf(413, "the body is larger than %d bytes", r.h.o.BodyMax)
	case strings.TrimSpace(string(data)) == "" || strings.TrimSpace(string(data)) == "null":
		return schema.Errorf(schema.Unprocessable, "the request has no body")
	}
	if err := json.Unmarshal(data, into); err != nil {
		return schema.Errorf(400, "the body is not the JSON that it should be: %v", err)
	}
	return nil
}

func bodyType(kind string) bool {
	for _, m := range media {
		if kind == m {
			return true
		}
	}
	return kind == "application/octet-stream"
}

// number reads a part of the path that has to be a number; other texts name nothing.
func (r *request) number(part string) (int32, error) {
	n, err := strconv.ParseInt(r.path[part], 10, 32)
	if err != nil {
		return 0, schema.Errorf(schema.NotFound, "HTTP 404 Not Found")
	}
	return int32(n), nil
}

// version is the version of the path.
func (r *request) version() (int32, error) {
	n, err := subject.ParseVersion(r.path["v"])
	if err != nil {
		return 0, schema.Errorf(schema.InvalidVersion, "%v", fmt.Sprint(err))
	}
	return n, nil
}
