package sql

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streamhouse/streamhouse/sql/exec"
	"github.com/streamhouse/streamhouse/sql/parse"
	"github.com/streamhouse/streamhouse/sql/plan"
	"github.com/streamhouse/streamhouse/sql/scan"
	"github.com/streamhouse/streamhouse/sql/value"
)

// Session is one user's connection: settings and prepared statements. It is for one goroutine.
type Session struct {
	e        *Engine
	User     User
	Database string
	// Operator says that the user sees and ends the queries of others.
	Operator bool
	settings map[string]string
	prepared map[string]*Prepared
	// Extra are tables that a door brings along.
	Extra func(schema, name string) *plan.Virtual
	// OIDs finds the number of a table or type for casts.
	OIDs func(t value.Type, name string) (int64, bool)
}

// NewSession begins a session.
func (e *Engine) NewSession(user User) *Session {
	return &Session{e: e, User: user, Database: "streamhouse", settings: map[string]string{}, prepared: map[string]*Prepared{}}
}

// defaults are settings that drivers ask for, and ours.
var defaults = map[string]string{
	"timezone": "UTC", "client_encoding": "UTF8", "server_encoding": "UTF8", "datestyle": "ISO, MDY", "intervalstyle": "postgres",
	"standard_conforming_strings": "on", "extra_float_digits": "1", "max_index_keys": "32", "default_transaction_isolation": "repeatable read",
	"transaction_isolation": "repeatable read", "transaction_read_only": "on", "default_transaction_read_only": "on", "search_path": "public",
	"application_name": "", "statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0", "integer_datetimes": "on",
	"is_superuser": "off", "server_version": ServerVersion, "server_version_num": "150000", "bytea_output": "hex", "strict_names": "off",
	"row_security": "on", "max_identifier_length": "63", "synchronous_commit": "on", "jit": "off",
}

// ServerVersion is the version of PostgreSQL whose manners are kept.
const ServerVersion = "15.0"

// Setting is a session's setting.
func (s *Session) Setting(name string) (string, bool) {
	name = strings.ToLower(name)
	if v, ok := s.settings[name]; ok {
		return v, true
	}
	v, ok := defaults[name]
	return v, ok
}

// Set sets a session's setting.
func (s *Session) Set(name, v string) { s.settings[strings.ToLower(name)] = v }

// Topic, View, Virtual and Names make a session the planner's catalogue.
func (s *Session) Topic(name string) *plan.Topic { return catalog{s.e, s.User}.Topic(name) }

// View finds a view.
func (s *Session) View(name string) (string, bool) { return catalog{s.e, s.User}.View(name) }

// Names are those of topics.
func (s *Session) Names() []string { return catalog{s.e, s.User}.Names() }

// Virtual finds a table that a door brings along.
func (s *Session) Virtual(schema, name string) *plan.Virtual {
	if s.Extra == nil {
		return nil
	}
	return s.Extra(schema, name)
}

// Prepared is a statement that is ready to run.
type Prepared struct {
	Statement *parse.Statement
	Node      plan.Node // of a query
	Params    []value.Type
	notices   []string
}

// Columns are what the statement gives; nil: no rows.
func (p *Prepared) Columns() []plan.Column {
	if p.Node == nil {
		return nil
	}
	return p.Node.Columns()
}

// Parse reads statements, which semicolons part.
func Parse(text string) ([]*parse.Statement, error) { return parse.Parse(text) }

// Prepare plans a statement. types are what is known of parameters.
func (s *Session) Prepare(st *parse.Statement, types []value.Type) (*Prepared, error) {
	p := &Prepared{Statement: st}
	switch st.Kind {
	case "SELECT", "COPY":
		return p, s.planned(p, st.Query, types)
	case "EXPLAIN":
		if err := s.planned(p, st.Query, types); err != nil {
			return nil, err
		}
		p.Node = explained(p.Node)
		return p, nil
	case "EXECUTE":
		return s.executed(st)
	}
	n, err := s.told(st)
	p.Node = n
	return p, err
}

func (s *Session) planned(p *Prepared, q *parse.Query, types []value.Type) error {
	b := &plan.Binder{Catalog: s, Params: slices.Clone(types), OIDs: s.OIDs}
	n, err := b.Plan(q)
	if err != nil {
		return err
	}
	for i, t := range b.Params {
		if t == value.Unknown {
			b.Params[i] = value.TText
		}
	}
	p.Node, p.Params, p.notices = n, b.Params, b.Notices
	return nil
}

// executed is a prepared statement with its arguments in place.
func (s *Session) executed(st *parse.Statement) (*Prepared, error) {
	p := s.prepared[st.Name]
	if p == nil {
		return nil, value.Errorf("26000", "prepared statement %q does not exist", st.Name)
	}
	if len(st.Args) != len(p.Params) {
		return nil, value.Errorf(value.SyntaxError, "wrong number of parameters for prepared statement %q: %d of %d", st.Name, len(st.Args), len(p.Params))
	}
	out := *p
	out.Statement = st
	return &out, nil
}

// Rows are what a statement gives.
type Rows struct {
	Columns  []plan.Column
	Tag      string // of a statement without rows, as PostgreSQL says it
	Running  *Running
	Progress *scan.Progress

	s      *Session
	it     exec.Iter
	q      *exec.Query
	reader *scan.Reader
	notes  []string
	ctx    context.Context
	ended  bool
	// computes: it has a turn.
	computes bool
}

