package guests

import (
	"fmt"

	"github.com/streamhouse/streamhouse/tests/history"
)

// write runs one transaction over the topics that all write to. A quarter are aborted;
// some read in between; in some the program is killed.
func (g *Guest) write() error {
	txn, err := g.begin()
	if txn == "" {
		return err
	}
	good := true
	for range 1 + g.random.IntN(2) {
		if good, err = g.send(txn, g.pick()); err != nil || !good {
			break
		}
		if g.random.IntN(3) == 0 {
			if err = g.read(txn); err != nil {
				break
			}
		}
	}
	if err != nil {
		return err
	}
	if g.random.IntN(killOneIn) == 0 {
		return g.kill()
	}
	_, err = g.end(txn, good && g.random.IntN(4) > 0, nil)
	return err
}

// begin begins a transaction and returns its name in the history, "" if that failed:
// nothing was sent then.
func (g *Guest) begin() (txn string, err error) {
	if ok, err := g.open(); !ok {
		return "", err
	}
	began := g.w.Now()
	r, err := g.do(request{Do: "begin"})
	if err != nil {
		return "", err
	}
	if r.Error != "" {
		return "", g.drop("producer")
	}
	g.txns++
	txn = fmt.Sprintf("%s/%d", g.Name(), g.txns)
	g.w.Add(history.Event{Start: began, End: g.w.Now(), Client: g.Name(), Op: history.Begin, Outcome: history.OK, Txn: txn})
	return txn, nil
}

// ended is what became of a transaction, as far as its client knows.
type ended int

const (
	open      ended = iota // nobody asked for an end, or the answer leaves it open
	committed              //
	aborted                // the producer goes on
)

// end commits or aborts a transaction, with the offsets that are in it. An end that
// failed is of unknown outcome, whatever the library says.
func (g *Guest) end(txn string, commit bool, offsets []history.Event) (ended, error) {
	if !g.producer {
		return open, nil // it is gone, and the transaction ends with the next one's beginning
	}
	e := history.Event{Start: g.w.Now(), Client: g.Name(), Op: history.EndTxn, Outcome: history.OK, Txn: txn, Commit: commit}
	do := "abort"
	if commit {
		do = "commit"
	}
	g.fresh = false
	r, err := g.do(request{Do: do})
	e.End = g.w.Now()
	if r.Error != "" {
		e.Outcome, e.Error = history.Unknown, r.Error
	}
	for _, o := range offsets {
		if commit {
			o.Start, o.End, o.Outcome, o.Error = e.Start, e.End, e.Outcome, e.Error
			g.w.Add(o)
		}
	}
	g.w.Add(e)
	switch {
	case err != nil:
		return open, err
	case r.Error == "" && commit:
		g.note(func(d *Did) { d.Committed++ })
		return committed, nil
	case r.Error == "":
		g.note(func(d *Did) { d.Aborted++ })
		return aborted, nil
	}
	g.note(func(d *Did) { d.Unknown++ })
	if commit && r.Abort && g.producer {
		if r, err = g.do(request{Do: "abort"}); err != nil || r.Error == "" {
			return open, err
		}
	}
	return open, g.drop("producer")
}
