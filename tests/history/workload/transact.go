package workload

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/history"
)

// transactor runs transactions under one transactional id.
type transactor struct {
	*producer
	id     string
	count  int
	client *kgo.Client // nil after a failure: the next transaction makes another
	reader *fetcher
}

// transactional runs transactions until ctx ends. A quarter are aborted; some read in
// between; some stay open for a while, so that readers must wait for them.
func (l *Load) transactional(ctx context.Context, name string, seed uint64) error {
	t := &transactor{producer: l.producer(name, seed, 3), id: l.Prefix + "-" + name,
		reader: l.fetcher(name, history.ReadCommitted, parts(l.writable()...))}
	defer t.reader.close()
	defer t.drop()
	for ctx.Err() == nil {
		if err := t.transaction(ctx); err != nil {
			return err
		}
		l.rest(ctx, t.random)
	}
	return nil
}

func (t *transactor) drop() {
	if t.client != nil {
		t.client.Close()
		t.client = nil
	}
}

// transaction runs one. What goes wrong is in the history, and ends the client, not
// the load: the next client of this transactional id fences it.
func (t *transactor) transaction(ctx context.Context) error {
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.l.Patience)
	defer cancel()
	if t.client == nil {
		var err error
		if t.client, err = kgo.NewClient(t.l.options(t.name, kgo.TransactionalID(t.id), kgo.TransactionTimeout(t.l.TxnTimeout),
			kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0), kgo.RecordDeliveryTimeout(t.l.TxnTimeout))...); err != nil {
			return err
		}
	}
	began := t.l.w.Now()
	if err := t.client.BeginTransaction(); err != nil {
		t.drop() // nothing was sent
		pause(ctx, t.l.Pace)
		return nil
	}
	t.count++
	txn := fmt.Sprintf("%s/%d", t.name, t.count)
	begin := history.Event{Start: began, End: t.l.w.Now(), Client: t.name, Op: history.Begin, Outcome: history.OK, Txn: txn}
	if id, epoch, err := t.client.ProducerID(bound); err == nil {
		begin.ProducerID, begin.Epoch = id, epoch
	}
	t.l.w.Add(begin)
	failed := t.work(ctx, bound, txn)
	commit := !failed && t.random.IntN(4) > 0
	e := history.Event{Start: t.l.w.Now(), Client: t.name, Op: history.EndTxn, Txn: txn, Commit: commit}
	var err error
	if failed {
		if err = t.client.AbortBufferedRecords(bound); err == nil {
			err = t.client.EndTransaction(bound, kgo.TryAbort)
		}
	} else {
		err = t.client.EndTransaction(bound, kgo.TransactionEndTry(commit))
	}
	e.End = t.l.w.Now()
	if outcome(&e, err); errors.Is(err, kerr.OperationNotAttempted) {
		e.Outcome = history.Fail
	}
	t.l.w.Add(e)
	if err != nil {
		t.drop()
		pause(ctx, t.l.Pace)
	}
	return nil
}

// work sends and reads within a transaction, and says whether a record failed.
func (t *transactor) work(ctx, bound context.Context, txn string) (failed bool) {
	var lost atomic.Bool
	for range 1 + t.random.IntN(3) {
		for range 1 + t.random.IntN(4) {
			e, value := t.next(place(t.random, t.l.targets()), history.Transactional)
			e.Txn = txn
			t.send(t.client, e, value, func(err error) {
				if err != nil {
					lost.Store(true)
				}
			})
		}
		if t.random.IntN(3) == 0 {
			// An answer that does not come says nothing.
			if err := t.reader.poll(bound, txn); err != nil {
				pause(ctx, time.Millisecond)
			}
		}
	}
	if err := t.client.Flush(bound); err != nil {
		return true
	}
	if t.random.IntN(3) == 0 {
		t.l.rest(ctx, t.random)
	}
	return lost.Load()
}
