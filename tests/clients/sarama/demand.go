package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/streamhouse/streamhouse/tests/clients/program"
)

// demand is what sarama does beside the story of main.go; the package above says what
// each case is.
type demand struct {
	brokers       []string
	topic, groups string
}

func demands(_ context.Context, broker, topic, groups string) program.Demands {
	d := &demand{[]string{broker}, topic, groups}
	return program.Demands{
		LargeRecord: d.largeRecord, SeekByTime: d.seekByTime, PauseAndResume: d.pause, ManualCommit: d.manualCommit,
		LongPoll: d.longPoll, StaticMembers: d.static,
	}
}

func (d *demand) write(change func(*sarama.Config), messages ...*sarama.ProducerMessage) error {
	conf := config()
	conf.Producer.Partitioner = sarama.NewManualPartitioner
	conf.Producer.RequiredAcks = sarama.WaitForAll
	conf.Producer.Return.Successes = true
	change(conf)
	producer, err := sarama.NewSyncProducer(d.brokers, conf)
	if err != nil {
		return err
	}
	defer producer.Close()
	return producer.SendMessages(messages)
}

// from reads one partition.
func (d *demand) from(partition int32, offset int64, conf *sarama.Config, use func(sarama.Consumer, sarama.PartitionConsumer) (string, error)) (string, error) {
	consumer, err := sarama.NewConsumer(d.brokers, conf)
	if err != nil {
		return "", err
	}
	defer consumer.Close()
	messages, err := consumer.ConsumePartition(d.topic, partition, offset)
	if err != nil {
		return "", err
	}
	defer messages.AsyncClose()
	return use(consumer, messages)
}

// read waits for so many messages, or so long.
func read(messages sarama.PartitionConsumer, count int, bound time.Duration) (got []*sarama.ConsumerMessage) {
	timeout := time.After(bound)
	for len(got) < count {
		select {
		case m := <-messages.Messages():
			got = append(got, m)
		case <-timeout:
			return got
		}
	}
	return got
}

func (d *demand) largeRecord() (string, error) {
	value := program.LargeValue()
	err := d.write(func(c *sarama.Config) { c.Producer.MaxMessageBytes = program.MaxBatch },
		&sarama.ProducerMessage{Topic: d.topic, Value: sarama.ByteEncoder(value)})
	if err != nil {
		return "", err
	}
	return d.from(0, sarama.OffsetOldest, config(), func(_ sarama.Consumer, messages sarama.PartitionConsumer) (string, error) {
		got := read(messages, 1, time.Minute)
		return fmt.Sprint(len(got), len(got) == 1 && bytes.Equal(got[0].Value, value)), nil
	})
}

func (d *demand) seekByTime() (string, error) {
	var messages []*sarama.ProducerMessage
	for n := range 100 {
		messages = append(messages, &sarama.ProducerMessage{Topic: d.topic, Partition: 1, Timestamp: program.TimeOf(n),
			Value: sarama.StringEncoder(strconv.Itoa(n))})
	}
	err := d.write(func(c *sarama.Config) {
		c.Producer.Flush.Frequency, c.Producer.Compression = 100*time.Millisecond, sarama.CompressionLZ4
	}, messages...)
	if err != nil {
		return "", err
	}
	client, err := sarama.NewClient(d.brokers, config())
	if err != nil {
		return "", err
	}
	defer client.Close()
	offset, err := client.GetOffset(d.topic, 1, program.Sought.UnixMilli())
	if err != nil {
		return "", err
	}
	return d.from(1, offset, config(), func(_ sarama.Consumer, messages sarama.PartitionConsumer) (string, error) {
		got := read(messages, 1, time.Minute)
		if len(got) == 0 {
			return "nothing", nil
		}
		return fmt.Sprintf("%d %s", offset, got[0].Value), nil
	})
}

func (d *demand) pause() (string, error) {
	conf := config()
	conf.ChannelBufferSize = 0 // what was fetched before the pause lies nowhere
	consumer, err := sarama.NewConsumer(d.brokers, conf)
	if err != nil {
		return "", err
	}
	defer consumer.Close()
	messages, err := consumer.ConsumePartition(d.topic, 1, 100) // the end: nothing comes before the pause
	if err != nil {
		return "", err
	}
	defer messages.AsyncClose()
	consumer.Pause(map[string][]int32{d.topic: {1}})
	time.Sleep(time.Second) // a fetch that was on its way is over
	var more []*sarama.ProducerMessage
	for range 100 {
		more = append(more, &sarama.ProducerMessage{Topic: d.topic, Partition: 1, Value: sarama.StringEncoder("more")})
	}
	if err := d.write(func(*sarama.Config) {}, more...); err != nil {
		return "", err
	}
	paused := len(read(messages, 100, 600*time.Millisecond))
	consumer.Resume(map[string][]int32{d.topic: {1}})
	return fmt.Sprint(paused, len(read(messages, 100, time.Minute))), nil
}

