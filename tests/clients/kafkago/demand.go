package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/streamhouse/streamhouse/tests/clients/program"
)

// demand is what kafka-go does beside the story of main.go; the package above says what
// each case is.
type demand struct {
	ctx                   context.Context
	broker, topic, groups string
}

func demands(ctx context.Context, broker, topic, groups string) program.Demands {
	d := &demand{ctx, broker, topic, groups}
	return program.Demands{
		LargeRecord: d.largeRecord, SeekByTime: d.seekByTime,
		ManualCommit: d.manualCommit, LongPoll: d.longPoll,
	}
}

// toPartition is a balancer that gives every message to one partition.
func toPartition(partition int) kafka.Balancer {
	return kafka.BalancerFunc(func(kafka.Message, ...int) int { return partition })
}

func (d *demand) write(partition int, compression kafka.Compression, messages ...kafka.Message) error {
	writer := &kafka.Writer{Addr: kafka.TCP(d.broker), Topic: d.topic, Balancer: toPartition(partition), BatchBytes: program.MaxBatch,
		BatchTimeout: 100 * time.Millisecond, RequiredAcks: kafka.RequireAll, Compression: compression}
	defer writer.Close()
	return writer.WriteMessages(d.ctx, messages...)
}

func (d *demand) reader(partition int, wait time.Duration) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{Brokers: []string{d.broker}, Topic: d.topic, Partition: partition, MinBytes: 1, MaxBytes: program.MaxBatch, MaxWait: wait})
}

func (d *demand) largeRecord() (string, error) {
	value := program.LargeValue()
	if err := d.write(0, 0, kafka.Message{Value: value}); err != nil {
		return "", err
	}
	reader := d.reader(0, time.Second)
	defer reader.Close()
	m, err := reader.ReadMessage(d.ctx)
	return fmt.Sprint(1, bytes.Equal(m.Value, value)), err
}

func (d *demand) seekByTime() (string, error) {
	var messages []kafka.Message
	for n := range 100 {
		messages = append(messages, kafka.Message{Value: []byte(strconv.Itoa(n)), Time: program.TimeOf(n)})
	}
	if err := d.write(1, kafka.Lz4, messages...); err != nil {
		return "", err
	}
	reader := d.reader(1, time.Second)
	defer reader.Close()
	if err := reader.SetOffsetAt(d.ctx, program.Sought); err != nil {
		return "", err
	}
	offset := reader.Offset()
	m, err := reader.ReadMessage(d.ctx)
	return fmt.Sprintf("%d %s", offset, m.Value), err
}

func (d *demand) manualCommit() (string, error) {
	client, group := &kafka.Client{Addr: kafka.TCP(d.broker), Timeout: 30 * time.Second}, d.groups+"-manual"
	for {
		committed, err := client.OffsetCommit(d.ctx, &kafka.OffsetCommitRequest{GroupID: group, GenerationID: -1,
			Topics: map[string][]kafka.OffsetCommit{d.topic: {{Partition: 1, Offset: 42, Metadata: "note"}}}})
		if err != nil {
			return "", err
		}
		err = committed.Topics[d.topic][0].Error
		if err == nil {
			break
		}
		// Kafka makes the topic of offsets for the first group: the coordinator comes then.
		if !errors.Is(err, kafka.NotCoordinatorForGroup) && !errors.Is(err, kafka.GroupCoordinatorNotAvailable) && !errors.Is(err, kafka.GroupLoadInProgress) || d.ctx.Err() != nil {
			return "", err
		}
		time.Sleep(100 * time.Millisecond)
	}
	found, err := client.OffsetFetch(d.ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{d.topic: {1}}})
	if err != nil {
		return "", err
	}
	p := found.Topics[d.topic][0]
	return fmt.Sprint(p.CommittedOffset, " ", p.Metadata), p.Error
}

// longPoll: the fetch's own bound lies behind the end of the test. The reader is not
// closed: that waits for the fetch, and the program ends after this.
func (d *demand) longPoll() (string, error) {
	type result struct {
		count int
		err   error
	}
	reader, got := d.reader(2, 2*time.Minute), make(chan result, 1)
	go func() {
		_, err := reader.ReadMessage(d.ctx)
		got <- result{1, err}
	}()
	time.Sleep(500 * time.Millisecond) // the fetch is on its way
	if err := d.write(2, 0, kafka.Message{Value: []byte("x")}); err != nil {
		return "", err
	}
	select {
	case r := <-got:
		return strconv.Itoa(r.count), r.err
	case <-time.After(time.Minute):
		return "0", nil
	}
}
