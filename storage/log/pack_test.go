package log

import (
	"testing"

	"github.com/streamhouse/streamhouse/storage/pack"
)

// A steady stream of packs over many partitions allocates nothing per batch, and each
// extent of a pack is that of the partition that the pack has in its place.
func TestPacksOverManyPartitionsAllocateNothing(t *testing.T) {
	l := &Log{}
	parts := make([]*Partition, 1000)
	for i := range parts {
		parts[i] = &Partition{id: pack.PartitionID{Topic: pack.TopicID{byte(i % 7)}, Partition: int32(i)}}
	}
	batch := Batch{Bytes: make([]byte, 100)}
	seq := uint64(0)
	build := func() {
		seq++
		p := l.newPack(seq)
		for i := range 2 * len(parts) {
			part := parts[i*389%len(parts)]
			e := pack.Entry{ID: part.id, BaseOffset: int64(2*seq) + int64(i/len(parts)), ProducerID: -1}
			p.put(&e, &batch, item{part: part})
		}
		_, index := p.builder.Encode(pack.Header{})
		order := p.builder.Order()
		for id, x := range index.Extents(0) {
			if p.parts[order[0]].id != id || x.IndexCount != 2 {
				t.Fatalf("%v with %d batches where %v is", id, x.IndexCount, p.parts[order[0]].id)
			}
			order = order[1:]
		}
		p.reset()
		l.spare = append(l.spare, p)
	}
	build()
	if n := testing.AllocsPerRun(20, build); n > 4 {
		t.Fatalf("%v allocations per pack of %d batches", n, 2*len(parts))
	}
}

// A roll-back gives the next pack a sequence that was used before: what partitions
// remember of the lost pack counts no more.
func TestPlaceInALostPackIsForgotten(t *testing.T) {
	l := &Log{}
	part := &Partition{id: pack.PartitionID{Partition: 3}}
	batch := Batch{Bytes: make([]byte, 100)}
	for range 2 {
		p := l.newPack(5)
		p.put(&pack.Entry{ID: part.id, ProducerID: -1}, &batch, item{part: part})
		if len(p.parts) != 1 || p.parts[0] != part || p.builder.Len() != 1 {
			t.Fatalf("%d partitions, %d batches", len(p.parts), p.builder.Len())
		}
	}
}

func TestRegistry(t *testing.T) {
	var r registry
	r.init(&Log{})
	topic := pack.TopicID{1}
	if r.of(topic) != nil || r.loaded(pack.PartitionID{Topic: topic}) != nil {
		t.Fatal("a topic nobody asked for has handles")
	}
	for _, number := range []int32{2, 0, 500} {
		id := pack.PartitionID{Topic: topic, Partition: number}
		p, first, err := r.claim(id, 7)
		if err != nil || !first || r.loaded(id) != nil {
			t.Fatalf("partition %d: %v, first %v", number, err, first)
		}
		if again, first, _ := r.claim(id, 7); again != p || first {
			t.Fatalf("partition %d is made twice", number)
		}
		r.settle(p, true)
		if r.loaded(id) != p || r.of(topic).Loaded(number) != p {
			t.Fatalf("partition %d is not found", number)
		}
	}
	failed, _, _ := r.claim(pack.PartitionID{Topic: topic, Partition: 1}, 7)
	r.settle(failed, false)
	if again, first, _ := r.claim(failed.id, 7); again == failed || !first {
		t.Fatal("a partition that could not be loaded is kept")
	}
	handles := r.of(topic)
	if handles.Loaded(501) != nil || handles.Loaded(1<<30) != nil || r.count() != 4 {
		t.Fatalf("handles that are not there; %d in all", r.count())
	}
	dropped := r.drop(topic)
	if len(dropped) != 4 || dropped[0].id.Partition != 0 || dropped[3].id.Partition != 500 || r.count() != 0 {
		t.Fatalf("dropped %d, left %d", len(dropped), r.count())
	}
	if _, _, err := r.claim(failed.id, 7); err == nil {
		t.Fatal("a partition of a dropped topic is made anew")
	}
	r.settle(dropped[1], true) // whoever loaded it comes late
	if r.of(topic) != nil {
		t.Fatal("a dropped topic is back")
	}
}
