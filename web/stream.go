package web

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// streamStall is how long a client may take nothing of a stream before it is cut off.
const streamStall = 30 * time.Second

// Stream writes events as they come: server-sent events, or NDJSON with the event's name as
// the field "event" in front, as the client accepts.
type Stream struct {
	w     http.ResponseWriter
	c     *http.ResponseController
	sse   bool
	begun bool
	buf   []byte
}

// Streams says whether a request asks for a stream, and not for one JSON answer.
func Streams(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "application/x-ndjson") || strings.Contains(accept, "text/event-stream")
}

// NewStream makes the stream that a request asks for. Nothing is sent before the first event.
func NewStream(w http.ResponseWriter, r *http.Request) *Stream {
	return &Stream{w: w, c: http.NewResponseController(w), sse: strings.Contains(r.Header.Get("Accept"), "text/event-stream")}
}

// Send sends one event. data is a JSON object. The error is that of the connection: the client
// is gone, or takes nothing.
func (s *Stream) Send(event string, data []byte) error {
	if !s.begun {
		s.begun = true
		kind := "application/x-ndjson"
		if s.sse {
			kind = "text/event-stream"
		}
		h := s.w.Header()
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		s.w.WriteHeader(http.StatusOK)
	}
	s.buf = s.buf[:0]
	if s.sse {
		s.buf = append(append(append(append(append(s.buf, "event: "...), event...), "\ndata: "...), data...), "\n\n"...)
	} else {
		s.buf = append(append(append(s.buf, `{"event":"`...), event...), '"')
		if len(data) > 2 { // more than {}
			s.buf = append(s.buf, ',')
		}
		s.buf = append(append(s.buf, data[1:]...), '\n')
	}
	if err := s.patience(); err != nil {
		return err
	}
	if _, err := s.w.Write(s.buf); err != nil {
		return err
	}
	return nil
}

// Flush sends what was written so far.
func (s *Stream) Flush() error {
	if err := s.patience(); err != nil {
		return err
	}
	return unsupported(s.c.Flush())
}

// patience moves the deadline of writes: a stream may last, but not stand.
func (s *Stream) patience() error {
	return unsupported(s.c.SetWriteDeadline(time.Now().Add(streamStall)))
}

// unsupported is what a writer of tests answers.
func unsupported(err error) error {
	if errors.Is(err, http.ErrNotSupported) || errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}
