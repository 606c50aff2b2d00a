package pgwire

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamhouse/streamhouse/sql"
	"github.com/streamhouse/streamhouse/sql/exec"
	"github.com/streamhouse/streamhouse/sql/plan"
	"github.com/streamhouse/streamhouse/sql/value"
)

// flushRows is how many rows wait before they are sent.
const flushRows = 512

// errAborted answers statements in a transaction that has failed.
var errAborted = value.Errorf("25P02", "current transaction is aborted, commands ignored until end of transaction block")

// fault sends an error, and fails the transaction if there is one.
func (c *conn) fault(err error) {
	var e *value.Error
	if !errors.As(err, &e) {
		e = value.Errorf("XX000", "%v", err)
	}
	c.out.Send(&pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: e.Code, Message: e.Message, Hint: e.Hint, Position: int32(e.Position)})
	if c.status == 'T' {
		c.status = 'E'
	}
}

// extended ends a message of the extended protocol: after an error all is skipped to Sync.
func (c *conn) extended(err error) {
	if err != nil {
		c.fault(err)
		c.skipping = true
	}
}

// simple runs the statements of one text; the first error ends it.
func (c *conn) simple(text string) {
	list, err := sql.Parse(text)
	if err != nil {
		c.fault(err)
		return
	}
	if len(list) == 0 {
		c.out.Send(&pgproto3.EmptyQueryResponse{})
		return
	}
	for _, st := range list {
		if !c.transaction(st) {
			c.fault(errAborted)
			return
		}
		p, err := c.session.Prepare(st, nil)
		if err != nil {
			c.fault(err)
			return
		}
		o := &portal{c: c, p: p}
		if p.Node != nil && st.Kind != "COPY" {
			c.out.Send(rowDescription(p.Columns(), nil))
		}
		err = o.run(0)
		o.close()
		if err != nil {
			c.fault(err)
			return
		}
	}
}

// portal is a statement with its parameters, and how far its rows were taken.
type portal struct {
	c       *conn
	p       *sql.Prepared
	params  []value.Value
	formats []int16
	rows    *sql.Rows
	cancel  context.CancelCauseFunc
	batch   *exec.Batch
	at      int
	count   int64
	buf     []byte
	vals    [][]byte
	done    bool
}

func (o *portal) close() {
	if o.rows != nil {
		o.rows.Close()
	}
	if o.cancel != nil {
		o.cancel(nil)
	}
}

// run sends up to most rows (0: all), and says how it ended.
func (o *portal) run(most int64) error {
	if o.done {
		o.c.out.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 0")})
		return nil
	}
	if o.rows == nil {
		ctx, cancel := o.c.running()
		o.cancel = cancel
		stop := o.c.in.watch(func() { cancel(sql.ErrKilled) })
		rows, err := o.c.session.Run(ctx, o.p, o.params, 0)
		stop()
		if err != nil {
			return err
		}
		o.rows = rows
	} else {
		o.c.mu.Lock()
		o.c.stop = o.cancel
		o.c.mu.Unlock()
	}
	if o.rows.Columns == nil {
		o.done = true
		o.c.out.Send(&pgproto3.CommandComplete{CommandTag: []byte(o.rows.Tag)})
		return nil
	}
	stop := o.c.in.watch(func() { o.cancel(sql.ErrKilled) })
	defer stop()
	return o.send(most)
}

func (o *portal) send(most int64) error {
	copying := o.p.Statement.Kind == "COPY"
	if copying {
		o.c.out.Send(&pgproto3.CopyOutResponse{ColumnFormatCodes: make([]uint16, len(o.rows.Columns))})
	}
	for sent := int64(0); ; sent++ {
		if most > 0 && sent == most {
			o.c.out.Send(&pgproto3.PortalSuspended{})
			return nil
		}
		if o.batch == nil || o.at >= o.batch.N {
			var err error
			if o.batch, err = o.rows.Next(); err != nil {
				return err
			}
			if o.at = 0; o.batch == nil {
				break
			}
		}
		row := o.batch.Row(o.at)
		o.at++
		o.count++
		if copying {
			o.copy(row)
		} else if err := o.row(row); err != nil {
			return err
		}
		if sent%flushRows == flushRows-1 {
			if err := o.c.out.Flush(); err != nil {
				return err
			}
		}
	}
	o.done = true
	for _, n := range o.rows.Notices() {
		o.c.out.Send(&pgproto3.NoticeResponse{Severity: "NOTICE", SeverityUnlocalized: "NOTICE", Code: "00000", Message: n})
	}
	tag := "SELECT "
	if copying {
		o.c.out.Send(&pgproto3.CopyDone{})
		tag = "COPY "
	}
	o.c.out.Send(&pgproto3.CommandComplete{CommandTag: strconv.AppendInt([]byte(tag), o.count, 10)})
	return nil
}

// row sends a row in the formats that were asked for.
func (o *portal) row(row []value.Value) error {
	buf := o.buf[:0]
	ends := make([]int, 0, 64)
	for i, v := range row {
		if v.IsNull() {
			ends = append(ends, -1)
			continue
		}
		var err error
		if formatOf(o.formats, i) == 1 {
			buf, err = appendBinary(buf, v, o.rows.Columns[i].Type)
		} else {
			buf = v.AppendTyped(buf, o.rows.Columns[i].Type)
		}
		if err != nil {
			return err
		}
		ends = append(ends, len(buf))
	}
	o.buf, o.vals = buf, o.vals[:0]
	from := 0
	for _, end := range ends {
		if end < 0 {
			o.vals = append(o.vals, nil)
			continue
		}
		o.vals = append(o.vals, buf[from:end:end])
		from = end
	}
	o.c.out.Send(&pgproto3.DataRow{Values: o.vals})
	return nil
}

