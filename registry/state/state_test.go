package state

import (
	"slices"
	"testing"

	"github.com/streamhouse/streamhouse/registry/entry"
	"github.com/streamhouse/streamhouse/registry/schema"
	"github.com/streamhouse/streamhouse/registry/schema/avro"
	"github.com/streamhouse/streamhouse/registry/subject"
)

// world is a state with the log of its entries.
type world struct {
	t   *testing.T
	s   *State
	log []entry.Entry
}

func newWorld(t *testing.T) *world { return &world{t: t, s: New()} }

func (w *world) tx() *Tx {
	return &Tx{
		Look: func(f func(*State)) { f(w.s) }, Work: &schema.Work{},
		Parse:    func(_ schema.Type, src *schema.Source) (schema.Parsed, error) { return avro.Language{}.Parse(src) },
		Defaults: Defaults{Level: schema.Backward, ValidateNewSchemas: true, MutableModes: true},
	}
}

// do carries a decision out; the code is 0 if it went well.
func (w *world) do(decide func(*Tx) (Commit, error)) (any, schema.Code) {
	w.t.Helper()
	tx := w.tx()
	commit, err := decide(tx)
	var entries []entry.Entry
	var answer any
	if err == nil && tx.Holds(w.s) {
		entries, answer, err = commit(w.s)
	}
	if err != nil {
		return nil, err.(*schema.Error).Code
	}
	for i := range entries {
		w.s.Apply(&entries[i], 1)
	}
	w.log = append(w.log, entries...)
	return answer, 0
}

func (w *world) register(name, text string) (*Registered, schema.Code) {
	w.t.Helper()
	got, code := w.do(func(t *Tx) (Commit, error) {
		return t.Register(&Request{Name: subject.Parse(name), Schema: schema.Schema{Text: text}})
	})
	if code != 0 {
		return nil, code
	}
	return got.(*Registered), 0
}

func (w *world) remove(name string, permanent bool) schema.Code {
	w.t.Helper()
	_, code := w.do(func(t *Tx) (Commit, error) { return t.DeleteSubject(subject.Parse(name), permanent) })
	return code
}

// compacted folds the last entry of each key, as a restart after compaction does.
func (w *world) compacted() *State {
	out := New()
	for i, e := range w.log {
		later := func(o entry.Entry) bool { return string(o.KeyBytes()) == string(e.KeyBytes()) }
		if slices.ContainsFunc(w.log[i+1:], later) || e.Value == nil {
			continue
		}
		read, err := entry.Decode(e.KeyBytes(), e.ValueBytes())
		if err != nil {
			w.t.Fatal(err)
		}
		out.Apply(read, 1)
	}
	return out
}

// An id is never given twice: not after a permanent delete, a compaction and a restart.
func TestIDsAreGivenOnce(t *testing.T) {
	for _, name := range []string{"a", ":.ctx:a"} {
		w := newWorld(t)
		for i, text := range []string{`"int"`, `"long"`} {
			if got, code := w.register(name, text); code != 0 || got.ID != int32(i+1) || got.Number != int32(i+1) {
				t.Fatalf("%+v, %d", got, code)
			}
		}
		if code := w.remove(name, true); code != schema.SubjectNotSoftDeleted {
			t.Error(code)
		}
		if code := w.remove(name, false); code != 0 {
			t.Error(code)
		}
		if code := w.remove(name, false); code != schema.SubjectSoftDeleted {
			t.Error(code)
		}
		// Soft delete, restart, register again: the same id, a new version.
		w.s = w.compacted()
		if got, code := w.register(name, `"int"`); code != 0 || got.ID != 1 || got.Number != 3 {
			t.Errorf("%+v, %d", got, code)
		}
		w.remove(name, false)
		if code := w.remove(name, true); code != 0 {
			t.Error(code)
		}
		w.s = w.compacted()
		if got, code := w.register(name, `"int"`); code != 0 || got.ID != 3 || got.Number != 1 {
			t.Errorf("after all was deleted: %+v, %d", got, code)
		}
	}
}

func TestIncompatible(t *testing.T) {
	w := newWorld(t)
	w.register("a", `"long"`)
	if _, code := w.register("a", `"boolean"`); code != schema.Incompatible {
		t.Error(code)
	}
	if _, code := w.register("a", `"nothing"`); code != schema.InvalidSchema {
		t.Error(code)
	}
	if got, code := w.register("b", `"long"`); code != 0 || got.ID != 1 {
		t.Errorf("%+v, %d", got, code)
	}
}
