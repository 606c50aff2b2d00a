package transactions

import (
	"context"
	"errors"

	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/log"
)

// Markers ends a producer's transaction in some partitions, whatever its coordinator
// knows of it: an administrator ends what nobody else will.
type Markers struct {
	Producer         Producer
	Commit           bool
	CoordinatorEpoch int32
	Version          int16 // of the transaction protocol
	Partitions       []txn.TopicPartition
}

// WriteMarkers writes the markers and waits until they are durable. There is one code
// per partition, in order: those of the log.
func (c *Coordinator) WriteMarkers(ctx context.Context, m *Markers) []protocol.Code {
	ctx, cancel := context.WithTimeout(ctx, c.opts.AnswerTimeout)
	defer cancel()
	appender := c.log.Appender()
	defer appender.Close()
	outcomes := make([]chan error, len(m.Partitions))
	end := &record.EndMarker{Commit: m.Commit, CoordinatorEpoch: m.CoordinatorEpoch}
	for i, tp := range m.Partitions {
		outcome := make(chan error, 1)
		outcomes[i] = outcome
		p, err := c.open(ctx, tp)
		if err == nil && m.Producer.ID == noProducer.ID {
			err = protocol.InvalidRequest // it would end nothing, and stay in the log
		}
		if err != nil {
			outcome <- err
			continue
		}
		b := markerBatch(m.Producer.ID, m.Producer.Epoch, end, m.Version >= txn.Version2, c.nowMs())
		ticket := log.NewTicket(1, func(t *log.Ticket) { outcome <- t.Results()[0].Err })
		appender.Append(ctx, ticket, []Append{{p, b}})
	}
	codes := make([]protocol.Code, len(m.Partitions))
	for i, tp := range m.Partitions {
		select {
		case err := <-outcomes[i]:
			codes[i] = markerCode(err)
		case <-ctx.Done():
			codes[i] = protocol.RequestTimedOut
		}
		if codes[i] == protocol.None && tp.Topic == offsetsTopic {
			c.offsets.TransactionEnded(tp.Partition, m.Producer.ID, m.Commit)
		}
	}
	return codes
}

func markerCode(err error) protocol.Code {
	var code protocol.Code
	switch {
	case err == nil:
		return protocol.None
	case errors.As(err, &code):
		return code
	}
	return protocol.RequestTimedOut
}