// Run runs a statement. parameters are of the types that it was prepared with.
func (s *Session) Run(ctx context.Context, p *Prepared, params []value.Value, timeout time.Duration) (*Rows, error) {
	if p.Node == nil {
		return s.act(p)
	}
	if len(params) < len(p.Params) && p.Statement.Kind != "EXECUTE" {
		return nil, value.Errorf("08P01", "the statement has %d parameters, %d were given", len(p.Params), len(params))
	}
	ctx, running, err := s.e.begin(ctx, s.User, p.Statement.Text, timeout)
	if err != nil {
		return nil, err
	}
	mem := &exec.Account{Limit: s.e.cfg.QueryBytes, Setting: SettingQuery, Parent: &s.e.memory}
	if mem.Limit <= 0 {
		mem.Limit = 1 << 62
	}
	reader := &scan.Reader{Opener: s.e.cfg.Topics, BytesMax: s.e.cfg.ScanBytes, Setting: SettingScan}
	running.Progress = &reader.Progress
	shared := &plan.Shared{Now: s.e.cfg.Now().UnixMicro(), Params: params, Settings: s.Setting}
	q := &exec.Query{Ctx: ctx, Shared: shared, Mem: mem, Source: reader, Rows: s.e.cfg.BatchRows}
	r := &Rows{Columns: p.Node.Columns(), s: s, q: q, reader: reader, notes: p.notices, ctx: ctx, Running: running, Progress: &reader.Progress}
	if p.Statement.Kind == "EXECUTE" {
		if shared.Params, err = s.arguments(p); err != nil {
			r.Close()
			return nil, err
		}
	}
	q.Yield = r.yield
	if err := r.compute(); err != nil {
		r.Close()
		return nil, r.cause(err)
	}
	defer r.rest()
	if r.it, err = q.Open(p.Node, nil); err != nil {
		r.fail(err)
		return nil, r.cause(err)
	}
	return r, nil
}

// compute waits until the query may compute; rest lets others.
func (r *Rows) compute() error {
	select {
	case r.s.e.turns <- struct{}{}:
		r.computes = true
		return nil
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
}

func (r *Rows) rest() {
	if r.computes {
		r.computes = false
		<-r.s.e.turns
	}
}

// yield lets others compute, between two batches of a scan.
func (r *Rows) yield(context.Context) error {
	r.rest()
	return r.compute()
}

func (s *Session) arguments(p *Prepared) ([]value.Value, error) {
	var out []value.Value
	for i, x := range p.Statement.Args {
		l, ok := x.(*parse.Literal)
		if !ok {
			return nil, value.Errorf(value.NotSupported, "arguments of EXECUTE have to be constants").At(x.At())
		}
		v := value.Value{}
		if l.Kind != parse.Null {
			var err error
			if v, err = value.Cast(value.OfText(l.Text), p.Params[i]); err != nil {
				return nil, err
			}
		}
		out = append(out, v)
	}
	return out, nil
}

// Next gives the next rows, valid until it is called again; nil after the last.
func (r *Rows) Next() (*exec.Batch, error) {
	if r.it == nil {
		return nil, nil
	}
	if r.ended { // it failed before
		return nil, ErrKilled
	}
	err := r.compute()
	var b *exec.Batch
	if err == nil {
		b, err = r.it.Next()
	}
	r.rest()
	if err != nil {
		r.fail(err)
		return nil, r.cause(err)
	}
	if b != nil {
		r.Running.Sent.Add(int64(b.N))
	}
	return b, nil
}

// cause is the reason of an error: who cancelled says it.
func (r *Rows) cause(err error) error {
	var sql *value.Error
	if errors.As(err, &sql) {
		return sql
	}
	if r.ctx.Err() != nil || errors.Is(err, context.Canceled) {
		if errors.As(context.Cause(r.ctx), &sql) {
			return sql
		}
		return ErrKilled
	}
	return value.Errorf("XX000", "%v", err)
}

func (r *Rows) fail(err error) {
	outcome := "failed"
	if e, ok := r.cause(err).(*value.Error); ok && e.Code == value.Canceled {
		outcome = "cancelled"
	}
	r.end(outcome)
}

func (r *Rows) end(outcome string) {
	if r.ended {
		return
	}
	r.ended = true
	if r.it != nil {
		r.it.Close()
	}
	if r.q != nil {
		r.q.Mem.Release()
		r.s.e.end(r.Running, outcome)
	}
}

// Close ends the statement and gives back what it holds. It may be called again.
func (r *Rows) Close() { r.end("done") }

// Peak is the most memory that the query held, in bytes.
func (r *Rows) Peak() int64 {
	if r.q == nil {
		return 0
	}
	return r.q.Mem.Peak()
}

// Notices are what the user should know, once all rows were read.
func (r *Rows) Notices() []string {
	out := slices.Clone(r.notes)
	if r.reader == nil {
		return out
	}
	out = append(out, r.reader.Missing()...)
	for _, kind := range slices.Sorted(maps.Keys(r.reader.Warned)) {
		w := r.reader.Warned[kind]
		out = append(out, fmt.Sprintf("%d %s, first at partition %d, offset %d", w.Count, kind, w.Partition, w.Offset))
	}
	for _, what := range slices.Sorted(maps.Keys(r.q.Shared.Dropped)) {
		out = append(out, strconv.FormatInt(r.q.Shared.Dropped[what], 10)+" "+what)
	}
	return out
}
