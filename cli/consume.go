package cli

import (
	"bufio"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/streamhouse/streamhouse/client"
)

func consumeCommand(s *session) *cobra.Command {
	var what client.Consume
	var from string
	c := &cobra.Command{
		Use:   "consume TOPIC...",
		Short: "read topics, a line for each value",
		Long: "Reads topics and prints the value of each record as a line, from the start and on until Ctrl-C. With --group it reads as a member of that group, " +
			"commits what it has printed, goes on next time where it has committed, and leaves at Ctrl-C.",
		Example: "  streamhouse consume orders --group analytics --from earliest",
		Args:    needs(0, "TOPIC"),
	}
	c.Flags().StringVar(&what.Group, "group", "", "read as a member of group `NAME`, and commit")
	c.Flags().StringVar(&from, "from", "start", "where to begin: `start|end` (or earliest, latest); for a group, where it has committed nothing")
	c.Flags().Int64VarP(&what.Most, "max", "n", 0, "end after `N` records")
	c.RunE = func(c *cobra.Command, args []string) error {
		switch from {
		case "start", "earliest":
		case "end", "latest":
			what.AtEnd = true
		default:
			return &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("--from %q is no place to begin", from), Next: "give start or end"}
		}
		if c.Flags().Changed("max") && what.Most < 1 {
			return &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("--max %d is no number of records", what.Most), Next: "give 1 or more"}
		}
		cl, err := s.connect(c.Context())
		if err != nil {
			return err
		}
		defer cl.Close()
		what.Topics = args
		out := bufio.NewWriter(s.Out)
		read, err := cl.Consume(c.Context(), what, func(records []client.Record) error {
			for _, r := range records {
				_, _ = out.Write(r.Value) // Flush says what went wrong
				_ = out.WriteByte('\n')
			}
			if err := out.Flush(); err != nil {
				return fmt.Errorf("stdout: %w", err)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if what.Group != "" {
			s.note("%s read and committed; left group %q", plural(read, "record"), what.Group)
		} else {
			s.note("%s read", plural(read, "record"))
		}
		return nil
	}
	return c
}
