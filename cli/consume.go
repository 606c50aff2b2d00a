package cli

import (
	"bufio"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamhouse/streamhouse/cli/output"
	"github.com/streamhouse/streamhouse/client"
)

func consumeCommand(s *session) *cobra.Command {
	var what client.Consume
	var from, to, partitions, grep, format string
	var leaveAtEnd bool
	c := &cobra.Command{
		Use:   "consume TOPIC...",
		Short: "read topics, a line for each value",
		Long: "Reads topics and prints the value of each record as a line, from the start and on until Ctrl-C. With --group it reads as a member of that group, " +
			"commits what it has printed, goes on next time where it has committed, and leaves at Ctrl-C. With -o ndjson it prints all that a record has, as objects that " +
			"\"produce --input ndjson\" takes.",
		Example: "  streamhouse consume orders --group analytics --from earliest\n" +
			"  streamhouse consume orders --from -10 -e\n" +
			"  streamhouse consume orders --from 2026-01-31 --to 2026-02-01 -o ndjson > january.ndjson",
		Args: needs(0, "TOPIC"),
	}
	f := c.Flags()
	f.StringVar(&what.Group, "group", "", "read as a member of group `NAME`, and commit")
	f.BoolVar(&what.NoCommit, "no-commit", false, "with --group: commit nothing")
	f.StringVar(&from, "from", "start", "where to begin: `start|end|OFFSET|-N|TIME|group:NAME` (also earliest, latest); for a group, where it has committed nothing")
	f.StringVar(&to, "to", "", "where to end, before that record: `end|OFFSET|-N|TIME|group:NAME`, as it is now")
	f.BoolVarP(&leaveAtEnd, "exit", "e", false, "end where the topic ends now: --to end")
	f.StringVarP(&partitions, "partitions", "p", "", "read these `PARTITIONS` only, as 0,3-5")
	f.Int64VarP(&what.Most, "max", "n", 0, "end after `N` records")
	f.BoolVar(&what.Regex, "regex", false, "each TOPIC is a regular expression (RE2) for whole names")
	f.BoolVar(&what.Committed, "committed", false, "read committed: leave out aborted transactions, and wait for those that are not decided")
	f.StringVar(&grep, "grep", "", "print those only whose key or value fits a regular `EXPRESSION` (RE2)")
	f.StringVarP(&format, "output", "o", "lines", "`lines|ndjson`")
	c.RunE = func(c *cobra.Command, args []string) error {
		var err error
		if what.From, err = client.ParsePlace(from, time.Now()); err != nil {
			return fmt.Errorf("--from: %w", err)
		}
		switch {
		case leaveAtEnd && to != "":
			return &client.Fault{Kind: client.Invalid, What: "--exit and --to say two things about the end", Next: "give one of them"}
		case leaveAtEnd:
			what.To = &client.End
		case to != "":
			place, err := client.ParsePlace(to, time.Now())
			if err != nil {
				return fmt.Errorf("--to: %w", err)
			}
			what.To = &place
		}
		if what.Partitions, err = partitionList(partitions); err != nil {
			return err
		}
		if f.Changed("max") && what.Most < 1 {
			return &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("--max %d is no number of records", what.Most), Next: "give 1 or more"}
		}
		print, err := printer(format, grep)
		if err != nil {
			return err
		}
		cl, err := s.connect(c.Context())
		if err != nil {
			return err
		}
		defer cl.Close()
		what.Topics = args
		out := bufio.NewWriterSize(s.Out, 64<<10)
		var line []byte
		read, err := cl.Consume(c.Context(), what, func(records []client.Record) error {
			for i := range records {
				line = print(line[:0], &records[i])
				_, _ = out.Write(line) // Flush says what went wrong
			}
			if err := out.Flush(); err != nil {
				return fmt.Errorf("stdout: %w", err)
			}
			return nil
		})
		if err != nil {
			return err
		}
		switch {
		case what.Group == "":
			s.note("%s read", plural(read, "record"))
		case what.NoCommit:
			s.note("%s read, none committed; left group %q", plural(read, "record"), what.Group)
		default:
			s.note("%s read and committed; left group %q", plural(read, "record"), what.Group)
		}
		return nil
	}
	return c
}

// printer returns what appends a record as it is to be printed, or nothing.
func printer(format, grep string) (func([]byte, *client.Record) []byte, error) {
	var line func([]byte, *client.Record) []byte
	switch format {
	case "lines":
		line = func(b []byte, r *client.Record) []byte { return append(append(b, r.Value...), '\n') }
	case "ndjson":
		line = output.AppendRecord
	default:
		return nil, &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("--output %q is no form", format), Next: "give lines or ndjson"}
	}
	if grep == "" {
		return line, nil
	}
	fits, err := regexp.Compile(grep)
	if err != nil {
		return nil, &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("--grep %q is no regular expression", grep), Why: err.Error()}
	}
	return func(b []byte, r *client.Record) []byte {
		if fits.Match(r.Value) || fits.Match(r.Key) {
			return line(b, r)
		}
		return b
	}, nil
}

// partitionsMax is how many partitions a list may name.
const partitionsMax = 100_000

// partitionList reads a list of partitions, as 0,3-5. nil: none is given.
func partitionList(list string) ([]int32, error) {
	if list == "" {
		return nil, nil
	}
	var out []int32
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, errA := strconv.ParseInt(first, 10, 32)
		b, errB := strconv.ParseInt(last, 10, 32)
		if errA != nil || errB != nil || a < 0 || b < a || b-a >= partitionsMax || len(out) > partitionsMax {
			return nil, &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("%q are no partitions", list), Next: "write them as 0,3-5"}
		}
		for p := a; p <= b; p++ {
			out = append(out, int32(p))
		}
	}
	return out, nil
}
