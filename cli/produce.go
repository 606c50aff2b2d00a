package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamhouse/streamhouse/cli/output"
	"github.com/streamhouse/streamhouse/client"
)

func produceCommand(s *session) *cobra.Command {
	var key, separator, file, input, compression, timestamp string
	var headers []string
	var partition int32
	var tombstone, keyChooses bool
	c := &cobra.Command{
		Use:   "produce TOPIC",
		Short: "write lines of stdin to a topic",
		Long: "Writes each line of stdin to a topic as the value of a record, each once and in order, and ends when stdin does and all is acknowledged. If a line fails, the fault names it. " +
			"With --input ndjson each line is an object as \"consume -o ndjson\" prints it, and goes to the partition that it names.",
		Example: "  echo hello | streamhouse produce orders --key user123\n" +
			"  streamhouse consume orders -e -o ndjson | streamhouse produce copy --input ndjson",
		Args: needs(1, "TOPIC"),
	}
	f := c.Flags()
	f.StringVar(&key, "key", "", "the key of all records; none if not given")
	f.StringVar(&separator, "key-separator", "", "a line is a key and a value with this `TEXT` in between")
	f.StringArrayVar(&headers, "header", nil, "a header of all records, as `NAME=VALUE`; may be given again")
	f.Int32Var(&partition, "partition", -1, "write to partition `N`; the key chooses if not given")
	f.BoolVar(&keyChooses, "repartition", false, "with --input ndjson: the key chooses, not the partition that a record names")
	f.StringVar(&timestamp, "timestamp", "", "the `TIME` of all records; now if not given")
	f.BoolVar(&tombstone, "tombstone", false, "write one record without a value for --key, and read nothing")
	f.StringVar(&file, "file", "", "read `FILE` instead of stdin")
	f.StringVar(&input, "input", "lines", "`lines|ndjson|whole`: a record is a line, an object, or all there is")
	f.StringVar(&compression, "compression", "", "`none|gzip|snappy|lz4|zstd`; snappy if not given")
	hideDefault(c, "partition")
	c.RunE = func(c *cobra.Command, args []string) error {
		like := client.Record{Partition: partition}
		conflict := func(what string) error {
			return &client.Fault{Kind: client.Invalid, What: what, Next: "give one of them"}
		}
		switch {
		case f.Changed("key") && separator != "":
			return conflict("--key and --key-separator say two things about the key")
		case input != "lines" && separator != "":
			return conflict("--key-separator is for lines, and --input is " + input)
		case input == "ndjson" && (f.Changed("key") || f.Changed("timestamp") || len(headers) > 0):
			return conflict("with --input ndjson a record says itself what key, time and headers it has: --key, --timestamp and --header say it again")
		case keyChooses && (f.Changed("partition") || input != "ndjson"):
			return conflict("--repartition is for --input ndjson, without --partition")
		case tombstone && (!f.Changed("key") || separator != "" || f.Changed("input") || file != ""):
			return &client.Fault{Kind: client.Invalid, What: "--tombstone needs --key, and reads nothing", Next: "give the key of what is to be deleted, and no input"}
		case f.Changed("partition") && partition < 0:
			return &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("--partition %d is none", partition), Next: "they begin at 0"}
		case f.Changed("key"):
			like.Key = []byte(key)
		}
		if f.Changed("timestamp") {
			at, err := client.ParseTime(timestamp, time.Now())
			if err != nil {
				return fmt.Errorf("--timestamp: %w", err)
			}
			like.Timestamp = at
		}
		for _, h := range headers {
			name, value, ok := strings.Cut(h, "=")
			if !ok {
				return &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("--header %q is none", h), Next: "write NAME=VALUE"}
			}
			like.Headers = append(like.Headers, client.Header{Key: name, Value: []byte(value)})
		}
		in := s.In
		if file != "" {
			opened, err := os.Open(file)
			if err != nil {
				return &client.Fault{Kind: client.Invalid, What: "cannot read --file", Why: err.Error(), Err: err}
			}
			defer func() { _ = opened.Close() }()
			in = opened
		}
		cl, err := s.connect(c.Context())
		if err != nil {
			return err
		}
		defer cl.Close()
		p, err := cl.Producer(c.Context(), args[0], compression)
		if err != nil {
			return err
		}
		defer p.Close()
		var next func() (client.Record, error)
		switch {
		case tombstone:
			next = once(like)
		case input == "lines":
			next = lines(in, p.Most(), separator, like)
		case input == "ndjson":
			next = objects(in, p.Most(), partition, keyChooses)
		case input == "whole":
			next = whole(in, p.Most(), like)
		default:
			return &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("--input %q is no form", input), Next: "give lines, ndjson or whole"}
		}
		written, err := p.Write(c.Context(), next)
		if written > 0 || err == nil {
			s.note("%s written to %q", plural(written, "record"), args[0])
		}
		return err
	}
	return c
}

