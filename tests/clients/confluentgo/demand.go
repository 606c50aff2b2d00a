package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/streamhouse/streamhouse/tests/clients/program"
)

// demand is what confluent-kafka-go does beside the story of main.go; the package above
// says what each case is.
type demand struct{ broker, topic, groups string }

func demands(_ context.Context, broker, topic, groups string) program.Demands {
	d := &demand{broker, topic, groups}
	return program.Demands{
		LargeRecord: d.largeRecord, SeekByTime: d.seekByTime, PauseAndResume: d.pause, ManualCommit: d.manualCommit,
		LongPoll: d.longPoll, RegexSubscription: d.regex, CooperativeMembers: d.cooperative, StaticMembers: d.static,
	}
}

func (d *demand) settings(more kafka.ConfigMap) *kafka.ConfigMap {
	all := kafka.ConfigMap{"bootstrap.servers": d.broker, "log_level": 2}
	maps.Copy(all, more)
	return &all
}

func (d *demand) consumer(group string, more kafka.ConfigMap) (*kafka.Consumer, error) {
	all := kafka.ConfigMap{"group.id": d.groups + group, "enable.auto.commit": false}
	maps.Copy(all, more)
	return kafka.NewConsumer(d.settings(all))
}

// from is a consumer of one partition.
func (d *demand) from(partition int32, offset kafka.Offset, more kafka.ConfigMap) (*kafka.Consumer, error) {
	c, err := d.consumer("-none", more)
	if err != nil {
		return nil, err
	}
	return c, c.Assign(d.at(partition, offset))
}

func (d *demand) at(partition int32, offset kafka.Offset) []kafka.TopicPartition {
	return []kafka.TopicPartition{{Topic: &d.topic, Partition: partition, Offset: offset}}
}

func (d *demand) write(more kafka.ConfigMap, partition int32, messages ...*kafka.Message) error {
	producer, err := kafka.NewProducer(d.settings(more))
	if err != nil {
		return err
	}
	defer producer.Close()
	delivered := make(chan kafka.Event, len(messages))
	for _, m := range messages {
		m.TopicPartition = kafka.TopicPartition{Topic: &d.topic, Partition: partition}
		if err := producer.Produce(m, delivered); err != nil {
			return err
		}
	}
	for range messages {
		select {
		case e := <-delivered:
			if err := e.(*kafka.Message).TopicPartition.Error; err != nil {
				return err
			}
		case <-time.After(time.Minute):
			return fmt.Errorf("not delivered in a minute")
		}
	}
	return nil
}

// read polls until enough records came, or so long.
func read(c *kafka.Consumer, count int, bound time.Duration) (got []*kafka.Message) {
	for deadline := time.Now().Add(bound); len(got) < count && time.Now().Before(deadline); {
		if m, ok := c.Poll(100).(*kafka.Message); ok {
			got = append(got, m)
		}
	}
	return got
}

func (d *demand) largeRecord() (string, error) {
	value := program.LargeValue()
	if err := d.write(kafka.ConfigMap{"message.max.bytes": program.MaxBatch}, 0, &kafka.Message{Value: value}); err != nil {
		return "", err
	}
	c, err := d.from(0, kafka.OffsetBeginning, nil)
	if err != nil {
		return "", err
	}
	defer c.Close()
	got := read(c, 1, time.Minute)
	return fmt.Sprint(len(got), len(got) == 1 && bytes.Equal(got[0].Value, value)), nil
}

func (d *demand) seekByTime() (string, error) {
	var messages []*kafka.Message
	for n := range 100 {
		messages = append(messages, &kafka.Message{Value: []byte(strconv.Itoa(n)), Timestamp: program.TimeOf(n)})
	}
	if err := d.write(kafka.ConfigMap{"linger.ms": 100, "compression.type": "lz4"}, 1, messages...); err != nil {
		return "", err
	}
	c, err := d.consumer("-none", nil)
	if err != nil {
		return "", err
	}
	defer c.Close()
	found, err := c.OffsetsForTimes(d.at(1, kafka.Offset(program.Sought.UnixMilli())), 30_000)
	if err != nil {
		return "", err
	}
	if err := c.Assign(found); err != nil {
		return "", err
	}
	got := read(c, 1, time.Minute)
	if len(got) == 0 {
		return "nothing", nil
	}
	return fmt.Sprintf("%d %s", found[0].Offset, got[0].Value), nil
}

func (d *demand) pause() (string, error) {
	c, err := d.from(1, kafka.OffsetBeginning, nil)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.Pause(d.at(1, 0)); err != nil {
		return "", err
	}
	paused := len(read(c, 100, 600*time.Millisecond))
	if err := c.Resume(d.at(1, 0)); err != nil {
		return "", err
	}
	return fmt.Sprint(paused, len(read(c, 100, time.Minute))), nil
}

