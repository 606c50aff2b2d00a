package txn

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// golden are records as Apache Kafka 4.4 encodes them.
var golden = []struct {
	name  string
	level int16
	state State
	value string
}{
	{"ongoing", Version2, State{
		ProducerID: 4000, PrevProducerID: -1, NextProducerID: -1, Epoch: 7, LastEpoch: -1, TimeoutMs: 60_000, Status: Ongoing,
		Partitions: []TopicPartition{{"a", 0}}, StartMs: 1700000000000, UpdateMs: 1700000000123, ClientVersion: 2,
	}, "00010000000000000fa000070000ea60010202610200000000000000018bcfe5687b0000018bcfe568000102020002"},
	{"empty", Version1, State{
		ProducerID: 4000, PrevProducerID: -1, NextProducerID: -1, LastEpoch: -1, TimeoutMs: 60_000, Status: Empty,
		StartMs: -1, UpdateMs: 1700000000123,
	}, "00010000000000000fa000000000ea6000000000018bcfe5687bffffffffffffffff00"},
	{"prepared", Version2, State{
		ProducerID: 4000, PrevProducerID: 4000, NextProducerID: 4001, Epoch: 32767, LastEpoch: 32766, TimeoutMs: 60_000, Status: PrepareAbort,
		Partitions: []TopicPartition{{"a", 0}}, StartMs: 1700000000000, UpdateMs: 1700000000123, ClientVersion: 2,
	}, "00010000000000000fa07fff0000ea60030202610200000000000000018bcfe5687b0000018bcfe568000300080000000000000fa001080000000000000fa102020002"},
	{"complete", Version2, State{
		ProducerID: 4001, PrevProducerID: 4000, NextProducerID: -1, LastEpoch: 32766, TimeoutMs: 60_000, Status: CompleteCommit,
		StartMs: 1700000000000, UpdateMs: 1700000000123, ClientVersion: 2,
	}, "00010000000000000fa100000000ea6004010000018bcfe5687b0000018bcfe568000200080000000000000fa002020002"},
	{"without tags", Version0, State{
		ProducerID: 4000, PrevProducerID: -1, NextProducerID: -1, Epoch: 7, LastEpoch: -1, TimeoutMs: 60_000, Status: Ongoing,
		Partitions: []TopicPartition{{"a", 0}}, StartMs: 1700000000000, UpdateMs: 1700000000123,
	}, "00000000000000000fa000070000ea60010000000100016100000001000000000000018bcfe5687b0000018bcfe56800"},
}

func TestGoldenRecords(t *testing.T) {
	for _, g := range golden {
		r := Encode("tx-1", &g.state, g.level)
		if hex.EncodeToString(r.Key) != "0000000474782d31" || hex.EncodeToString(r.Value) != g.value {
			t.Errorf("%s: %x %x", g.name, r.Key, r.Value)
		}
		id, s, known, err := Decode(r)
		if err != nil || !known || id != "tx-1" || !reflect.DeepEqual(*s, g.state) {
			t.Errorf("%s: %q %+v %v %v, want %+v", g.name, id, s, known, err, g.state)
		}
	}
	id, s, known, err := Decode(Tombstone("tx-1"))
	if id != "tx-1" || s != nil || !known || err != nil {
		t.Errorf("tombstone: %q %v %v %v", id, s, known, err)
	}
}

// What a record of version 0 has no room for is forgotten, not refused.
func TestRecordWithoutTags(t *testing.T) {
	s := golden[3].state
	_, got, _, err := Decode(Encode("id", &s, Version0))
	s.PrevProducerID, s.LastEpoch, s.ClientVersion = NoProducerID, NoEpoch, 0
	if err != nil || !reflect.DeepEqual(*got, s) {
		t.Errorf("%+v %v, want %+v", got, err, s)
	}
}

func TestUnknownAndDamagedRecords(t *testing.T) {
	good := Encode("id", &golden[0].state, Version2)
	for name, r := range map[string]Record{
		"newer key":   {Key: []byte{0, 9, 1}, Value: good.Value},
		"newer value": {Key: good.Key, Value: []byte{0, 2, 1, 2, 3}},
	} {
		if _, s, known, err := Decode(r); known || err != nil || s != nil {
			t.Errorf("%s: %v %v", name, known, err)
		}
	}
	value := func(change func(*kmsg.TxnMetadataValue)) []byte {
		v := kmsg.NewTxnMetadataValue()
		v.Version = 1
		change(&v)
		return v.AppendTo(nil)
	}
	for name, r := range map[string]Record{
		"no key":          {Value: good.Value},
		"key cut short":   {Key: good.Key[:3], Value: good.Value},
		"empty value":     {Key: good.Key, Value: []byte{}},
		"value cut short": {Key: good.Key, Value: good.Value[:9]},
		"a dead id":       {Key: good.Key, Value: value(func(v *kmsg.TxnMetadataValue) { v.State = 6 })},
		"unknown state":   {Key: good.Key, Value: value(func(v *kmsg.TxnMetadataValue) { v.State = 8 })},
		"no producer":     {Key: good.Key, Value: value(func(v *kmsg.TxnMetadataValue) { v.ProducerID = -1 })},
		"no epoch":        {Key: good.Key, Value: value(func(v *kmsg.TxnMetadataValue) { v.ProducerEpoch = -1 })},
	} {
		if _, _, _, err := Decode(r); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, g := range golden {
		r := Encode("tx-1", &g.state, g.level)
		f.Add(r.Key, r.Value)
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		id, s, known, err := Decode(Record{Key: key, Value: value})
		if err != nil || !known || s == nil {
			return
		}
		again := Encode(id, s, Version2)
		id2, s2, known2, err := Decode(again)
		if err != nil || !known2 || id2 != id {
			t.Fatalf("%q %+v came back as %q %v", id, s, id2, err)
		}
		if s.Status == Empty {
			s.Partitions = s2.Partitions // an empty transaction stores none
		}
		if len(s.Partitions) == 0 {
			s.Partitions = s2.Partitions
		}
		if value[1] == 1 && !reflect.DeepEqual(s, s2) {
			t.Fatalf("%+v came back as %+v", s, s2)
		}
		if !bytes.Equal(Encode(id, s2, Version2).Value, again.Value) {
			t.Fatal("a record has two forms")
		}
	})
}
