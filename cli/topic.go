package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/streamhouse/streamhouse/client"
)

func topicCommand(s *session) *cobra.Command {
	return s.clustered(group(&cobra.Command{Use: "topic", Aliases: []string{"topics"}, Short: "topics of a cluster"},
		topicCreate(s), topicList(s), topicDescribe(s), topicDelete(s)))
}

func topicList(s *session) *cobra.Command {
	var internal bool
	c := &cobra.Command{
		Use:     "list [PATTERN]",
		Short:   "list topics, or those that a pattern fits",
		Long:    "Lists topics by name with their partitions and replication factor. In PATTERN * stands for any letters and ? for one; quote it for the shell.",
		Example: "  streamhouse topic list 'orders*'",
		Args:    atMost(1),
	}
	c.Flags().BoolVar(&internal, "internal", false, "also those that brokers keep for themselves")
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := s.connect(c.Context())
		if err != nil {
			return err
		}
		defer cl.Close()
		topics, err := cl.Topics(c.Context(), strings.Join(args, ""), internal)
		if err != nil {
			return err
		}
		if len(topics) == 0 {
			s.note(`there are no topics; "streamhouse topic create NAME" creates one`)
		}
		var rows [][]string
		for _, t := range topics {
			rows = append(rows, []string{t.Name, strconv.Itoa(t.Partitions), strconv.Itoa(t.ReplicationFactor)})
		}
		return write(s.Out, table([]string{"TOPIC", "PARTITIONS", "REPLICAS"}, rows))
	}
	return c
}

func topicCreate(s *session) *cobra.Command {
	var partitions int32
	var replicas int16
	var settings []string
	var content bool
	c := &cobra.Command{
		Use:     "create NAME...",
		Short:   "create topics",
		Example: "  streamhouse topic create orders --partitions 16 --config retention.ms=86400000",
		Args:    needs(0, "NAME"),
	}
	c.Flags().Int32Var(&partitions, "partitions", -1, "how many (`N`); the broker's default if not given")
	c.Flags().Int16Var(&replicas, "replication-factor", -1, "how many copies (`N`); the broker's default if not given")
	c.Flags().StringArrayVar(&settings, "config", nil, "a setting of the topic, as `NAME=VALUE`; may be given again")
	c.Flags().BoolVar(&content, "if-not-exists", false, "a topic that exists already is no fault")
	hideDefault(c, "partitions", "replication-factor")
	c.RunE = func(c *cobra.Command, args []string) error {
		n := client.NewTopic{Partitions: partitions, ReplicationFactor: replicas, Settings: map[string]string{}}
		for _, flag := range []string{"partitions", "replication-factor"} {
			if f := c.Flags().Lookup(flag); f.Changed && (f.Value.String() == "0" || strings.HasPrefix(f.Value.String(), "-")) {
				return &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("--%s %s is none", flag, f.Value), Next: "give 1 or more, or leave it to the broker"}
			}
		}
		for _, kv := range settings {
			name, value, ok := strings.Cut(kv, "=")
			if !ok || name == "" {
				return &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("--config %q is no setting", kv), Next: "write NAME=VALUE"}
			}
			n.Settings[name] = value
		}
		cl, err := s.connect(c.Context())
		if err != nil {
			return err
		}
		defer cl.Close()
		return s.each(args, func(name string) error {
			n.Name = name
			t, err := cl.CreateTopic(c.Context(), n)
			if content && client.KindOf(err) == client.Conflict {
				s.note("topic %q exists already", name)
				return nil
			}
			if err != nil {
				return err
			}
			return write(s.Out, fmt.Sprintf("created topic %q with %s\n", t.Name, plural(t.Partitions, "partition")))
		})
	}
	return c
}

// hideDefault keeps help from showing numbers that only mean "not given".
func hideDefault(c *cobra.Command, flags ...string) {
	for _, name := range flags {
		c.Flags().Lookup(name).DefValue = "0" // which is not shown
	}
}

func topicDescribe(s *session) *cobra.Command {
	return &cobra.Command{
		Use:     "describe NAME...",
		Short:   "show a topic's settings and partitions",
		Long:    "Shows the settings of a topic that differ from the broker's, and of each partition its leader, replicas, and the first and next offset.",
		Example: "  streamhouse topic describe orders",
		Args:    needs(0, "NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			defer cl.Close()
			first := true
			return s.each(args, func(name string) error {
				d, err := cl.DescribeTopic(c.Context(), name)
				if err != nil {
					return err
				}
				text := described(d)
				if !first {
					text = "\n" + text
				}
				first = false
				return write(s.Out, text)
			})
		},
	}
}

// described is a topic as a person reads it.
func described(d client.TopicDetail) string {
	facts := [][]string{{"partitions", strconv.Itoa(d.Topic.Partitions)}, {"replicas", strconv.Itoa(d.ReplicationFactor)}, {"id", d.ID}}
	for _, set := range d.Settings {
		facts = append(facts, []string{set.Name, set.Value})
	}
	var rows [][]string
	for _, p := range d.Partitions {
		rows = append(rows, []string{
			strconv.Itoa(int(p.ID)), strconv.Itoa(int(p.Leader)), numbers(p.Replicas), numbers(p.InSync),
			strconv.FormatInt(p.Start, 10), strconv.FormatInt(p.End, 10),
		})
	}
	return table([]string{"topic", d.Name}, facts) + "\n" + table([]string{"PARTITION", "LEADER", "REPLICAS", "IN-SYNC", "START", "END"}, rows)
}

func numbers(ids []int32) string {
	var words []string
	for _, id := range ids {
		words = append(words, strconv.Itoa(int(id)))
	}
	return strings.Join(words, ",")
}

func topicDelete(s *session) *cobra.Command {
	return deletion{
		noun:    "topic",
		short:   "delete topics with their records",
		long:    "Deletes topics with their records, and asks first. In a PATTERN * stands for any letters and ? for one; quote it for the shell. Internal topics are named in full or left alone.",
		example: "  streamhouse topic delete 'test-*' --dry-run",
		find: func(ctx context.Context, cl *client.Client, pattern string) (found []doomed, err error) {
			topics, err := cl.Topics(ctx, pattern, false)
			for _, t := range topics {
				found = append(found, doomed{t.Name, fmt.Sprintf("with %s and all their records", plural(t.Partitions, "partition"))})
			}
			return found, err
		},
		act: func(ctx context.Context, cl *client.Client, name string) error { return cl.DeleteTopic(ctx, name) },
	}.command(s)
}
