package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/streamhouse/streamhouse/client"
)

func groupCommand(s *session) *cobra.Command {
	return s.clustered(group(&cobra.Command{Use: "group", Aliases: []string{"groups"}, Short: "consumer groups"},
		groupList(s), groupDescribe(s), groupReset(s), groupDelete(s), groupDeleteOffsets(s)))
}

func groupList(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "list [PATTERN]",
		Short: "list groups",
		Long:  "Lists groups by name. In a PATTERN * stands for any letters and ? for one; quote it for the shell.",
		Args:  atMost(1),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			defer cl.Close()
			groups, err := cl.Groups(c.Context(), strings.Join(args, ""))
			if err != nil {
				return err
			}
			var rows [][]string
			for _, g := range groups {
				rows = append(rows, []string{g.Name, g.State, g.Protocol})
			}
			return write(s.Out, table([]string{"GROUP", "STATE", "PROTOCOL"}, rows))
		},
	}
}

func groupDescribe(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "describe NAME...",
		Short: "show who is in a group, and how far it is",
		Args:  needs(0, "NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			defer cl.Close()
			first := true
			return s.each(args, func(name string) error {
				text, err := groupText(c.Context(), cl, name)
				if err != nil {
					return err
				}
				if !first {
					text = "\n" + text
				}
				first = false
				return write(s.Out, text)
			})
		},
	}
}

func groupText(ctx context.Context, cl *client.Client, name string) (string, error) {
	d, err := cl.DescribeGroup(ctx, name)
	if err != nil {
		return "", err
	}
	lags, err := cl.Lag(ctx, name)
	if err != nil {
		return "", err
	}
	text := table([]string{"group", d.Name}, [][]string{
		{"state", d.State}, {"protocol", d.Protocol}, {"assignor", d.Assignor}, {"coordinator", strconv.Itoa(int(d.Coordinator))}, {"members", strconv.Itoa(len(d.Members))},
	})
	if len(d.Members) > 0 {
		var rows [][]string
		for _, m := range d.Members {
			rows = append(rows, []string{m.ClientID, m.Host, m.Instance, strings.Join(m.Partitions, "; "), m.ID})
		}
		text += "\n" + table([]string{"CLIENT", "HOST", "INSTANCE", "PARTITIONS", "MEMBER"}, rows)
	}
	if len(lags) > 0 {
		text += "\n" + lagTable(lags)
	}
	return text, nil
}

func groupDelete(s *session) *cobra.Command {
	return deletion{
		noun:    "group",
		short:   "delete groups with what they have committed",
		long:    "Deletes groups with what they have committed, and asks first. Groups with members are left alone. In a PATTERN * stands for any letters and ? for one; quote it for the shell.",
		example: "  streamhouse group delete 'test-*' --dry-run",
		find: func(ctx context.Context, cl *client.Client, pattern string) (found []doomed, err error) {
			groups, err := cl.Groups(ctx, pattern)
			for _, g := range groups {
				found = append(found, doomed{g.Name, fmt.Sprintf("(%s) and all that it has committed", printable(g.State))})
			}
			return found, err
		},
		act: func(ctx context.Context, cl *client.Client, name string) error { return cl.DeleteGroup(ctx, name) },
	}.command(s)
}

func groupDeleteOffsets(s *session) *cobra.Command {
	var yes, dry bool
	var topics []string
	c := &cobra.Command{
		Use:     "delete-offsets NAME --topic TOPIC[:PARTITIONS]",
		Short:   "make a group forget what it has committed in topics",
		Long:    "Makes a group forget what it has committed in topics, and asks first. Topics that its members are subscribed to are left alone.",
		Example: "  streamhouse group delete-offsets analytics --topic orders:0,3-5",
		Args:    needs(1, "NAME"),
	}
	c.Flags().StringArrayVar(&topics, "topic", nil, "`TOPIC[:PARTITIONS]`; may be given again")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.Flags().BoolVar(&dry, "dry-run", false, "show what would be forgotten, and change nothing")
	c.RunE = func(c *cobra.Command, args []string) error {
		scopes, err := scopesOf(topics)
		if err != nil {
			return err
		}
		if len(scopes) == 0 {
			return &client.Fault{Kind: client.Invalid, What: "group delete-offsets needs --topic", Next: seeHelp(c)}
		}
		cl, err := s.connect(c.Context())
		if err != nil {
			return err
		}
		defer cl.Close()
		if _, err := cl.DescribeGroup(c.Context(), args[0]); err != nil {
			return err
		}
		s.note("forget what group %q has committed in %s", args[0], strings.Join(topics, ", "))
		if dry {
			return nil
		}
		if !yes {
			if err := s.ask("Forget it?"); err != nil {
				return err
			}
		}
		if err := cl.DeleteOffsets(c.Context(), args[0], scopes); err != nil {
			return err
		}
		return write(s.Out, fmt.Sprintf("deleted offsets of group %q in %s\n", args[0], strings.Join(topics, ", ")))
	}
	return c
}

// scopesOf reads TOPIC[:PARTITIONS]. A topic's name has no colon.
func scopesOf(topics []string) ([]client.Scope, error) {
	var out []client.Scope
	for _, t := range topics {
		name, list, some := strings.Cut(t, ":")
		partitions, err := partitionList(list)
		if err != nil {
			return nil, err
		}
		if name == "" || some && partitions == nil {
			return nil, &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("--topic %q is none", t), Next: "write TOPIC or TOPIC:0,3-5"}
		}
		out = append(out, client.Scope{Topic: name, Partitions: partitions})
	}
	return out, nil
}
