package produce

import (
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/protocol"
)

// lineEvery is how often at most a line is logged of batches that are refused for what
// comes out of them: a client may send them without end.
const lineEvery = time.Minute

// lines remembers when the last one was.
type lines struct{ last atomic.Int64 }

// note logs the refusal of a batch that holds more than max.decompressed.batch.bytes. Its
// client is told a code alone, and nobody else would know what to change.
func (q *produceParser) note(topic *catalog.Topic, partition int32, err error) {
	if q.Logger == nil || api.CodeOf(err) != protocol.MessageTooLarge {
		return
	}
	last := q.lines.last.Load()
	if q.now-last < lineEvery.Milliseconds() || !q.lines.last.CompareAndSwap(last, q.now) {
		return
	}
	q.Logger.Warn("batch refused", zap.String("client", q.request.Conn.ClientHost), zap.String("topic", topic.Name),
		zap.Int32("partition", partition), zap.Error(err))
}
