package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/streamhouse/streamhouse/client"
)

func lagCommand(s *session) *cobra.Command {
	return s.clustered(group(&cobra.Command{Use: "lag", Short: "how far groups are behind"}, lagShow(s)))
}

func lagShow(s *session) *cobra.Command {
	var of string
	c := &cobra.Command{
		Use:     "show",
		Short:   "show what groups have committed, partition by partition",
		Long:    "Shows, for each partition that a group has committed in or has a member for, the committed offset, the offset of the next record, and how many records lie between.",
		Example: "  streamhouse lag show --group analytics",
		Args:    atMost(0),
	}
	c.Flags().StringVar(&of, "group", "", "only group `NAME`")
	c.RunE = func(c *cobra.Command, _ []string) error {
		var groups []string
		if c.Flags().Changed("group") {
			groups = append(groups, of)
		}
		cl, err := s.connect(c.Context())
		if err != nil {
			return err
		}
		defer cl.Close()
		lags, err := cl.Lag(c.Context(), groups...)
		if err != nil {
			return err
		}
		if len(lags) == 0 {
			s.note("nothing is committed yet")
		}
		return write(s.Out, lagTable(lags))
	}
	return c
}

func lagTable(lags []client.Lag) string {
	var rows [][]string
	for _, l := range lags {
		committed := ""
		if l.Committed >= 0 {
			committed = strconv.FormatInt(l.Committed, 10)
		}
		rows = append(rows, []string{
			l.Group, l.Topic, strconv.Itoa(int(l.Partition)), committed,
			strconv.FormatInt(l.End, 10), strconv.FormatInt(l.Behind, 10), l.Member,
		})
	}
	return table([]string{"GROUP", "TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER"}, rows)
}
