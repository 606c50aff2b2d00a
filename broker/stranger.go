package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// What else is spoken to a Kafka port, mostly since somebody mixed up ports or settings.
// A client of such a protocol cannot say what is wrong, so the broker's log has to.
var (
	errTLS = errors.New("this is a TLS handshake and the listener takes plain connections: set security.protocol=PLAINTEXT in the client")
	// errHTTP: a browser, a scraper or a probe.
	errHTTP = errors.New("this is HTTP and the listener speaks Kafka's protocol: health and metrics are at http.listen")
)

// httpText is what an HTTP client can show to a person.
const httpText = "This port speaks Kafka's protocol. Health and metrics are at the broker's http.listen port.\n"

// httpAnswerMax bounds the wait for a client that takes not even that.
const httpAnswerMax = time.Second

// stranger says what a connection speaks whose first four bytes are no length that is
// read, and answers what can be answered. It returns why the connection ends.
func (c *conn) stranger(length int, err error) error {
	var first [4]byte
	binary.BigEndian.PutUint32(first[:], uint32(int32(length)))
	switch {
	case first[0] == 0x16 && first[1] == 3: // a handshake's record, of any version
		return fmt.Errorf("%w: %w", errTLS, err)
	case isHTTP(string(first[:])):
		// Nothing was answered before, so the writer has nothing to send.
		_ = c.nc.SetWriteDeadline(time.Now().Add(httpAnswerMax))
		// A courtesy; the log has the reason in any case.
		_, _ = fmt.Fprintf(c.nc, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(httpText), httpText)
		return fmt.Errorf("%w: %w", errHTTP, err)
	}
	return err
}

// isHTTP knows the methods by their first letters; PRI begins HTTP/2.
func isHTTP(first string) bool {
	switch first {
	case "GET ", "HEAD", "POST", "PUT ", "DELE", "OPTI", "PATC", "CONN", "TRAC", "PRI ":
		return true
	}
	return false
}