func (d *demand) manualCommit() (string, error) {
	client, err := sarama.NewClient(d.brokers, config())
	if err != nil {
		return "", err
	}
	defer client.Close()
	partition := func(use func(sarama.OffsetManager, sarama.PartitionOffsetManager)) error {
		offsets, err := sarama.NewOffsetManagerFromClient(d.groups+"-manual", client)
		if err != nil {
			return err
		}
		defer offsets.Close()
		p, err := offsets.ManagePartition(d.topic, 1)
		if err != nil {
			return err
		}
		defer p.AsyncClose()
		use(offsets, p)
		return nil
	}
	err = partition(func(all sarama.OffsetManager, p sarama.PartitionOffsetManager) {
		p.MarkOffset(42, "note")
		all.Commit()
	})
	if err != nil {
		return "", err
	}
	var found string
	err = partition(func(_ sarama.OffsetManager, p sarama.PartitionOffsetManager) {
		offset, note := p.NextOffset()
		found = fmt.Sprint(offset, " ", note)
	})
	return found, err
}

// longPoll: the fetch's own bound lies behind the end of the test.
func (d *demand) longPoll() (string, error) {
	conf := config()
	conf.Consumer.MaxWaitTime = 2 * time.Minute
	conf.Net.ReadTimeout = 3 * time.Minute
	consumer, err := sarama.NewConsumer(d.brokers, conf)
	if err != nil {
		return "", err
	}
	// Not closed: that waits for the fetch, and the program ends soon.
	messages, err := consumer.ConsumePartition(d.topic, 2, sarama.OffsetOldest)
	if err != nil {
		return "", err
	}
	time.Sleep(500 * time.Millisecond) // the fetch is on its way
	if err := d.write(func(*sarama.Config) {}, &sarama.ProducerMessage{Topic: d.topic, Partition: 2, Value: sarama.StringEncoder("x")}); err != nil {
		return "", err
	}
	return strconv.Itoa(len(read(messages, 1, time.Minute))), nil
}

// static is one member of a group with an instance id.
type static struct {
	group  sarama.ConsumerGroup
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	owned   []int32
	changes int
}

func (m *static) Setup(s sarama.ConsumerGroupSession) error {
	var owned []int32
	for _, partitions := range s.Claims() {
		owned = append(owned, partitions...)
	}
	slices.Sort(owned)
	m.changed(owned)
	return nil
}

func (m *static) Cleanup(sarama.ConsumerGroupSession) error {
	m.changed(nil)
	return nil
}

func (m *static) ConsumeClaim(s sarama.ConsumerGroupSession, _ sarama.ConsumerGroupClaim) error {
	<-s.Context().Done()
	return nil
}

func (m *static) changed(owned []int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owned = owned
	m.changes++
}

func (m *static) state() (owned []int32, changes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.owned, m.changes
}

func (m *static) has(count int) error {
	deadline := time.Now().Add(time.Minute)
	for {
		owned, _ := m.state()
		if len(owned) == count {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("a member has %v, not %d partitions", owned, count)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (m *static) close() {
	m.cancel()
	<-m.done
	_ = m.group.Close() // a static member leaves without a word
}

func (d *demand) member(instance string) (*static, error) {
	conf := config()
	conf.Consumer.Group.InstanceId = instance
	conf.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	conf.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange()}
	group, err := sarama.NewConsumerGroup(d.brokers, d.groups+"-static", conf)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &static{group: group, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(m.done)
		for ctx.Err() == nil {
			_ = group.Consume(ctx, []string{d.topic}, m) // again after each rebalance
		}
	}()
	return m, nil
}

func (d *demand) static() (string, error) {
	a, err := d.member("a")
	if err != nil {
		return "", err
	}
	if err := a.has(3); err != nil {
		return "", err
	}
	b, err := d.member("b")
	if err != nil {
		return "", err
	}
	defer b.close()
	if err := a.has(2); err != nil {
		return "", err
	}
	if err := b.has(1); err != nil {
		return "", err
	}
	before, _ := a.state()
	_, heard := b.state()
	a.close()
	again, err := d.member("a")
	if err != nil {
		return "", err
	}
	defer again.close()
	if err := again.has(2); err != nil {
		return "", err
	}
	time.Sleep(time.Second) // some heartbeats
	after, _ := again.state()
	_, changes := b.state()
	return fmt.Sprint(slices.Equal(before, after), changes-heard), nil
}
