package segment

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

var (
	abortedTwice = Transactions{LastStable: 40, Aborted: []pack.Aborted{
		{ProducerID: 5, FirstOffset: 3, LastOffset: 20, LastStable: 10},
		{ProducerID: 6, FirstOffset: 10, LastOffset: 30, LastStable: 31},
	}}
	leftOpen = Transactions{LastStable: 7, Aborted: []pack.Aborted{}}
)

func addTransactions(p *Plan) {
	p.Footer.SetTransactions(id(2, 1), leftOpen)
	p.Footer.SetTransactions(id(0, 0), abortedTwice)
}

func TestTransactionsComeBack(t *testing.T) {
	v := newVolume(5, 2)
	p := v.plan()
	addTransactions(p)
	inPlace, err := p.FooterInPlace(int64(len(v.bytes)))
	if err != nil {
		t.Fatal(err)
	}
	o, err := p.Build()
	if err != nil {
		t.Fatal(err)
	}
	for name, object := range map[string][]byte{
		"in place": append(bytes.Clone(v.bytes), inPlace...), "sorted": readObject(t, o),
	} {
		r := v.check(t, object)
		for part, want := range map[pack.PartitionID]Transactions{id(0, 0): abortedTwice, id(2, 1): leftOpen} {
			got, ok, err := r.Transactions(part)
			if err != nil || !ok || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: transactions of %v: %+v, %v, %v", name, part, got, ok, err)
			}
		}
		if _, ok, err := r.Transactions(id(1, 0)); ok || err != nil {
			t.Errorf("%s: a partition without transactions: %v, %v", name, ok, err)
		}
	}
}

// A list that is out of order is refused, although its checksum is right.
func TestTransactionsOutOfOrderAreRefused(t *testing.T) {
	for name, list := range map[string][]pack.Aborted{
		"markers fall":         {{FirstOffset: 1, LastOffset: 5}, {FirstOffset: 2, LastOffset: 5}},
		"ends before it began": {{FirstOffset: 6, LastOffset: 5}},
		"negative":             {{FirstOffset: -1, LastOffset: 5}},
	} {
		b := FooterBuilder{}
		b.SetTransactions(id(1, 1), Transactions{LastStable: 1, Aborted: list})
		object, err := b.Encode(0)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Open(bytes.NewReader(object), int64(len(object)))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.Transactions(id(1, 1)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The index reads a list once, and nothing for a partition that has none.
func TestIndexOfTransactions(t *testing.T) {
	v := newVolume(5, 2)
	p := v.plan()
	addTransactions(p)
	footer, err := p.FooterInPlace(int64(len(v.bytes)))
	if err != nil {
		t.Fatal(err)
	}
	object := append(bytes.Clone(v.bytes), footer...)
	reads := 0
	x := NewIndex(1<<20, func(_ context.Context, _ metadata.Segment, b []byte, off int64) error {
		reads++
		copy(b, object[off:])
		return nil
	})
	s := metadata.Segment{ID: 3, Bytes: int64(len(object))}
	if _, ok, err := x.Transactions(t.Context(), s, id(1, 0)); ok || err != nil {
		t.Fatalf("a partition without any: %v, %v", ok, err)
	}
	before := reads
	for range 3 {
		got, ok, err := x.Transactions(t.Context(), s, id(0, 0))
		if err != nil || !ok || !reflect.DeepEqual(got, abortedTwice) {
			t.Fatalf("%+v, %v, %v", got, ok, err)
		}
		if _, err := x.Extents(t.Context(), s, id(0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if reads-before != 2 {
		t.Errorf("%d reads for one list of transactions and one of extents", reads-before)
	}
}
