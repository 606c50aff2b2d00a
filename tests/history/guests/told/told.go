// Package told is what the guests that are written in Go have in common: what they are
// told, what they answer, and the loop between. README.md in the folder above says what
// each word means. It knows no client library. The programs are modules of their own, so
// that only they depend on their libraries, and this is one because they import it.
package told

import (
	"bufio"
	"encoding/json"
	"errors"
	"log"
	"os"
	"time"
)

// Config is what a program is started with.
type Config struct {
	Brokers          string
	TransactionalID  string `json:"transactional_id"`
	Group, In        string
	TxnTimeoutMs     int `json:"txn_timeout_ms"`
	RequestTimeoutMs int `json:"request_timeout_ms"`
	PatienceMs       int `json:"patience_ms"`
	SessionTimeoutMs int `json:"session_timeout_ms"`
	TakeMax          int `json:"take_max"`
}

// RequestTimeout is how long one request to the broker may take.
func (c Config) RequestTimeout() time.Duration {
	return time.Duration(c.RequestTimeoutMs) * time.Millisecond
}

// Patience is how long a library may try.
func (c Config) Patience() time.Duration { return time.Duration(c.PatienceMs) * time.Millisecond }

// Calls is what a program does about each `do`; nil for what its library lacks, which it
// is never told to do.
type Calls struct {
	Open, Begin, Commit, Abort func() error
	Offsets                    func([]Offset) error
	Send                       func([]Record) ([]Sent, error)
	Read                       func(from []Offset, isolation string) error
	Poll, Take                 func() (Parts, error)
	Drop                       func(what string)
	// MustAbort says whether by this error the transaction is to be aborted, and the
	// producer goes on; nil where no error says it.
	MustAbort func(error) bool
}

// Record is one to be sent.
type Record struct {
	Topic     string
	Partition int32
	Value     []byte
}

// Offset is one of a partition.
type Offset struct {
	Topic     string
	Partition int32
	Offset    int64
}

// Sent is what became of a record: it has an offset or an error.
type Sent struct {
	Offset *int64 `json:"offset,omitempty"`
	Error  string `json:"error,omitempty"`
}

type command struct {
	Do, What, Isolation string
	Records             []Record
	Offsets             []Offset
}

type answer struct {
	Error   string `json:"error,omitempty"`
	Abort   bool   `json:"abort,omitempty"`
	Records []Sent `json:"records,omitempty"`
	Parts   Parts  `json:"parts,omitempty"`
}

// Main does what standard input says, one line after the other, until it ends.
func Main(start func(Config) Calls) {
	var config Config
	if err := json.Unmarshal([]byte(os.Args[1]), &config); err != nil {
		log.Fatal(err)
	}
	calls := start(config)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			log.Fatal(err)
		}
		a, err := calls.carryOut(c)
		if err != nil {
			a = answer{Error: err.Error(), Abort: calls.MustAbort != nil && calls.MustAbort(err)}
		}
		if err := out.Encode(a); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}

func (calls Calls) carryOut(c command) (a answer, err error) {
	switch c.Do {
	case "open":
		return a, calls.Open()
	case "begin":
		return a, calls.Begin()
	case "send":
		a.Records, err = calls.Send(c.Records)
		return a, err
	case "offsets":
		return a, calls.Offsets(c.Offsets)
	case "commit":
		return a, calls.Commit()
	case "abort":
		return a, calls.Abort()
	case "read":
		return a, calls.Read(c.Offsets, c.Isolation)
	case "poll":
		a.Parts, err = calls.Poll()
		return a, err
	case "take":
		a.Parts, err = calls.Take()
		return a, err
	case "drop":
		calls.Drop(c.What)
		return a, nil
	}
	return a, errors.New("told to " + c.Do)
}

// End gives a client that is dropped a moment to end. nil is none.
func End(client func() error) {
	if client == nil {
		return
	}
	ended := make(chan error, 1)
	go func() { ended <- client() }()
	select {
	case err := <-ended:
		if err != nil {
			log.Print("close: ", err) // it is not used again
		}
	case <-time.After(2 * time.Second):
	}
}
