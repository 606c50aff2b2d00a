package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/streamhouse/streamhouse/client"
)

func produceCommand(s *session) *cobra.Command {
	var key, separator string
	var headers []string
	var partition int32
	c := &cobra.Command{
		Use:     "produce TOPIC",
		Short:   "write lines of stdin to a topic",
		Long:    "Writes each line of stdin to a topic as the value of a record, each once and in order, and ends when stdin does and all is acknowledged. If a line fails, the fault names it.",
		Example: "  echo hello | streamhouse produce orders --key user123",
		Args:    needs(1, "TOPIC"),
	}
	c.Flags().StringVar(&key, "key", "", "the key of all records; none if not given")
	c.Flags().StringVar(&separator, "key-separator", "", "a line is a key and a value with this `TEXT` in between")
	c.Flags().StringArrayVar(&headers, "header", nil, "a header of all records, as `NAME=VALUE`; may be given again")
	c.Flags().Int32Var(&partition, "partition", -1, "write to partition `N`; the key chooses if not given")
	hideDefault(c, "partition")
	c.RunE = func(c *cobra.Command, args []string) error {
		like := client.Record{Partition: partition}
		switch {
		case c.Flags().Changed("key") && separator != "":
			return &client.Fault{Kind: client.Invalid, What: "--key and --key-separator say two things about the key", Next: "give one of them"}
		case c.Flags().Changed("partition") && partition < 0:
			return &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("--partition %d is none", partition), Next: "they begin at 0"}
		case c.Flags().Changed("key"):
			like.Key = []byte(key)
		}
		for _, h := range headers {
			name, value, ok := strings.Cut(h, "=")
			if !ok {
				return &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("--header %q is none", h), Next: "write NAME=VALUE"}
			}
			like.Headers = append(like.Headers, client.Header{Key: name, Value: []byte(value)})
		}
		cl, err := s.connect(c.Context())
		if err != nil {
			return err
		}
		defer cl.Close()
		p, err := cl.Producer(c.Context(), args[0])
		if err != nil {
			return err
		}
		defer p.Close()
		written, err := p.Write(c.Context(), lines(s.In, p.Most(), separator, like))
		if written > 0 || err == nil {
			s.note("%s written to %q", plural(written, "record"), args[0])
		}
		return err
	}
	return c
}

// lines returns a function that makes records of lines: like one, with the line for its value.
// most is the longest line, in bytes.
func lines(in io.Reader, most int, separator string, like client.Record) func() (client.Record, error) {
	scan := bufio.NewScanner(in)
	scan.Buffer(make([]byte, 0, min(most+2, 64<<10)), most+2) // with the end of the line
	scan.Split(wholeLines)
	n := 0
	return func() (client.Record, error) {
		n++
		r := like
		if !scan.Scan() {
			switch err := scan.Err(); {
			case err == nil:
				return r, io.EOF
			case errors.Is(err, bufio.ErrTooLong):
				return r, &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("line %d is longer than the %d bytes that the topic takes", n, most),
					Why: "max.message.bytes", Next: fmt.Sprintf("%s before it went in", plural(n-1, "line"))}
			default:
				return r, &client.Fault{What: "cannot read stdin", Why: err.Error(), Err: err}
			}
		}
		r.Value = bytes.Clone(scan.Bytes())
		if r.Value == nil {
			r.Value = []byte{} // an empty line is an empty value, and null would delete
		}
		if separator == "" {
			return r, nil
		}
		key, value, ok := bytes.Cut(r.Value, []byte(separator))
		if !ok {
			return r, &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("line %d has no %q between key and value", n, separator),
				Next: fmt.Sprintf("%s before it went in", plural(n-1, "line"))}
		}
		r.Key, r.Value = key, value
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
