package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/journal/journaltest"
	"github.com/streamhouse/streamhouse/storage/pack"
)

var bg = context.Background()

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// fixture is a folder whose open volume holds packs 1 to n, after a kill.
type fixture struct {
	dir  string
	name string
	refs []journal.Ref
	data []byte // of the open volume
}

func newFixture(t *testing.T, n int, clean bool) *fixture {
	t.Helper()
	f := &fixture{dir: t.TempDir()}
	j := mustOpen(t, f.dir)
	replayed(t, j)
	for seq := range n {
		ref, err := j.Append(bg, uint64(seq+1), journaltest.Make(newRand(uint64(seq)), 2, 4, 700).Bufs)
		if err != nil {
			t.Fatal(err)
		}
		f.refs = append(f.refs, ref)
	}
	f.name = j.last().name()
	if clean {
		if err := j.Close(bg); err != nil {
			t.Fatal(err)
		}
	} else {
		abandon(j)
	}
	data, err := os.ReadFile(filepath.Join(f.dir, f.name))
	if err != nil {
		t.Fatal(err)
	}
	f.data = data
	return f
}

// replay starts over a copy of the folder in which the volume has other bytes.
func (f *fixture) replay(t *testing.T, data []byte) (seqs []uint64, logged *observer.ObservedLogs, err error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, f.name), data, 0o640); err != nil {
		t.Fatal(err)
	}
	core, logged := observer.New(zap.InfoLevel)
	j, err := Open(Config{Dir: dir, ClusterID: "c", Broker: 1, VolumeBytes: 1 << 20, Logger: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	defer abandon(j)
	err = j.Replay(bg, func(r journal.Ref, _ *pack.Index) error {
		seqs = append(seqs, r.Seq)
		return nil
	})
	after, readErr := os.ReadFile(filepath.Join(dir, f.name))
	if readErr == nil && !bytes.Equal(after, data) {
		t.Fatal("recovery has written to the old volume")
	}
	return seqs, logged, err
}

// The last pack is cut at every byte: it is gone, all before it are there, and the
// cut is logged with its size.
func TestTornTailIsCut(t *testing.T) {
	f := newFixture(t, 3, false)
	last := f.refs[2]
	for end := last.Pos + 1; end < last.Pos+last.Len; end += 1 + (end-last.Pos)/7 {
		seqs, logged, err := f.replay(t, f.data[:end])
		if err != nil || len(seqs) != 2 {
			t.Fatalf("cut at %d of %d: %v, %v", end-last.Pos, last.Len, seqs, err)
		}
		lines := logged.FilterMessage("journal: torn tail cut").All()
		if len(lines) != 1 || lines[0].ContextMap()["bytes"] != end-last.Pos {
			t.Fatalf("cut at %d of %d: logged %v", end-last.Pos, last.Len, lines)
		}
	}
	for _, end := range []int64{last.Pos, last.Pos + last.Len} { // whole packs: nothing to cut
		if seqs, logged, err := f.replay(t, f.data[:end]); err != nil || len(seqs) != 2+int(end/(last.Pos+last.Len)) || logged.Len() != 0 {
			t.Fatalf("%v, %v, %v", seqs, err, logged.All())
		}
	}
}

// Any byte of the last pack is wrong: the pack may be torn. Any byte of an earlier one
// is: that pack had been durable.
func TestWrongBytes(t *testing.T) {
	f := newFixture(t, 3, false)
	for at := int64(pack.VolumeHeaderSize); at < int64(len(f.data)); at += 37 {
		bad := bytes.Clone(f.data)
		bad[at] ^= 0x40
		seqs, _, err := f.replay(t, bad)
		if at >= f.refs[2].Pos {
			if err != nil || len(seqs) != 2 {
				t.Fatalf("byte %d of the last pack: %v, %v", at, seqs, err)
			}
			continue
		}
		ref := f.refs[0]
		if at >= f.refs[1].Pos {
			ref = f.refs[1]
		}
		position := fmt.Sprintf("position %d of", ref.Pos)
		if !errors.Is(err, journal.ErrDamaged) || !strings.Contains(err.Error(), f.name) || !strings.Contains(err.Error(), position) {
			t.Fatalf("byte %d of pack %d: %v", at, ref.Seq, err)
		}
	}
}

// After a clean stop nothing is torn.
func TestDamageAfterCleanStop(t *testing.T) {
	f := newFixture(t, 2, true)
	if seqs, _, err := f.replay(t, f.data); err != nil || len(seqs) != 2 {
		t.Fatalf("%v, %v", seqs, err)
	}
	for at := int64(pack.VolumeHeaderSize); at < int64(len(f.data))-pack.HeaderSize; at += 41 {
		bad := bytes.Clone(f.data)
		bad[at] ^= 0x02
		if _, _, err := f.replay(t, bad); !errors.Is(err, journal.ErrDamaged) {
			t.Fatalf("byte %d: %v", at, err)
		}
	}
	if _, _, err := f.replay(t, append(bytes.Clone(f.data), 1)); !errors.Is(err, journal.ErrDamaged) {
		t.Fatalf("bytes behind a clean stop: %v", err)
	}
}

// The volume's header does not check: it had been durable under this name.
func TestDamagedVolumeHeader(t *testing.T) {
	f := newFixture(t, 1, false)
	for at := range pack.VolumeHeaderSize {
		bad := bytes.Clone(f.data)
		bad[at] ^= 0x10
		if _, _, err := f.replay(t, bad); !errors.Is(err, journal.ErrDamaged) || !strings.Contains(err.Error(), f.name) {
			t.Fatalf("byte %d: %v", at, err)
		}
	}
	if _, _, err := f.replay(t, f.data[:100]); !errors.Is(err, journal.ErrDamaged) {
		t.Fatalf("half a header: %v", err)
	}
}

// A record's value is a whole pack that would continue the journal, and the tail is
// torn so that it stands where a pack may begin. Only the nonce is not right.
func TestPackInsideARecordFoolsNobody(t *testing.T) {
	f := newFixture(t, 2, false)
	last := f.refs[1]
	h, err := pack.DecodeHeader(f.data[last.Pos:])
	if err != nil {
		t.Fatal(err)
	}
	forged := journaltest.Make(newRand(5), 1, 1, 300)
	place := h.Place
	place.Seq, place.PrevCRC, place.Nonce = h.Seq+1, h.CRC, pack.Nonce{1, 2, 3}
	pack.Stamp(forged.Bufs[0], place)
	fake := bytes.Join(forged.Bufs, nil)

	for name, tail := range map[string][]byte{
		"at the boundary":      fake,
		"behind a torn header": append(make([]byte, 4096), fake...),
		"twice":                append(append(make([]byte, 77), fake...), fake...),
	} {
		seqs, _, err := f.replay(t, append(bytes.Clone(f.data), tail...))
		if err != nil || len(seqs) != 2 {
			t.Errorf("%s: replayed %v, %v", name, seqs, err)
		}
	}
	place.Nonce = h.Nonce // now it is a pack of this file
	pack.Stamp(forged.Bufs[0], place)
	fake = bytes.Join(forged.Bufs, nil)
	if seqs, _, err := f.replay(t, append(bytes.Clone(f.data), fake...)); err != nil || len(seqs) != 3 {
		t.Errorf("a whole pack of this file: replayed %v, %v", seqs, err)
	}
	if _, _, err := f.replay(t, append(append(bytes.Clone(f.data), make([]byte, 900_000)...), fake...)); !errors.Is(err, journal.ErrDamaged) {
		t.Errorf("a pack of this file behind a hole: %v", err)
	}
}

// A release that does not know a format yet refuses it: it is not a torn tail.
func TestNewerFormatIsRefused(t *testing.T) {
	f := newFixture(t, 2, false)
	bad := bytes.Clone(f.data)
	b := bad[f.refs[1].Pos:]
	b[9] = 200 // version
	h := pack.Place{Volume: uint64(f.refs[1].Volume), Seq: 2}
	pack.Stamp(b, h)
	if _, _, err := f.replay(t, bad); !errors.Is(err, pack.ErrVersion) {
		t.Fatalf("replay: %v", err)
	}
}

func TestMissingVolumeIsDamage(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, dir)
	replayed(t, j)
	for seq := uint64(1); seq <= 3; seq++ {
		if _, err := j.Append(bg, seq, journaltest.Make(newRand(seq), 1, 1, 10).Bufs); err != nil {
			t.Fatal(err)
		}
		if err := j.Roll(bg, seq); err != nil {
			t.Fatal(err)
		}
	}
	name := j.volumes[1].name()
	abandon(j)
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	j = mustOpen(t, dir)
	defer abandon(j)
	err := j.Replay(bg, func(journal.Ref, *pack.Index) error { return nil })
	if !errors.Is(err, journal.ErrDamaged) || !strings.Contains(err.Error(), name) {
		t.Fatalf("replay: %v", err)
	}
}

func TestOtherClusterIsRefused(t *testing.T) {
	f := newFixture(t, 1, true)
	for _, c := range []Config{{ClusterID: "d", Broker: 1}, {ClusterID: "c", Broker: 2}} {
		c.Dir = f.dir
		j, err := Open(c)
		if err != nil {
			t.Fatal(err)
		}
		err = j.Replay(bg, func(journal.Ref, *pack.Index) error { return nil })
		if err == nil || !strings.Contains(err.Error(), `cluster "c"`) {
			t.Errorf("replay: %v", err)
		}
		abandon(j)
	}
}
