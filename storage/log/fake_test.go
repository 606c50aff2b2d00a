package log

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/buffer"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// scriptedJournal is a journal in memory whose appends do what the test says. The
// real ones and their faults are tested in storage/journal; here it is the log's
// behaviour when the outcome is slow, unknown or bad.
type scriptedJournal struct {
	flights int
	// before is asked at each append, with no lock held; it may block.
	before func(seq uint64) error
	// roll is asked at each Roll.
	roll func(lastSeq uint64) error

	// source is called at each OpenSource, with no lock held.
	source func()

	opened atomic.Int64 // sources

	mu      sync.Mutex
	packs   map[uint64][]byte
	voided  map[uint64]bool
	volumes []journal.Info
	rolls   int
}

func newScriptedJournal(flights int) *scriptedJournal {
	return &scriptedJournal{
		flights: flights,
		packs:   map[uint64][]byte{},
		voided:  map[uint64]bool{},
		volumes: []journal.Info{{ID: 1, FirstSeq: 1}},
	}
}

func (j *scriptedJournal) Replay(_ context.Context, fn func(journal.Ref, *pack.Index) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for seq := uint64(1); j.packs[seq] != nil; seq++ {
		b := j.packs[seq]
		h, err := pack.DecodeHeader(b)
		if err != nil {
			return err
		}
		var x pack.Index
		if err := pack.DecodeIndex(h, b[pack.HeaderSize:pack.HeaderSize+h.IndexLen()], &x); err != nil {
			return err
		}
		if err := pack.VerifyBody(&x, b[pack.HeaderSize+h.IndexLen():]); err != nil {
			return err
		}
		if err := fn(journal.Ref{Volume: 1, Seq: seq, Len: int64(len(b))}, &x); err != nil {
			return err
		}
	}
	return nil
}

func (j *scriptedJournal) InFlightMax() int { return j.flights }

func (j *scriptedJournal) Append(_ context.Context, seq uint64, bufs [][]byte) (journal.Ref, error) {
	var err error
	if j.before != nil {
		err = j.before(seq)
	}
	if err != nil && !errors.Is(err, errAfterEffect) {
		return journal.Ref{}, err
	}
	b := bytes.Join(bufs, nil)
	pack.Stamp(b, pack.Place{Volume: 1, Seq: seq})
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.packs[seq] != nil {
		return journal.Ref{}, errors.New("a slot was written twice")
	}
	j.packs[seq] = b
	if err != nil {
		return journal.Ref{}, err
	}
	v := &j.volumes[len(j.volumes)-1]
	v.LastSeq, v.Bytes = seq, v.Bytes+int64(len(b))
	return journal.Ref{Volume: v.ID, Seq: seq, Len: int64(len(b))}, nil
}

// errAfterEffect makes Append write the pack and fail nevertheless.
var errAfterEffect = errors.New("the reply was lost")

func (j *scriptedJournal) Roll(_ context.Context, lastSeq uint64) error {
	if j.roll != nil {
		if err := j.roll(lastSeq); err != nil {
			return err
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for seq := range j.packs {
		if seq > lastSeq {
			delete(j.packs, seq)
		}
	}
	v := &j.volumes[len(j.volumes)-1]
	v.Closed, v.LastSeq = true, lastSeq
	j.volumes = append(j.volumes, journal.Info{ID: v.ID + 1, FirstSeq: lastSeq + 1, LastSeq: lastSeq})
	j.rolls++
	return nil
}

func (j *scriptedJournal) Volumes() []journal.Info {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]journal.Info(nil), j.volumes...)
}

func (j *scriptedJournal) OpenSource(ref journal.Ref) (journal.Source, error) {
	if j.source != nil {
		j.source()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	b := j.packs[ref.Seq]
	j.opened.Add(1)
	if b == nil {
		return nil, fs.ErrNotExist
	}
	return packSource{bytes.NewReader(b)}, nil
}

func (j *scriptedJournal) Release(context.Context, journal.VolumeID) error { return nil }
func (j *scriptedJournal) Close(context.Context) error                     { return nil }

type packSource struct{ *bytes.Reader }

func (packSource) File() *os.File { return nil }
func (packSource) Close() error   { return nil }

// store knows log starts and the slices that the test gives it.
type store struct {
	metadata.Segments
	mu     sync.Mutex
	starts map[pack.PartitionID]int64
	slices []metadata.Slice
	// behind: the partition's state has nothing of them, as after a lift.
	behind bool
	// read is called once a load has read both and has not used them yet.
	read func()
}

func (s *store) Partition(_ context.Context, id pack.PartitionID) ([]metadata.Slice, metadata.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := int64(0)
	for _, x := range s.slices {
		if !s.behind {
			next = x.LastOffset + 1
		}
	}
	return s.slices, metadata.State{ID: id, NextOffset: next}, nil
}

func (s *store) LogStart(_ context.Context, id pack.PartitionID) (int64, error) {
	s.mu.Lock()
	start := s.starts[id]
	s.mu.Unlock()
	if s.read != nil {
		s.read()
	}
	return start, nil
}

func (s *store) SetLogStarts(_ context.Context, starts ...metadata.LogStart) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range starts {
		s.starts[x.ID] = max(s.starts[x.ID], x.Offset)
	}
	return nil
}

