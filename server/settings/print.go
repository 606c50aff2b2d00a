package settings

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/streamhouse/streamhouse/config"
)

// Print writes every setting with its value and where that comes from, by name.
// Secrets are hidden.
func (s *Settings) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	defs := all()
	for _, name := range sortedNames(s.values) {
		if d := config.Listener(name); d != nil {
			defs = append(defs, d)
		}
	}
	for _, d := range defs {
		shown, origin := "", Origin("default")
		if d.Default != nil {
			shown = *d.Default
		}
		if v, ok := s.values[d.Name]; ok {
			shown, origin = v.raw, v.origin
		} else if raw, _, ok := s.broker.Lookup(d.Name); ok && raw != shown {
			shown, origin = raw, "derived"
		}
		if d.Sensitive() && shown != "" {
			shown = "[hidden]"
		}
		if _, err := fmt.Fprintf(t, "%s\t%s\t# %s\n", d.Name, shown, origin); err != nil {
			return err
		}
	}
	return t.Flush()
}
