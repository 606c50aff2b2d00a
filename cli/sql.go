package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/streamhouse/streamhouse/client"
)

// httpVariable names the variable that says where the broker's HTTP is.
const httpVariable = "STREAMHOUSE_CLI_HTTP"

// defaultHTTP is where it is without settings.
const defaultHTTP = "http://localhost:8080"

// lineMax bounds one line of an answer: a batch of rows.
const lineMax = 256 << 20

// sqlForms are the forms of -o.
var sqlForms = []string{"table", "json", "ndjson", "csv"}

func sqlCommand(s *session) *cobra.Command {
	var text, file, form, at string
	c := &cobra.Command{
		Use:   "sql",
		Short: "ask topics in SQL",
		Long: "Runs statements at a StreamHouse broker, over HTTP, and prints the rows of the last one. Without -c and -f the statements are read from stdin. " +
			"Rows are printed as they come, but for tables, which are laid out first. The language is in docs/sql.md.",
		Example: "  streamhouse sql -c \"SELECT key, count(*) FROM orders GROUP BY key\"",
		Args:    atMost(0),
	}
	c.Flags().StringVarP(&text, "command", "c", "", "run `TEXT`")
	c.Flags().StringVarP(&file, "file", "f", "", "run what is in `FILE`")
	c.Flags().StringVarP(&form, "output", "o", "table", "print as `"+strings.Join(sqlForms, "|")+"`")
	c.Flags().StringVar(&at, "http", "", "the broker's HTTP, as `URL` (default $"+httpVariable+", or "+defaultHTTP+")")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if !slices.Contains(sqlForms, form) {
			return &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("-o %q is no form of output", form), Next: "give " + strings.Join(sqlForms, ", ")}
		}
		query, err := s.statement(c, text, file)
		if err != nil {
			return err
		}
		for _, next := range []string{s.Getenv(httpVariable), defaultHTTP} {
			if at == "" {
				at = next
			}
		}
		if !strings.Contains(at, "://") {
			at = "http://" + at
		}
		return s.askSQL(c.Context(), strings.TrimSuffix(at, "/"), query, newRowPrinter(form, s.Out))
	}
	return c
}

// statement is what is to be run: of -c, -f or stdin.
func (s *session) statement(c *cobra.Command, text, file string) (string, error) {
	switch {
	case c.Flags().Changed("command") && c.Flags().Changed("file"):
		return "", &client.Fault{Kind: client.Invalid, What: "sql takes -c or -f, and not both", Next: seeHelp(c)}
	case c.Flags().Changed("command"):
		return text, nil
	case c.Flags().Changed("file"):
		b, err := os.ReadFile(file)
		if err != nil {
			return "", &client.Fault{Kind: client.Invalid, What: "the file cannot be read", Why: err.Error(), Err: err}
		}
		return string(b), nil
	}
	if s.Terminal {
		s.note("type statements, and end with Ctrl-D")
	}
	b, err := io.ReadAll(s.In)
	if err != nil {
		return "", fmt.Errorf("stdin: %w", err)
	}
	return string(b), nil
}

// event is a line of the answer's stream.
type event struct {
	Event   string              `json:"event"`
	Columns []column            `json:"columns"`
	Rows    [][]json.RawMessage `json:"rows"`
	Message string              `json:"message"`
	fault
}

type column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// fault is an error as the broker says it, alone or at the end of a stream.
type fault struct {
	Detail   string `json:"detail"`
	State    string `json:"sqlstate"`
	Hint     string `json:"hint"`
	Position int    `json:"position"`
}

// of says what SQL said, with the place in the statement.
func (f fault) of(query string) error {
	out := &client.Fault{Kind: client.Other, What: f.Detail, Next: f.Hint}
	if out.What == "" {
		out.What = "the broker refused without saying why"
	}
	if f.State != "" {
		out.What += " (" + f.State + ")"
	}
	if f.State == "42P01" {
		out.Kind = client.NotFound
	} else if strings.HasPrefix(f.State, "42") || strings.HasPrefix(f.State, "22") {
		out.Kind = client.Invalid
	}
	if runes := []rune(query); f.Position > 0 && f.Position <= len(runes)+1 {
		before := string(runes[:f.Position-1])
		line := strings.Count(before, "\n") + 1
		column := len([]rune(before[strings.LastIndex(before, "\n")+1:])) + 1
		out.Why = fmt.Sprintf("at line %d, column %d", line, column)
	}
	return out
}