// scanner returns a function that returns the next line and its number, io.EOF at the end.
// most is the longest line, in bytes; a longer one is a fault that says why.
func scanner(in io.Reader, most int, why string) func() ([]byte, int, error) {
	scan := bufio.NewScanner(in)
	scan.Buffer(make([]byte, 0, min(most+2, 64<<10)), most+2) // with the end of the line
	scan.Split(wholeLines)
	n := 0
	return func() ([]byte, int, error) {
		n++
		if scan.Scan() {
			return scan.Bytes(), n, nil
		}
		switch err := scan.Err(); {
		case err == nil:
			return nil, n, io.EOF
		case errors.Is(err, bufio.ErrTooLong):
			return nil, n, badLine(n, fmt.Sprintf("is longer than the %d bytes that the topic takes", most), why)
		default:
			return nil, n, &client.Fault{What: "cannot read the input", Why: err.Error(), Err: err}
		}
	}
}

// badLine is the fault of line n.
func badLine(n int, what, why string) error {
	return &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("line %d %s", n, what), Why: why, Next: fmt.Sprintf("%s before it went in", plural(n-1, "line"))}
}

// lines returns a function that makes records of lines: like one, with the line for its value.
// most is the longest line, in bytes.
func lines(in io.Reader, most int, separator string, like client.Record) func() (client.Record, error) {
	next := scanner(in, most, "max.message.bytes")
	return func() (client.Record, error) {
		r := like
		line, n, err := next()
		if err != nil {
			return r, err
		}
		r.Value = bytes.Clone(line)
		if r.Value == nil {
			r.Value = []byte{} // an empty line is an empty value, and null would delete
		}
		if separator == "" {
			return r, nil
		}
		key, value, ok := bytes.Cut(r.Value, []byte(separator))
		if !ok {
			return r, badLine(n, fmt.Sprintf("has no %q between key and value", separator), "")
		}
		r.Key, r.Value = key, value
		return r, nil
	}
}

// objectRoom is how much longer than its record an object may be: what is escaped takes six
// bytes, and the names of members come on top.
const (
	objectRatio = 6
	objectRoom  = 64 << 10
)

// objects returns a function that makes records of NDJSON. partition, if it is none, is that
// of each record, unless the key chooses.
func objects(in io.Reader, most int, partition int32, keyChooses bool) func() (client.Record, error) {
	next := scanner(in, most*objectRatio+objectRoom, "max.message.bytes")
	return func() (client.Record, error) {
		line, n, err := next()
		if err != nil {
			return client.Record{}, err
		}
		r, err := output.ParseRecord(line)
		if err != nil {
			return r, badLine(n, "is no record", err.Error())
		}
		if partition >= 0 || keyChooses {
			r.Partition = partition
		}
		return r, nil
	}
}

// whole makes one record of all there is.
func whole(in io.Reader, most int, like client.Record) func() (client.Record, error) {
	done := false
	return func() (client.Record, error) {
		if done {
			return like, io.EOF
		}
		done = true
		b, err := io.ReadAll(io.LimitReader(in, int64(most)+1))
		switch {
		case err != nil:
			return like, &client.Fault{What: "cannot read the input", Why: err.Error(), Err: err}
		case len(b) > most:
			return like, &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("the input is longer than the %d bytes that the topic takes", most), Why: "max.message.bytes"}
		}
		r := like
		r.Value = b
		return r, nil
	}
}

// once returns one record.
func once(r client.Record) func() (client.Record, error) {
	done := false
	return func() (client.Record, error) {
		if done {
			return r, io.EOF
		}
		done = true
		return r, nil
	}
}

// wholeLines splits at \n and keeps all else: a carriage return belongs to the value.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}
