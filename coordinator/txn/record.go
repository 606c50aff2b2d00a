package txn

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// MaxIDBytes bounds a transactional id: keys have strings with a 16-bit length.
const MaxIDBytes = math.MaxInt16

const (
	keyVersion      = 0
	maxValueVersion = 1 // has tagged fields
)

// Record is a record of __transaction_state. A nil Value removes the key.
type Record struct{ Key, Value []byte }

// Tombstone returns the record that removes an id.
func Tombstone(id string) Record { return Record{Key: key(id)} }

func key(id string) []byte {
	k := kmsg.NewTxnMetadataKey()
	k.Version, k.TransactionalID = keyVersion, id
	return k.AppendTo(nil)
}

// Encode returns the record of a state. level is the finalised transaction.version:
// below 1 the record has no tagged fields, so that Kafka before 4.0 could read it, and
// forgets the producer ids before and after.
func Encode(id string, s *State, level int16) Record {
	v := kmsg.NewTxnMetadataValue()
	if level >= Version1 {
		v.Version = maxValueVersion
	}
	v.ProducerID, v.PreviousProducerID, v.NextProducerID = s.ProducerID, s.PrevProducerID, s.NextProducerID
	v.ProducerEpoch, v.TimeoutMillis = s.Epoch, s.TimeoutMs
	v.State = kmsg.TransactionState(s.Status)
	v.LastUpdateTimestamp, v.StartTimestamp = s.UpdateMs, s.StartMs
	v.ClientTransactionVersion = s.ClientVersion
	if s.Status != Empty {
		v.Topics = topics(s.Partitions)
	}
	return Record{Key: key(id), Value: v.AppendTo(nil)}
}

// topics groups partitions, which are sorted.
func topics(parts []TopicPartition) []kmsg.TxnMetadataValueTopic {
	list := []kmsg.TxnMetadataValueTopic{} // null is kept for Empty
	for _, tp := range parts {
		if n := len(list); n == 0 || list[n-1].Topic != tp.Topic {
			list = append(list, kmsg.TxnMetadataValueTopic{Topic: tp.Topic})
		}
		t := &list[len(list)-1]
		t.Partitions = append(t.Partitions, tp.Partition)
	}
	return list
}

// Decode reads a record. known is false for a kind or version that newer brokers write.
// A nil state removes the id.
func Decode(r Record) (id string, s *State, known bool, err error) {
	if len(r.Key) < 2 {
		return "", nil, false, fmt.Errorf("a key of %d bytes", len(r.Key))
	}
	if binary.BigEndian.Uint16(r.Key) != keyVersion {
		return "", nil, false, nil
	}
	k := kmsg.NewTxnMetadataKey()
	if err := k.ReadFrom(r.Key); err != nil {
		return "", nil, false, fmt.Errorf("key: %w", err)
	}
	if r.Value == nil {
		return k.TransactionalID, nil, true, nil
	}
	s, known, err = decodeValue(r.Value)
	if err != nil {
		return "", nil, false, fmt.Errorf("transactional id %q: %w", k.TransactionalID, err)
	}
	return k.TransactionalID, s, known, nil
}

func decodeValue(b []byte) (*State, bool, error) {
	if len(b) < 2 {
		return nil, false, fmt.Errorf("a value of %d bytes", len(b))
	}
	if binary.BigEndian.Uint16(b) > maxValueVersion {
		return nil, false, nil
	}
	v := kmsg.NewTxnMetadataValue()
	if err := v.ReadFrom(b); err != nil {
		return nil, false, fmt.Errorf("value: %w", err)
	}
	s := &State{
		ProducerID: v.ProducerID, PrevProducerID: v.PreviousProducerID, NextProducerID: v.NextProducerID,
		Epoch: v.ProducerEpoch, LastEpoch: NoEpoch, TimeoutMs: v.TimeoutMillis, Status: Status(v.State),
		StartMs: v.StartTimestamp, UpdateMs: v.LastUpdateTimestamp, ClientVersion: v.ClientTransactionVersion,
	}
	if s.Status < Empty || s.Status > CompleteAbort {
		return nil, false, fmt.Errorf("state %d is never stored", v.State)
	}
	if s.ProducerID < 0 || s.Epoch < 0 {
		return nil, false, fmt.Errorf("producer %d with epoch %d", s.ProducerID, s.Epoch)
	}
	for i := range v.Topics {
		for _, p := range v.Topics[i].Partitions {
			s.Partitions = append(s.Partitions, TopicPartition{v.Topics[i].Topic, p})
		}
	}
	s.Partitions = normal(s.Partitions)
	s.LastEpoch = storedLastEpoch(s)
	return s, true, nil
}

// storedLastEpoch recovers what records do not have: which epoch a version-2 transaction
// was run by. So a request that is repeated after a restart is known again, where
// Kafka's coordinator has forgotten it.
func storedLastEpoch(s *State) int16 {
	if s.ClientVersion < Version2 || s.Status == Empty || s.Status == Ongoing {
		return NoEpoch
	}
	if s.Epoch > 0 {
		return s.Epoch - 1
	}
	if s.PrevProducerID != s.ProducerID && s.PrevProducerID != NoProducerID {
		return lastEpoch
	}
	return NoEpoch
}