// askSQL sends statements and prints what comes back.
func (s *session) askSQL(ctx context.Context, at, query string, out rowPrinter) error {
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at+"/api/v1/sql", bytes.NewReader(body))
	if err != nil {
		return &client.Fault{Kind: client.Invalid, What: fmt.Sprintf("%q is no address", at), Why: err.Error(), Err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &client.Fault{Kind: client.NotReached, What: "no broker answers at " + at, Why: err.Error(), Next: "say where its HTTP is: --http, or " + httpVariable, Err: err}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var f fault
		if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&f); err != nil {
			return &client.Fault{Kind: client.Other, What: at + " answers " + resp.Status, Next: "is it a StreamHouse broker with sql.enabled?"}
		}
		return f.of(query)
	}
	return s.rows(ctx, resp.Body, query, out)
}

// rows prints a stream. One that does not say how it ended was cut.
func (s *session) rows(ctx context.Context, body io.Reader, query string, out rowPrinter) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 64<<10), lineMax)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("the answer cannot be read: %w", err)
		}
		var err error
		switch e.Event {
		case "columns":
			err = out.columns(e.Columns)
		case "rows":
			err = out.rows(e.Rows)
		case "notice":
			s.note("notice: %s", e.Message)
		case "error":
			return errors.Join(out.end(), e.fault.of(query))
		case "done":
			return out.end()
		}
		if err != nil {
			return fmt.Errorf("stdout: %w", err)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &client.Fault{Kind: client.NotReached, What: "the answer was cut off", Err: lines.Err()}
}

// rowPrinter prints rows in one form.
type rowPrinter interface {
	columns([]column) error
	rows([][]json.RawMessage) error
	end() error
}

func newRowPrinter(form string, w io.Writer) rowPrinter {
	switch form {
	case "json":
		return &jsonRows{w: bufio.NewWriter(w), array: true}
	case "ndjson":
		return &jsonRows{w: bufio.NewWriter(w)}
	case "csv":
		return &csvRows{w: csv.NewWriter(w)}
	}
	return &tableRows{w: w}
}

// cell is a value as text: without quotes if it is one.
func cell(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		if string(v) == "null" {
			return ""
		}
		return s
	}
	return string(v)
}

type tableRows struct {
	w        io.Writer
	headings []string
	cells    [][]string
}

func (t *tableRows) columns(cols []column) error {
	for _, c := range cols {
		t.headings = append(t.headings, c.Name)
	}
	return nil
}

func (t *tableRows) rows(rows [][]json.RawMessage) error {
	for _, r := range rows {
		line := make([]string, len(r))
		for i, v := range r {
			line[i] = cell(v)
		}
		t.cells = append(t.cells, line)
	}
	return nil
}

func (t *tableRows) end() error {
	if len(t.headings) == 0 {
		return nil
	}
	return write(t.w, table(t.headings, t.cells))
}

type jsonRows struct {
	w     *bufio.Writer
	names [][]byte
	array bool
	any   bool
}

func (j *jsonRows) columns(cols []column) error {
	for _, c := range cols {
		name, err := json.Marshal(c.Name)
		if err != nil {
			return err
		}
		j.names = append(j.names, append(name, ':'))
	}
	if j.array {
		_ = j.w.WriteByte('[') // Flush says what went wrong
	}
	return nil
}

func (j *jsonRows) rows(rows [][]json.RawMessage) error {
	for _, r := range rows {
		if j.array && j.any {
			_ = j.w.WriteByte(',')
		}
		if j.array {
			_ = j.w.WriteByte('\n')
		}
		j.any = true
		_ = j.w.WriteByte('{')
		for i, v := range r {
			if i > 0 {
				_ = j.w.WriteByte(',')
			}
			_, _ = j.w.Write(j.names[i])
			_, _ = j.w.Write(v)
		}
		_ = j.w.WriteByte('}')
		if !j.array {
			_ = j.w.WriteByte('\n')
		}
	}
	return j.w.Flush()
}

func (j *jsonRows) end() error {
	if j.array {
		_, _ = j.w.WriteString("\n]\n")
	}
	return j.w.Flush()
}

type csvRows struct{ w *csv.Writer }

func (c *csvRows) columns(cols []column) error {
	names := make([]string, len(cols))
	for i, col := range cols {
		names[i] = col.Name
	}
	if len(names) == 0 {
		return nil
	}
	return c.w.Write(names)
}

func (c *csvRows) rows(rows [][]json.RawMessage) error {
	for _, r := range rows {
		line := make([]string, len(r))
		for i, v := range r {
			line[i] = cell(v)
		}
		if err := c.w.Write(line); err != nil {
			return err
		}
	}
	c.w.Flush()
	return c.w.Error()
}

func (c *csvRows) end() error {
	c.w.Flush()
	return c.w.Error()
}
