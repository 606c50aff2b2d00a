package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamhouse/streamhouse/client"
)

func groupReset(s *session) *cobra.Command {
	var to, undo string
	var topics []string
	var yes, dry bool
	c := &cobra.Command{
		Use:   "reset NAME --to PLACE",
		Short: "set where a group goes on",
		Long: "Sets what a group has committed, and asks first: it shows the old and the new offset of each partition. Without --topic it is about all partitions that the group " +
			"has committed in. A group with members is left alone, and so is one that has committed something else since it was shown. What takes it back is written to a file, for --to file:NAME.",
		Example: "  streamhouse group reset analytics --to earliest\n" +
			"  streamhouse group reset analytics --to 2026-01-31T06:00 --topic orders:0,3-5\n" +
			"  streamhouse group reset analytics --to -1000 --dry-run",
		Args: needs(1, "NAME"),
	}
	f := c.Flags()
	f.StringVar(&to, "to", "", "`PLACE`: earliest, latest, an offset, +N or -N (so many records on or back), a time, 90m (so long ago), group:NAME or file:NAME")
	f.StringArrayVar(&topics, "topic", nil, "`TOPIC[:PARTITIONS]`; may be given again")
	f.StringVar(&undo, "undo", "", "write what takes it back to `FILE` (default undo-NAME-TIME.ndjson, in this folder)")
	f.BoolVar(&yes, "yes", false, "do not ask")
	f.BoolVar(&dry, "dry-run", false, "show what would be set, and change nothing")
	c.RunE = func(c *cobra.Command, args []string) error {
		if to == "" {
			return &client.Fault{Kind: client.Invalid, What: "group reset needs --to", Next: seeHelp(c)}
		}
		target, err := targetOf(to, len(topics) > 0)
		if err != nil {
			return fmt.Errorf("--to: %w", err)
		}
		scopes, err := scopesOf(topics)
		if err != nil {
			return err
		}
		cl, err := s.connect(c.Context())
		if err != nil {
			return err
		}
		defer cl.Close()
		plan, err := cl.PlanReset(c.Context(), args[0], scopes, target)
		if err != nil {
			return err
		}
		if err := write(s.Out, planTable(plan)); err != nil || dry {
			return err
		}
		if !yes {
			if err := s.ask(fmt.Sprintf("Set group %q?", plan.Group)); err != nil {
				return err
			}
		}
		if undo == "" {
			undo = fmt.Sprintf("undo-%s-%s.ndjson", fileName(plan.Group), time.Now().Format("20060102T150405.000"))
		}
		if err := writeMoves(undo, plan.Undo()); err != nil {
			return err
		}
		if err := cl.Reset(c.Context(), plan); err != nil {
			_ = os.Remove(undo) // there is nothing to take back
			return err
		}
		s.note("group %q is set; --to file:%s takes it back", plan.Group, undo)
		return nil
	}
	return c
}

func targetOf(to string, scoped bool) (client.Target, error) {
	file, isFile := strings.CutPrefix(to, "file:")
	if !isFile {
		return client.ParseTarget(to, time.Now())
	}
	if scoped {
		return client.Target{}, &client.Fault{Kind: client.Invalid, What: "a file says itself which partitions it is about", Next: "leave out --topic"}
	}
	moves, err := readMoves(file)
	return client.Listed(moves), err
}

func planTable(p client.ResetPlan) string {
	var rows [][]string
	for _, m := range p.Moves {
		row := []string{m.Topic, strconv.Itoa(int(m.Partition)), "", "", ""}
		if m.Old >= 0 {
			row[2] = strconv.FormatInt(m.Old, 10)
		}
		if m.New >= 0 {
			row[3] = strconv.FormatInt(m.New, 10)
		}
		if m.Old >= 0 && m.New >= 0 {
			row[4] = fmt.Sprintf("%+d", m.New-m.Old)
		}
		rows = append(rows, row)
	}
	return table([]string{"TOPIC", "PARTITION", "OLD", "NEW", "DIFFERENCE"}, rows)
}

// move is a line of an undo file. No offset: none is committed.
type move struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    *int64 `json:"offset"`
}

// fileName is a group's name without what a file's may not have.
func fileName(group string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, group[:min(len(group), 100)])
}

func writeMoves(path string, moves []client.Move) error {
	cannot := func(err error) error {
		return &client.Fault{What: "nothing was changed: what takes it back cannot be written", Why: err.Error(), Next: "name another file with --undo", Err: err}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return cannot(err)
	}
	out := bufio.NewWriter(f)
	enc := json.NewEncoder(out)
	for _, m := range moves {
		line := move{Topic: m.Topic, Partition: m.Partition}
		if m.New >= 0 {
			line.Offset = &m.New
		}
		if err == nil {
			err = enc.Encode(line)
		}
	}
	if err = errors.Join(err, out.Flush(), f.Sync(), f.Close()); err != nil {
		return cannot(err)
	}
	return nil
}

// movesMax bounds an undo file, in lines.
const movesMax = 1_000_000

func readMoves(path string) ([]client.Move, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &client.Fault{Kind: client.Invalid, What: "cannot read the file", Why: err.Error(), Err: err}
	}
	defer func() { _ = f.Close() }()
	var moves []client.Move
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	for n := 1; ; n++ {
		var m move
		err := d.Decode(&m)
		switch {
		case errors.Is(err, io.EOF) && len(moves) > 0:
			return moves, nil
		case errors.Is(err, io.EOF):
			return nil, &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("%s has no offsets", path)}
		case err == nil && (m.Topic == "" || m.Partition < 0 || m.Offset != nil && *m.Offset < 0 || n > movesMax):
			err = errors.New("topic, partition and offset (null: none) are wanted")
		}
		if err != nil {
			return nil, &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("%s: offset %d cannot be read", path, n), Why: err.Error(), Err: err}
		}
		to := int64(-1)
		if m.Offset != nil {
			to = *m.Offset
		}
		moves = append(moves, client.Move{Topic: m.Topic, Partition: m.Partition, New: to})
	}
}
