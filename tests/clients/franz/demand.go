package main

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/clients/program"
)

// demand is what franz-go does beside the story of main.go; the package above says what
// each case is.
type demand struct {
	ctx                   context.Context
	broker, topic, groups string
}

func demands(ctx context.Context, broker, topic, groups string) program.Demands {
	d := &demand{ctx, broker, topic, groups}
	return program.Demands{
		LargeRecord: d.largeRecord, SeekByTime: d.seekByTime, PauseAndResume: d.pause, ManualCommit: d.manualCommit,
		LongPoll: d.longPoll, RegexSubscription: d.regex, CooperativeMembers: d.cooperative, StaticMembers: d.static,
	}
}

func (d *demand) client(more ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(d.broker), kgo.RecordPartitioner(kgo.ManualPartitioner())}, more...)...)
}

// from is a consumer of one partition.
func (d *demand) from(partition int32, at kgo.Offset, more ...kgo.Opt) (*kgo.Client, error) {
	return d.client(append(more, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{d.topic: {partition: at}}))...)
}

func (d *demand) write(records []*kgo.Record, more ...kgo.Opt) error {
	client, err := d.client(more...)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.ProduceSync(d.ctx, records...).FirstErr()
}

// read polls until enough records came.
func (d *demand) read(client *kgo.Client, count int) (got []*kgo.Record, err error) {
	for len(got) < count && err == nil {
		fetches := client.PollFetches(d.ctx)
		got, err = append(got, fetches.Records()...), fetches.Err()
	}
	return got, err
}

func (d *demand) largeRecord() (string, error) {
	value := program.LargeValue()
	if err := d.write([]*kgo.Record{{Topic: d.topic, Value: value}}, kgo.ProducerBatchMaxBytes(program.MaxBatch)); err != nil {
		return "", err
	}
	client, err := d.from(0, kgo.NewOffset().AtStart())
	if err != nil {
		return "", err
	}
	defer client.Close()
	got, err := d.read(client, 1)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(len(got), bytes.Equal(got[0].Value, value)), nil
}

func (d *demand) seekByTime() (string, error) {
	var records []*kgo.Record
	for n := range 100 {
		records = append(records, &kgo.Record{Topic: d.topic, Partition: 1, Value: []byte(strconv.Itoa(n)), Timestamp: program.TimeOf(n)})
	}
	if err := d.write(records, kgo.ProducerLinger(100*time.Millisecond), kgo.ProducerBatchCompression(kgo.Lz4Compression())); err != nil {
		return "", err
	}
	client, err := d.from(1, kgo.NewOffset().AfterMilli(program.Sought.UnixMilli()))
	if err != nil {
		return "", err
	}
	defer client.Close()
	got, err := d.read(client, 1)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(got[0].Offset, " ", string(got[0].Value)), nil
}

func (d *demand) pause() (string, error) {
	client, err := d.from(1, kgo.NewOffset().AtStart())
	if err != nil {
		return "", err
	}
	defer client.Close()
	only := map[string][]int32{d.topic: {1}}
	client.PauseFetchPartitions(only)
	ctx, cancel := context.WithTimeout(d.ctx, 600*time.Millisecond)
	defer cancel()
	paused := client.PollFetches(ctx).NumRecords()
	client.ResumeFetchPartitions(only)
	got, err := d.read(client, 100)
	return fmt.Sprint(paused, len(got)), err
}

func (d *demand) manualCommit() (string, error) {
	client, err := d.client()
	if err != nil {
		return "", err
	}
	defer client.Close()
	group, adm := d.groups+"-manual", kadm.NewClient(client)
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: d.topic, Partition: 1, At: 42, LeaderEpoch: -1, Metadata: "note"})
	if err := adm.CommitAllOffsets(d.ctx, group, offsets); err != nil {
		return "", err
	}
	found, err := adm.FetchOffsets(d.ctx, group)
	if err != nil {
		return "", err
	}
	o, _ := found.Lookup(d.topic, 1)
	return fmt.Sprint(o.At, " ", o.Metadata), o.Err
}

