package server

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamhouse/streamhouse/config"
)

const (
	// diskInterval is how often the room on the disk is looked at.
	diskInterval = 5 * time.Second
	// objectRoom is what the metadata store needs where no journal shares the disk.
	objectRoom = 16 << 20
)

// diskWatch knows whether there is room on the disk of the data folder, also when nobody
// writes. Whoever asks does not wait for a disk that stalls.
type diskWatch struct {
	space func() (total, usable int64, err error)
	need  int64 // bytes that are to be usable
	free  atomic.Int64
	fault atomic.Pointer[error]
}

// newDiskWatch has looked once.
func newDiskWatch(folder *dataFolder, b *config.Broker) *diskWatch {
	d := &diskWatch{space: folder.Space, need: b.Int("disk.reserve.bytes")}
	if b.String("journal.kind") == "object" {
		d.need = min(d.need, objectRoom)
	}
	d.look()
	return d
}

// room is how much may be written without touching what is to stay free.
func (d *diskWatch) room() (int64, error) {
	_, usable, err := d.space()
	return usable - d.need, err
}

// run looks until ctx ends.
func (d *diskWatch) run(ctx context.Context) error {
	tick := time.NewTicker(diskInterval)
	defer tick.Stop()
	for {
		d.look()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (d *diskWatch) look() {
	_, usable, err := d.space()
	if err == nil {
		d.free.Store(usable)
	}
	if err == nil && usable < d.need {
		err = fmt.Errorf("it is full: %d bytes can be used, %d are to stay free", usable, d.need)
	}
	d.fault.Store(&err)
}

// ready is what the last look has found.
func (d *diskWatch) ready() error {
	if err := d.fault.Load(); err != nil {
		return *err
	}
	return nil
}

// register shows what the last look has found.
func (d *diskWatch) register(r prometheus.Registerer) {
	r.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "streamhouse_disk_free_bytes", Help: "Bytes that the broker may still use of the disk of its data folder.",
		}, func() float64 { return float64(d.free.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "streamhouse_disk_needed_bytes", Help: "Bytes that are to stay free there; with less, produce is refused.",
		}, func() float64 { return float64(d.need) }))
}
