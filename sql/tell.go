package sql

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/streamhouse/streamhouse/sql/parse"
	"github.com/streamhouse/streamhouse/sql/plan"
	"github.com/streamhouse/streamhouse/sql/value"
)

// told are statements that tell of something: their rows are made when they run. nil: the
// statement acts, and gives none.
func (s *Session) told(st *parse.Statement) (plan.Node, error) {
	switch st.Kind {
	case "SHOW":
		return s.show(st)
	case "DESCRIBE":
		return s.describe(st)
	case "SET", "RESET", "BEGIN", "COMMIT", "ROLLBACK", "DISCARD", "DEALLOCATE", "PREPARE", "UNLISTEN", "LISTEN", "KILL", "CLOSE":
		return nil, nil
	case "UPDATE", "DELETE", "TRUNCATE":
		return nil, value.Errorf(value.NotSupported, "%s is refused: a log is appended to", st.Kind).At(st.At())
	}
	return nil, value.Errorf(value.NotSupported, "%s is not built yet", st.Kind).At(st.At())
}

func textTable(name string, columns []string, rows func() [][]string) *plan.Virtual {
	v := &plan.Virtual{Name: name}
	for _, c := range columns {
		v.Cols = append(v.Cols, plan.Column{Name: c, Type: value.TText})
	}
	v.Rows = func() [][]value.Value {
		var out [][]value.Value
		for _, r := range rows() {
			row := make([]value.Value, len(r))
			for i, c := range r {
				row[i] = value.OfText(c)
			}
			out = append(out, row)
		}
		return out
	}
	return v
}

func (s *Session) show(st *parse.Statement) (plan.Node, error) {
	what := strings.ToUpper(st.Name)
	switch what {
	case "TOPICS", "TABLES":
		return textTable("topics", []string{"topic", "partitions"}, func() [][]string {
			var out [][]string
			for _, n := range s.Names() {
				if t := s.Topic(n); t != nil {
					out = append(out, []string{n, strconv.Itoa(int(t.Partitions))})
				}
			}
			return out
		}), nil
	case "VIEWS", "MATERIALIZED VIEWS", "STREAMS":
		return textTable("views", []string{"name"}, func() [][]string { return nil }), nil
	case "FUNCTIONS":
		return textTable("functions", []string{"name", "does"}, func() [][]string {
			var out [][]string
			for _, f := range plan.Functions() {
				out = append(out, []string{f.Name, f.Doc})
			}
			for _, n := range slices.Sorted(maps.Keys(plan.Aggregates())) {
				out = append(out, []string{n, plan.Aggregates()[n].Doc})
			}
			return out
		}), nil
	case "QUERIES":
		return textTable("queries", []string{"id", "user", "seconds", "records", "bytes", "text"}, func() [][]string {
			var out [][]string
			for _, r := range s.e.Queries(s.User.Name, s.Operator) {
				if r.Progress == nil {
					continue
				}
				out = append(out, []string{strconv.FormatInt(r.ID, 10), r.User, fmt.Sprintf("%.1f", s.e.cfg.Now().Sub(r.Began).Seconds()),
					strconv.FormatInt(r.Progress.Rows.Load(), 10), strconv.FormatInt(r.Progress.Bytes.Load(), 10), r.Text})
			}
			return out
		}), nil
	case "ALL":
		return textTable("settings", []string{"name", "setting"}, func() [][]string {
			var out [][]string
			for _, n := range slices.Sorted(maps.Keys(defaults)) {
				v, _ := s.Setting(n)
				out = append(out, []string{n, v})
			}
			return out
		}), nil
	}
	name := strings.ToLower(strings.ReplaceAll(st.Name, " ", "_"))
	switch name {
	case "time_zone":
		name = "timezone"
	case "transaction_isolation_level":
		name = "transaction_isolation"
	}
	v, ok := s.Setting(name)
	if !ok {
		return nil, value.Errorf("42704", "unrecognized configuration parameter %q", st.Name).At(st.At())
	}
	return textTable("setting", []string{name}, func() [][]string { return [][]string{{v}} }), nil
}

func (s *Session) describe(st *parse.Statement) (plan.Node, error) {
	t := s.Topic(st.Name)
	if t == nil {
		err := value.Errorf(value.UndefinedTable, "topic %q does not exist", st.Name)
		if n := plan.Near(st.Name, s.Names()); n != "" {
			_ = err.WithHint("did you mean %q?", n)
		}
		return nil, err
	}
	return textTable("columns", []string{"column", "type", "is"}, func() [][]string {
		return [][]string{
			{"topic", "text", "the topic's name"}, {"partition", "integer", "the partition"}, {"offset", "bigint", "the offset"},
			{"timestamp", "timestamp with time zone", "the record's time"}, {"key", "text", "the key"}, {"value", "text", "the value; its fields are columns too"},
			{"headers", "json", "an array of pairs; headers['name'] is the last of a name"}, {"key_bytes", "bytea", "the key as it is"}, {"value_bytes", "bytea", "the value as it is"},
		}
	}), nil
}

// act does what gives no rows.
func (s *Session) act(p *Prepared) (*Rows, error) {
	st := p.Statement
	done := func(tag string) (*Rows, error) { return &Rows{Tag: tag, s: s}, nil }
	switch st.Kind {
	case "SET":
		s.settings[st.Name] = st.Value
		if strings.EqualFold(st.Value, "default") {
			delete(s.settings, st.Name)
		}
		return done("SET")
	case "RESET":
		if strings.EqualFold(st.Name, "all") {
			clear(s.settings)
		} else {
			delete(s.settings, strings.ToLower(st.Name))
		}
		return done("RESET")
	case "DISCARD":
		clear(s.settings)
		clear(s.prepared)
		return done("DISCARD ALL")
	case "DEALLOCATE":
		name := strings.TrimSpace(strings.TrimPrefix(st.Name, "PREPARE "))
		if strings.EqualFold(name, "all") {
			clear(s.prepared)
		} else if _, ok := s.prepared[name]; !ok {
			return nil, value.Errorf("26000", "prepared statement %q does not exist", name)
		}
		delete(s.prepared, name)
		return done("DEALLOCATE")
	case "PREPARE":
		var types []value.Type
		for _, o := range st.Options {
			t, ok := value.ParseType(o)
			if !ok {
				return nil, value.Errorf("42704", "type %q does not exist", o)
			}
			types = append(types, t)
		}
		q := &Prepared{Statement: &parse.Statement{Kind: "SELECT", Query: st.Query, Text: st.Text}}
		if err := s.planned(q, st.Query, types); err != nil {
			return nil, err
		}
		s.prepared[st.Name] = q
		return done("PREPARE")
	case "KILL":
		id, err := strconv.ParseInt(strings.TrimSpace(st.Name), 10, 64)
		if err != nil || !s.e.Kill(s.User.Name, s.Operator, id) {
			return nil, value.Errorf("42704", "no query %s runs that you may end", st.Name).WithHint("SHOW QUERIES lists them")
		}
		return done("KILL")
	}
	return done(st.Kind)
}

// explained is the plan of a query as rows of text.
func explained(n plan.Node) plan.Node {
	lines := plan.Explain(n)
	return textTable("plan", []string{"QUERY PLAN"}, func() [][]string {
		var out [][]string
		for _, l := range lines {
			out = append(out, []string{l})
		}
		return out
	})
}

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }
