package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/streamhouse/streamhouse/client"
)

// doomed is a thing that would be deleted.
type doomed struct{ name, note string }

// deletion is a command that deletes what names and patterns mean: it shows all of it, asks,
// and tells of each.
type deletion struct {
	noun                 string
	short, long, example string
	find                 func(ctx context.Context, cl *client.Client, pattern string) ([]doomed, error)
	act                  func(ctx context.Context, cl *client.Client, name string) error
}

func (d deletion) command(s *session) *cobra.Command {
	var yes, dry bool
	c := &cobra.Command{Use: "delete NAME|PATTERN...", Short: d.short, Long: d.long, Example: d.example, Args: needs(0, "NAME")}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.Flags().BoolVar(&dry, "dry-run", false, "show what would be deleted, and delete nothing")
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := s.connect(c.Context())
		if err != nil {
			return err
		}
		defer cl.Close()
		var names []string
		for _, arg := range args { // one that means nothing is a fault before anything is deleted
			found, err := d.find(c.Context(), cl, arg)
			if err != nil {
				return err
			}
			for _, x := range found {
				if !slices.Contains(names, x.name) {
					s.note("delete %s %q %s", d.noun, x.name, x.note)
					names = append(names, x.name)
				}
			}
		}
		if dry {
			return nil
		}
		if !yes {
			if err := s.ask(fmt.Sprintf("Delete %s?", plural(len(names), d.noun))); err != nil {
				return err
			}
		}
		return s.each(names, func(name string) error {
			if err := d.act(c.Context(), cl, name); err != nil {
				return err
			}
			return write(s.Out, fmt.Sprintf("deleted %s %q\n", d.noun, name))
		})
	}
	return c
}