type topics struct{}

func (topics) LeaderEpoch(pack.PartitionID) (int32, bool) { return 3, true }

// rig is a log over a scripted journal.
type rig struct {
	t       testing.TB
	journal *scriptedJournal
	over    journal.Journal // what the log is given, if not journal itself
	store   *store
	log     *Log
	stop    func() error

	packBytes int // default 256 KiB
	configure func(*Config)
}

func newRig(t testing.TB, j *scriptedJournal) *rig { return newRigWith(t, j, func(*Config) {}) }

// newRigWith is newRig with other settings.
func newRigWith(t testing.TB, j *scriptedJournal, configure func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, journal: j, store: &store{starts: map[pack.PartitionID]int64{}}, configure: configure}
	r.start()
	return r
}

// open opens the log over what the journal holds.
func (r *rig) open() (*Log, error) {
	j := r.over
	if j == nil {
		j = r.journal
	}
	cfg := Config{
		Journal: j, Store: r.store, Topics: topics{}, Logger: zap.NewNop(),
		Registry: prometheus.NewRegistry(), Now: time.Now, PackBytes: cmp.Or(r.packBytes, 256<<10), VolumeBytes: 1 << 40,
		RecentBytes: 1 << 20, RollRetry: time.Millisecond, ProducerExpiry: func() time.Duration { return time.Hour },
	}
	if r.configure != nil {
		r.configure(&cfg)
	}
	return Open(context.Background(), cfg)
}

// start opens the log and runs it.
func (r *rig) start() {
	r.t.Helper()
	l, err := r.open()
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	r.log = l
	var once sync.Once
	var result error
	r.stop = func() error {
		once.Do(func() { cancel(); result = <-ended })
		return result
	}
	r.t.Cleanup(func() { _ = r.stop() })
}

func (r *rig) partition(n int32) *Partition {
	r.t.Helper()
	p, err := r.log.Partition(context.Background(), pack.PartitionID{Topic: [16]byte{1}, Partition: n}, 3)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// send appends one batch and returns the channel of its result.
func (r *rig) send(p *Partition, b Batch) <-chan Result {
	out := make(chan Result, 1)
	t := NewTicket(1, func(t *Ticket) { out <- t.Results()[0] })
	a := r.log.NewAppender()
	defer a.Close()
	a.Append(context.Background(), t, 0, p, b)
	return out
}

// batch makes a batch of n records with the given payload size.
func batch(producer int64, seq, n int32, payload int) Batch {
	buf := buffer.Get(record.HeaderSize + payload)
	b := buf.Bytes()
	clear(b[:record.HeaderSize])
	be := binary.BigEndian
	be.PutUint32(b[8:], uint32(len(b)-12))
	b[16] = 2
	be.PutUint32(b[23:], uint32(n-1))
	be.PutUint64(b[27:], uint64(1000+seq))
	be.PutUint64(b[35:], uint64(1000+seq))
	be.PutUint64(b[43:], uint64(producer))
	be.PutUint32(b[53:], uint32(seq))
	be.PutUint32(b[57:], uint32(n))
	for i := record.HeaderSize; i < len(b); i++ {
		b[i] = byte(i) ^ byte(seq)
	}
	be.PutUint32(b[17:], crc32.Checksum(b[21:], record.Castagnoli))
	h, err := record.ParseHeader(b)
	if err != nil {
		panic(err)
	}
	return Batch{Buf: buf, Bytes: b, Header: h}
}

func mustHeader(t testing.TB, b []byte) record.Header {
	t.Helper()
	h, err := record.ParseHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// offsets reads the partition from offset and returns the base offsets of what
// came, in order.
func (r *rig) offsets(p *Partition, from int64, maxBytes int) []int64 {
	r.t.Helper()
	var out []int64
	for {
		res, err := r.log.Read(context.Background(), p, ReadRequest{Offset: from, MaxBytes: maxBytes, AtLeastOne: true})
		if err != nil {
			r.t.Fatal(err)
		}
		if res.Bytes == 0 {
			res.Release()
			return out
		}
		for i := range res.Chunks {
			for b := res.Chunks[i].Mem; len(b) > 0; {
				h, err := record.ParseHeader(b)
				if err != nil {
					r.t.Fatal(err)
				}
				if crc32.Checksum(b[21:h.Size()], record.Castagnoli) != h.CRC {
					r.t.Fatalf("batch at offset %d is damaged", h.BaseOffset)
				}
				out = append(out, h.BaseOffset)
				from = h.LastOffset() + 1
				b = b[h.Size():]
			}
		}
		res.Release()
	}
}
