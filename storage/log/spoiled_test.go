package log

import (
	"bytes"
	"context"
	"os"
	"sync"
	"testing"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// lineNoise is a remote journal whose reads flip one bit of a pack.
type lineNoise struct {
	*scriptedJournal

	mu   sync.Mutex
	seq  uint64
	at   int64 // of the byte in the pack
	left int   // so many reads that touch it flip it
	hit  int
}

func (j *lineNoise) flip(seq uint64, at int64, times int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seq, j.at, j.left, j.hit = seq, at, times, 0
}

func (j *lineNoise) OpenSource(ref journal.Ref) (journal.Source, error) {
	src, err := j.scriptedJournal.OpenSource(ref)
	if err != nil {
		return nil, err
	}
	return noisySource{src, j, ref.Seq}, nil
}

type noisySource struct {
	journal.Source
	j   *lineNoise
	seq uint64
}

func (s noisySource) ReadAt(b []byte, off int64) (int, error) {
	n, err := s.Source.ReadAt(b, off)
	s.j.mu.Lock()
	defer s.j.mu.Unlock()
	if j := s.j; j.left > 0 && j.seq == s.seq && j.at >= off && j.at < off+int64(n) {
		b[j.at-off] ^= 1 << (j.at % 8)
		j.left--
		j.hit++
	}
	return n, err
}

func (s noisySource) File() *os.File { return nil }

// readAll reads a partition to its end, a step at a time; ok is false if a read failed.
func (r *rig) readAll(p *Partition, maxBytes int) (all []byte, ok bool) {
	r.t.Helper()
	for from := int64(0); ; {
		res, err := r.log.Read(context.Background(), p, ReadRequest{Offset: from, MaxBytes: maxBytes, AtLeastOne: true})
		if err != nil {
			return all, false
		}
		n := len(all)
		for i := range res.Chunks {
			all = append(all, res.Chunks[i].Mem...)
		}
		res.Release()
		if len(all) == n || len(all) > 4<<20 {
			return all, true
		}
		for b := all[n:]; len(b) > 0; {
			h := mustHeader(r.t, b)
			if h.LastOffset() < from || h.Size() <= 0 || h.Size() > len(b) {
				return all, true // wrong, as the caller will see
			}
			from = h.LastOffset() + 1
			b = b[h.Size():]
		}
	}
}

// TestFlippedBitsAreNotServed: whatever bit of a pack is wrong when it comes back from a
// remote store, once or always, a reader gets the records or an error. A small pack is
// fetched whole, of a large one what is needed.
func TestFlippedBitsAreNotServed(t *testing.T) {
	for _, c := range []struct {
		name    string
		payload int
		at      func(size int64) []int64 // the bytes to flip
	}{
		{"small", 20, func(size int64) (at []int64) {
			for i := range size {
				at = append(at, i)
			}
			return at
		}},
		{"large", 100 << 10, func(size int64) (at []int64) {
			entries := int64(pack.HeaderSize + 6*pack.EntrySize)
			for i := pack.HeaderSize; int64(i) < entries; i++ {
				at = append(at, int64(i)) // every byte of the index
			}
			for b := entries; b < size; b += 61 + 100<<10 {
				for i := int64(0); i < 70; i += 3 {
					at = append(at, b+i) // and of the batches' headers
				}
			}
			return append(at, size/2, size-1)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := &lineNoise{scriptedJournal: newScriptedJournal(1)}
			began, hold := make(chan struct{}), make(chan struct{})
			j.before = func(seq uint64) error {
				if seq == 1 {
					close(began)
					<-hold
				}
				return nil
			}
			r := &rig{t: t, journal: j.scriptedJournal, over: j, store: &store{starts: map[pack.PartitionID]int64{}}, packBytes: 4 << 20}
			r.start()
			first := r.send(r.partition(0), batch(-1, -1, 1, 10))
			<-began
			var results []<-chan Result
			for i := range int32(3) {
				for n := range int32(2) {
					results = append(results, r.send(r.partition(n), batch(-1, i, i+2, c.payload)))
				}
			}
			close(hold)
			for _, x := range append(results, first) {
				if res := <-x; res.Err != nil {
					t.Fatal(res.Err)
				}
			}
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			r.start() // nothing is in memory any more
			p := r.partition(1)
			want, ok := r.readAll(p, 1<<20)
			if !ok || len(j.packs) != 2 || mustHeader(t, want).LastOffsetDelta != 1 {
				t.Fatalf("%d bytes read, %d packs", len(want), len(j.packs))
			}
			hits, refused := 0, 0
			for _, maxBytes := range []int{1, 1 << 20} {
				for _, at := range c.at(int64(len(j.packs[2]))) {
					j.flip(2, at, 1)
					if got, ok := r.readAll(p, maxBytes); !ok || !bytes.Equal(got, want) {
						t.Errorf("byte %d wrong once, %d bytes at a time: read %d bytes of %d, %t", at, maxBytes, len(got), len(want), ok)
					}
					hits += j.hit
					j.flip(2, at, 1<<30)
					got, ok := r.readAll(p, maxBytes)
					if !bytes.HasPrefix(want, got) || ok && len(got) != len(want) {
						t.Errorf("byte %d wrong always, %d bytes at a time: wrong records were served", at, maxBytes)
					}
					if !ok {
						refused++
					}
				}
			}
			if hits < 300 || refused < 300 {
				t.Errorf("%d flips were met, %d reads refused", hits, refused)
			}
		})
	}
}