var copyEscape = strings.NewReplacer("\\", `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`)

// copy sends a row in COPY's text form.
func (o *portal) copy(row []value.Value) {
	b := o.buf[:0]
	for i, v := range row {
		if i > 0 {
			b = append(b, '\t')
		}
		if v.IsNull() {
			b = append(b, `\N`...)
			continue
		}
		b = append(b, copyEscape.Replace(string(v.AppendTyped(nil, o.rows.Columns[i].Type)))...)
	}
	o.buf = append(b, '\n')
	o.c.out.Send(&pgproto3.CopyData{Data: o.buf})
}

// formatOf is the format of a value: none said is text, one is for all.
func formatOf(codes []int16, i int) int16 {
	switch {
	case len(codes) == 0:
		return 0
	case len(codes) == 1:
		return codes[0]
	case i < len(codes):
		return codes[i]
	}
	return 0
}

func rowDescription(cols []plan.Column, formats []int16) *pgproto3.RowDescription {
	d := &pgproto3.RowDescription{}
	for i, col := range cols {
		d.Fields = append(d.Fields, pgproto3.FieldDescription{
			Name: []byte(col.Name), DataTypeOID: col.Type.OID(), DataTypeSize: col.Type.Size(), TypeModifier: -1, Format: formatOf(formats, i),
		})
	}
	return d
}

func (c *conn) parse(m *pgproto3.Parse) error {
	list, err := sql.Parse(m.Query)
	if err != nil {
		return err
	}
	if len(list) > 1 {
		return value.Errorf(value.SyntaxError, "cannot insert multiple commands into a prepared statement")
	}
	if m.Name != "" && c.statements[m.Name] != nil {
		return value.Errorf("42P05", "prepared statement %q already exists", m.Name)
	}
	if len(c.statements) > statementsMax {
		return value.Errorf(value.OutOfMemory, "the connection has more than %d prepared statements", statementsMax)
	}
	p := &sql.Prepared{}
	if len(list) == 1 {
		if c.status == 'E' && list[0].Kind != "ROLLBACK" && list[0].Kind != "COMMIT" {
			return errAborted
		}
		types := make([]value.Type, len(m.ParameterOIDs))
		for i, oid := range m.ParameterOIDs {
			types[i] = typeOf(oid)
		}
		if p, err = c.session.Prepare(list[0], types); err != nil {
			return err
		}
	}
	c.statements[m.Name] = p
	c.out.Send(&pgproto3.ParseComplete{})
	return nil
}

// statementsMax bounds prepared statements and portals of a connection.
const statementsMax = 1000

func (c *conn) bind(m *pgproto3.Bind) error {
	p := c.statements[m.PreparedStatement]
	if p == nil {
		return value.Errorf("26000", "prepared statement %q does not exist", m.PreparedStatement)
	}
	if len(m.Parameters) != len(p.Params) {
		return value.Errorf("08P01", "bind message supplies %d parameters, but prepared statement %q requires %d", len(m.Parameters), m.PreparedStatement, len(p.Params))
	}
	if len(c.portals) > statementsMax {
		return value.Errorf(value.OutOfMemory, "the connection has more than %d portals", statementsMax)
	}
	o := &portal{c: c, p: p, formats: append([]int16(nil), m.ResultFormatCodes...), params: make([]value.Value, len(m.Parameters))}
	for i, b := range m.Parameters {
		if b == nil {
			continue
		}
		var err error
		if formatOf(m.ParameterFormatCodes, i) == 1 {
			o.params[i], err = parseBinary(b, p.Params[i])
		} else {
			o.params[i], err = value.Cast(value.OfText(string(b)), p.Params[i])
		}
		if err != nil {
			return err
		}
	}
	c.drop(m.DestinationPortal)
	c.portals[m.DestinationPortal] = o
	c.out.Send(&pgproto3.BindComplete{})
	return nil
}

func (c *conn) describe(m *pgproto3.Describe) error {
	if m.ObjectType == 'S' {
		p := c.statements[m.Name]
		if p == nil {
			return value.Errorf("26000", "prepared statement %q does not exist", m.Name)
		}
		d := &pgproto3.ParameterDescription{}
		for _, t := range p.Params {
			d.ParameterOIDs = append(d.ParameterOIDs, t.OID())
		}
		c.out.Send(d)
		c.describeRows(p, nil)
		return nil
	}
	o := c.portals[m.Name]
	if o == nil {
		return value.Errorf("34000", "portal %q does not exist", m.Name)
	}
	c.describeRows(o.p, o.formats)
	return nil
}

func (c *conn) describeRows(p *sql.Prepared, formats []int16) {
	if p.Node == nil {
		c.out.Send(&pgproto3.NoData{})
		return
	}
	c.out.Send(rowDescription(p.Columns(), formats))
}

func (c *conn) execute(m *pgproto3.Execute) error {
	o := c.portals[m.Portal]
	if o == nil {
		return value.Errorf("34000", "portal %q does not exist", m.Portal)
	}
	if o.p.Statement == nil {
		c.out.Send(&pgproto3.EmptyQueryResponse{})
		return nil
	}
	if !c.transaction(o.p.Statement) {
		return errAborted
	}
	return o.run(int64(m.MaxRows))
}

func (c *conn) close(m *pgproto3.Close) {
	if m.ObjectType == 'S' {
		delete(c.statements, m.Name)
	} else {
		c.drop(m.Name)
	}
	c.out.Send(&pgproto3.CloseComplete{})
}