func (d *demand) manualCommit() (string, error) {
	c, err := d.consumer("-manual", nil)
	if err != nil {
		return "", err
	}
	note, offsets := "note", d.at(1, 42)
	offsets[0].Metadata = &note
	if _, err := c.CommitOffsets(offsets); err != nil {
		return "", err
	}
	if err := c.Close(); err != nil {
		return "", err
	}
	if c, err = d.consumer("-manual", nil); err != nil {
		return "", err
	}
	defer c.Close()
	found, err := c.Committed(d.at(1, 0), 30_000)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(int64(found[0].Offset), " ", *found[0].Metadata), found[0].Error
}

// longPoll: the fetch's own bound lies behind the end of the test.
func (d *demand) longPoll() (string, error) {
	c, err := d.from(2, kafka.OffsetBeginning, kafka.ConfigMap{"fetch.wait.max.ms": 120000, "socket.timeout.ms": 180000})
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.Poll(500) // the fetch is on its way
	if err := d.write(nil, 2, &kafka.Message{Value: []byte("x")}); err != nil {
		return "", err
	}
	return strconv.Itoa(len(read(c, 1, time.Minute))), nil
}

func (d *demand) regex() (string, error) {
	c, err := d.consumer("-regex", kafka.ConfigMap{"auto.offset.reset": "earliest"})
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.Subscribe("^"+d.topic+".*", nil); err != nil {
		return "", err
	}
	topics := map[string]bool{}
	for _, m := range read(c, 103, time.Minute) {
		topics[strings.TrimPrefix(*m.TopicPartition.Topic, d.topic)] = true
	}
	return "[" + strings.Join(slices.Sorted(maps.Keys(topics)), ", ") + "]", nil
}

// member is one member of a group with an instance id.
type member struct {
	consumer         *kafka.Consumer
	owned            map[int32]bool
	revoked, changes int
}

func (d *demand) member(group, instance string) (*member, error) {
	m := &member{owned: map[int32]bool{}}
	var err error
	m.consumer, err = d.consumer(group, kafka.ConfigMap{"group.instance.id": instance, "heartbeat.interval.ms": 300,
		"partition.assignment.strategy": "cooperative-sticky"})
	if err != nil {
		return nil, err
	}
	return m, m.consumer.Subscribe(d.topic, func(_ *kafka.Consumer, e kafka.Event) error {
		m.changes++
		switch e := e.(type) {
		case kafka.AssignedPartitions:
			for _, p := range e.Partitions {
				m.owned[p.Partition] = true
			}
		case kafka.RevokedPartitions:
			m.revoked += len(e.Partitions)
			for _, p := range e.Partitions {
				delete(m.owned, p.Partition)
			}
		}
		return nil
	})
}

func poll(until func() bool, members ...*member) error {
	for deadline := time.Now().Add(time.Minute); !until(); {
		if time.Now().After(deadline) {
			return fmt.Errorf("the partitions are not shared as they should be")
		}
		for _, m := range members {
			m.consumer.Poll(50)
		}
	}
	return nil
}

// pair is two members that share the partitions. Whoever has them closes both.
func (d *demand) pair(group string) (a, b *member, err error) {
	if a, err = d.member(group, "a"); err != nil {
		return nil, nil, err
	}
	if err = poll(func() bool { return len(a.owned) == 3 }, a); err != nil {
		return nil, nil, err
	}
	if b, err = d.member(group, "b"); err != nil {
		return nil, nil, err
	}
	return a, b, poll(func() bool { return len(a.owned) == 2 && len(b.owned) == 1 }, a, b)
}

func (d *demand) cooperative() (string, error) {
	a, b, err := d.pair("-cooperative")
	if err != nil {
		return "", err
	}
	revoked := a.revoked
	if err := b.consumer.Close(); err != nil {
		return "", err
	}
	return strconv.Itoa(revoked), a.consumer.Close()
}

func (d *demand) static() (string, error) {
	a, b, err := d.pair("-static")
	if err != nil {
		return "", err
	}
	defer b.consumer.Close()
	before, heard := maps.Clone(a.owned), b.changes
	if err := a.consumer.Close(); err != nil {
		return "", err
	}
	again, err := d.member("-static", "a")
	if err != nil {
		return "", err
	}
	defer again.consumer.Close()
	if err := poll(func() bool { return len(again.owned) == 2 }, again, b); err != nil {
		return "", err
	}
	for range 20 {
		b.consumer.Poll(50) // some heartbeats
	}
	return fmt.Sprint(maps.Equal(before, again.owned), b.changes-heard), nil
}
