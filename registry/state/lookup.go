package state

import (
	"errors"
	"slices"

	"github.com/streamhouse/streamhouse/registry/schema"
)

// Lookup finds the version of a subject that a schema is. Errors: SubjectNotFound,
// SchemaNotFound, InvalidSchema.
func (t *Tx) Lookup(q *Request, deleted bool) (*Registered, error) {
	x := t.Subject(q.Name)
	if x.Latest() == nil && (!deleted || x.highest() == 0) {
		return nil, notFound(q.Name)
	}
	config := t.Config(q.Name)
	c := candidate{Request: *q}
	if err := t.read(&c, config, false); err != nil {
		return nil, err
	}
	if v := t.find(&c, x, deleted); v != nil {
		return &Registered{q.Name, v}, nil
	}
	// Again with what a registration would have added.
	t.inherit(&c, config)
	if v := t.find(&c, x, deleted); v != nil {
		return &Registered{q.Name, v}, nil
	}
	return nil, schema.Errorf(schema.SchemaNotFound, "Schema not found")
}

func (t *Tx) find(c *candidate, x *Subject, deleted bool) *Version {
	if v := t.match(c, x); v != nil {
		return v
	}
	if !deleted {
		return nil
	}
	for _, v := range slices.Backward(x.Versions) {
		if sameBut(v.Schema, &c.Schema) {
			return v
		}
	}
	return nil
}

// Compare returns why a schema does not fit to a subject: to one version, or with number 0
// to those that the level looks at. parses: a schema that does not parse is an answer and
// no error. Errors: VersionNotFound, InvalidSchema.
func (t *Tx) Compare(q *Request, number int32, latest, parses bool) ([]string, error) {
	x := t.Subject(q.Name)
	config := t.Config(q.Name)
	c := candidate{Request: *q}
	var against []*Version
	switch {
	case number > 0:
		v := x.Find(number)
		if v == nil || v.Deleted {
			return nil, versionNotFound(number)
		}
		against = []*Version{v}
	case latest:
		if v := x.Latest(); v != nil {
			against = []*Version{v}
		}
	default:
		against = x.Live()
	}
	t.inherit(&c, config)
	if err := t.read(&c, config, t.strict(config, false)); err != nil {
		var e *schema.Error
		if parses && errors.As(err, &e) && e.Code == schema.InvalidSchema {
			return []string{e.Message}, nil
		}
		return nil, err
	}
	return t.compare(&c, against, config)
}
