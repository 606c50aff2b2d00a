package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

const (
	transactions metric = "transactions/s"
	// writers is how many transactional producers work at a time, each on one
	// transaction after the other.
	writers = 8
	// manyWriters is the case of many small applications.
	manyWriters = 1000
	// paced and manyPaced are transactions per second that Kafka can do, flushing or not,
	// with room to spare: latency is compared under the same load.
	paced     = 40
	manyPaced = 200
	// txnRecord is the size of a record, bytes.
	txnRecord = 256
)

// load is what transactional producers do.
type load struct {
	producers, records, partitions int
	// perSecond is how many transactions all of them begin in a second; 0: each begins the
	// next when the last is over, so that a quicker broker has more to do.
	perSecond int
}

func transactionCases() []benchCase {
	var list []benchCase
	for _, partitions := range []int{1, 10} {
		for _, records := range []int{1, 10, 100} {
			list = append(list, benchCase{fmt.Sprintf("txn-%dr-%dp", records, partitions),
				fmt.Sprintf("%d producers, transactions of %d records over %d partitions; p50 and p99 of the commit", writers, records, partitions),
				func(ctx context.Context, m *measured) error {
					return m.transact(ctx, load{producers: writers, records: records, partitions: partitions})
				}})
			list = append(list, benchCase{fmt.Sprintf("txn-%dr-%dp-paced", records, partitions),
				fmt.Sprintf("the same, %d transactions a second in all, which either broker can do", paced),
				func(ctx context.Context, m *measured) error {
					return m.transact(ctx, load{producers: writers, records: records, partitions: partitions, perSecond: paced})
				}})
		}
	}
	return append(list,
		benchCase{"txn-1000-producers", "1,000 producers, each with transactions of one record",
			func(ctx context.Context, m *measured) error {
				return m.transact(ctx, load{producers: manyWriters, records: 1, partitions: 10})
			}},
		benchCase{"txn-1000-producers-paced", fmt.Sprintf("the same, %d transactions a second in all", manyPaced),
			func(ctx context.Context, m *measured) error {
				return m.transact(ctx, load{producers: manyWriters, records: 1, partitions: 10, perSecond: manyPaced})
			}},
		benchCase{"txn-end-to-end", "from sending a record in a transaction to having read it with read_committed",
			func(ctx context.Context, m *measured) error { return m.endToEndCommitted(ctx) }},
	)
}

// transact measures how many transactions a number of producers get done, how long the
// commit takes, from asking for it, when all records are acknowledged, to its answer, and
// how long the whole turn takes, from the beginning of the transaction.
func (m *measured) transact(ctx context.Context, l load) error {
	if m.settings.pace > 0 {
		l.perSecond = m.settings.pace
	}
	if err := m.createTopic(ctx, topicName, l.partitions); err != nil {
		return err
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	group, loading := errgroup.WithContext(loading)
	var commits, turns samples
	for i := range l.producers {
		group.Go(func() error { return m.transactor(loading, i, l, &commits, &turns) })
	}
	// A thousand producers take their time to get their ids.
	if err := commits.moves(loading, l.producers); err != nil {
		return fmt.Errorf("%w (%w)", err, group.Wait())
	}
	if err := commits.window(loading, m.settings); err != nil {
		return fmt.Errorf("%w (%w)", err, group.Wait())
	}
	usage, err := readUsage(m.PID())
	if err != nil {
		return err
	}
	stop()
	if err := group.Wait(); err != nil {
		return err
	}
	m.result[peakMemory] = float64(usage.peak) / (1 << 20)
	if err := commits.report(m.result, m.settings.window, max(1, l.perSecond)); err != nil {
		return err
	}
	whole := turns.sort()
	m.result[turnP50], m.result[turnP99] = quantile(whole, 0.5), quantile(whole, 0.99)
	m.result[transactions] = m.result[rate]
	delete(m.result, rate)
	return nil
}

// startBound is how long the producers may take until each has committed once.
const startBound = 2 * time.Minute

// moves waits until there have been n commits.
func (s *samples) moves(ctx context.Context, n int) error {
	for began := time.Now(); s.seen.Load() < int64(n); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Since(began) > startBound {
			return fmt.Errorf("%d transactions in %v", s.seen.Load(), startBound)
		}
	}
	return nil
}

