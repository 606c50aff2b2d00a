package file

import (
	"errors"
	"slices"
	"testing"

	"github.com/streamhouse/streamhouse/storage/journal"
)

// gate is a disk whose next sync of a file waits, once it is shut.
type gate struct {
	Disk
	shut chan struct{} // one element: the next sync waits
	in   chan struct{} // a sync waits
	open chan struct{} // closed: it goes on
}

type gatedFile struct {
	File
	g *gate
}

func newGate(d Disk) *gate {
	return &gate{Disk: d, shut: make(chan struct{}, 1), in: make(chan struct{}), open: make(chan struct{})}
}

func (g *gate) Create(name string) (File, error) {
	f, err := g.Disk.Create(name)
	return gatedFile{f, g}, err
}

func (f gatedFile) Sync() error {
	select {
	case <-f.g.shut:
		f.g.in <- struct{}{}
		<-f.g.open
	default:
	}
	return f.File.Sync()
}

// A clean-stop mark beside a pack on its way would lie on top of it: what is then
// acknowledged is gone, and the next start finds damage.
func TestCloseBesideAppend(t *testing.T) {
	dir := t.TempDir()
	var g *gate
	j, err := Open(Config{Dir: dir, ClusterID: "c", Broker: 1, VolumeBytes: 1 << 20, Disk: func(d Disk) Disk {
		g = newGate(d)
		return g
	}})
	if err != nil {
		t.Fatal(err)
	}
	replayed(t, j)
	if err := appendPack(j, 1); err != nil {
		t.Fatal(err)
	}
	g.shut <- struct{}{}
	appended := make(chan error, 1)
	go func() { appended <- appendPack(j, 2) }()
	<-g.in
	if err := j.Close(bg); !errors.Is(err, journal.ErrBusy) {
		t.Errorf("close beside an append: %v", err)
	}
	close(g.open)
	if err := <-appended; err != nil {
		t.Fatalf("the pack on its way: %v", err)
	}
	abandon(j) // the process ends without a mark
	if seqs := replayed(t, mustOpen(t, dir)); !slices.Equal(seqs, []uint64{1, 2}) {
		t.Errorf("replayed %v", seqs)
	}
}