// longPoll: the fetch's own bound lies behind the end of the test.
func (d *demand) longPoll() (string, error) {
	client, err := d.from(2, kgo.NewOffset().AtStart(), kgo.FetchMaxWait(2*time.Minute))
	if err != nil {
		return "", err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(d.ctx, 500*time.Millisecond)
	defer cancel()
	client.PollFetches(ctx) // the fetch is on its way
	if err := d.write([]*kgo.Record{{Topic: d.topic, Partition: 2, Value: []byte("x")}}); err != nil {
		return "", err
	}
	got, err := d.read(client, 1)
	return strconv.Itoa(len(got)), err
}

func (d *demand) regex() (string, error) {
	client, err := d.client(kgo.ConsumerGroup(d.groups+"-regex"), kgo.ConsumeRegex(), kgo.ConsumeTopics("^"+regexp.QuoteMeta(d.topic)+".*"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return "", err
	}
	defer client.Close()
	got, err := d.read(client, 103)
	topics := map[string]bool{}
	var names []string
	for _, r := range got {
		if !topics[r.Topic] {
			topics[r.Topic] = true
			names = append(names, strings.TrimPrefix(r.Topic, d.topic))
		}
	}
	slices.Sort(names)
	return "[" + strings.Join(names, ", ") + "]", err
}

// member is one member of a group with an instance id.
type member struct {
	client *kgo.Client

	mu               sync.Mutex
	owned            []int32
	revoked, changes int
}

func (d *demand) member(group, instance string) (*member, error) {
	m := &member{}
	gone := func(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.owned = slices.DeleteFunc(m.owned, func(p int32) bool { return slices.Contains(lost[d.topic], p) })
		m.revoked += len(lost[d.topic])
		m.changes++
	}
	client, err := d.client(kgo.ConsumerGroup(d.groups+group), kgo.ConsumeTopics(d.topic), kgo.InstanceID(instance),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.HeartbeatInterval(300*time.Millisecond), kgo.OnPartitionsRevoked(gone), kgo.OnPartitionsLost(gone),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, came map[string][]int32) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.owned = append(m.owned, came[d.topic]...)
			slices.Sort(m.owned)
			m.changes++
		}))
	m.client = client
	return m, err
}

// has waits until a member has so many partitions.
func (m *member) has(ctx context.Context, count int) error {
	for {
		m.mu.Lock()
		n := len(m.owned)
		m.mu.Unlock()
		if n == count {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("a member has %d partitions, not %d", n, count)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (m *member) state() (owned []int32, revoked, changes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.owned), m.revoked, m.changes
}

// pair is two members that share the partitions. Whoever has them closes both.
func (d *demand) pair(group string) (a, b *member, err error) {
	if a, err = d.member(group, "a"); err != nil {
		return nil, nil, err
	}
	if err = a.has(d.ctx, 3); err == nil {
		b, err = d.member(group, "b")
	}
	if err != nil {
		a.client.Close()
		return nil, nil, err
	}
	if err = a.has(d.ctx, 2); err == nil {
		err = b.has(d.ctx, 1)
	}
	return a, b, err
}

func (d *demand) cooperative() (string, error) {
	a, b, err := d.pair("-cooperative")
	if err != nil {
		return "", err
	}
	_, revoked, _ := a.state()
	a.client.Close()
	b.client.Close()
	return strconv.Itoa(revoked), nil
}

func (d *demand) static() (string, error) {
	a, b, err := d.pair("-static")
	if err != nil {
		return "", err
	}
	defer b.client.Close()
	before, _, _ := a.state()
	_, _, heard := b.state()
	a.client.Close()
	again, err := d.member("-static", "a")
	if err != nil {
		return "", err
	}
	defer again.client.Close()
	if err := again.has(d.ctx, 2); err != nil {
		return "", err
	}
	time.Sleep(time.Second) // some heartbeats
	after, _, _ := again.state()
	_, _, changes := b.state()
	return fmt.Sprint(slices.Equal(before, after), changes-heard), nil
}