// transactor is one producer: transaction after transaction until ctx ends.
func (m *measured) transactor(ctx context.Context, number int, l load, commits, turns *samples) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(m.Addr()), kgo.TransactionalID(fmt.Sprintf("bench-%d", number)),
		kgo.DefaultProduceTopic(topicName), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.TransactionTimeout(time.Minute))
	if err != nil {
		return err
	}
	defer client.Close()
	value := make([]byte, txnRecord)
	for next := l.first(number); l.await(ctx, next); next = next.Add(l.interval()) {
		began := time.Now()
		if err := client.BeginTransaction(); err != nil {
			return err
		}
		batch := make([]*kgo.Record, l.records)
		for i := range batch {
			batch[i] = &kgo.Record{Value: value, Partition: int32((number + i) % l.partitions)}
		}
		// What has begun is finished, also when the window is over.
		if err := client.ProduceSync(context.Background(), batch...).FirstErr(); err != nil {
			return err
		}
		asked := time.Now()
		if err := client.EndTransaction(context.Background(), kgo.TryCommit); err != nil {
			return err
		}
		if commits.add(time.Since(asked)) {
			turns.keep(time.Since(began))
		}
	}
	return nil
}

// interval is the time between two transactions of one producer, 0 without a pace.
func (l load) interval() time.Duration {
	if l.perSecond == 0 {
		return 0
	}
	return time.Duration(l.producers) * time.Second / time.Duration(l.perSecond)
}

// first spreads the producers' beginnings over an interval.
func (l load) first(number int) time.Time {
	return time.Now().Add(l.interval() * time.Duration(number) / time.Duration(l.producers))
}

// await says whether ctx still lasts at that time.
func (l load) await(ctx context.Context, at time.Time) bool {
	if l.perSecond == 0 {
		return ctx.Err() == nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Until(at)):
		return true
	}
}

// endToEndCommitted is endToEnd with one transaction per record.
func (m *measured) endToEndCommitted(ctx context.Context) error {
	const partitions = 4
	if err := m.createTopic(ctx, topicName, partitions); err != nil {
		return err
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	group, loading := errgroup.WithContext(loading)
	var s samples
	group.Go(func() error { return m.readCommitted(loading, &s) })
	var sent atomic.Int64
	group.Go(func() error { return m.sendCommitted(loading, partitions, &sent) })
	if err := s.window(loading, m.settings); err != nil {
		return fmt.Errorf("%w (%w)", err, group.Wait())
	}
	stop()
	if err := group.Wait(); err != nil {
		return err
	}
	return s.report(m.result, m.settings.window, 1)
}

// sendCommitted commits records that hold the time when they were sent.
func (m *measured) sendCommitted(ctx context.Context, partitions int, sent *atomic.Int64) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(m.Addr()), kgo.TransactionalID("bench"), kgo.DefaultProduceTopic(topicName),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return err
	}
	defer client.Close()
	for ctx.Err() == nil {
		if err := client.BeginTransaction(); err != nil {
			return err
		}
		value := make([]byte, txnRecord)
		binary.BigEndian.PutUint64(value, uint64(time.Now().UnixNano()))
		r := &kgo.Record{Value: value, Partition: int32(sent.Add(1) % int64(partitions))}
		if err := client.ProduceSync(context.Background(), r).FirstErr(); err != nil {
			return err
		}
		if err := client.EndTransaction(context.Background(), kgo.TryCommit); err != nil {
			return err
		}
	}
	return nil
}

func (m *measured) readCommitted(ctx context.Context, s *samples) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(m.Addr()), kgo.ConsumeTopics(topicName), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	defer client.Close()
	for ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			s.add(time.Since(time.Unix(0, int64(binary.BigEndian.Uint64(r.Value)))))
		})
	}
	return nil
}
