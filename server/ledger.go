package server

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/features"
	"github.com/streamhouse/streamhouse/storage/journal"
)

// lossAccepted is the setting by which an operator accepts that volumes are missing. It
// names the newest of them, so that it accepts that loss and no later one.
const lossAccepted = "journal.loss.accepted"

// volumeHeaderLevel is the level of features.VolumeHeader from which on the start
// number stands in the headers.
const volumeHeaderLevel = 2

// ledger ties the journal to the metadata store: it implements journal.Ledger.
type ledger struct {
	store    metadata.Store
	start    metadata.Start // the one that Admit counts
	where    string         // the journal, for messages
	folder   bool           // it is a folder, and not objects in the bucket
	accepted journal.VolumeID
	logger   *zap.Logger
}

var _ journal.Ledger = (*ledger)(nil)

func newLedger(s *stores, b *config.Broker, where string, logger *zap.Logger) *ledger {
	l := &ledger{store: s.meta, start: s.start, where: where, folder: b.String("journal.kind") == "file", logger: logger}
	if l.folder { // epochs are numbered without gaps: there is no going on above lost ones
		l.accepted = journal.VolumeID(b.Int(lossAccepted))
	}
	return l
}

// Admit compares what was found of the journal with what the store remembers, and
// counts the start if the two belong together. A start that is refused counts nothing:
// a store that is older than its journal would else come up to it by being started
// again and again.
func (l *ledger) Admit(ctx context.Context, found []journal.Begun) (a journal.Admission, err error) {
	memory, err := l.memory(ctx)
	if err != nil {
		return a, err
	}
	if a, err = memory.Admit(found); err != nil {
		return a, l.explain(err, memory)
	}
	switch {
	case a.Lost:
		l.logger.Warn("journal volumes are missing, which is accepted: what was in them and not sealed is lost",
			zap.String("journal", l.where), zap.Uint64("missing_up_to", uint64(a.Above)), zap.Int("volumes_found", len(found)))
		if err := l.store.ForgetNameless(ctx); err != nil {
			return a, err
		}
	case memory.Newest.ID == 0 && len(found) > 0:
		l.logger.Info("the journal's volumes are not known to the metadata store, as an earlier version left them: they are taken as they are, and remembered from now on",
			zap.String("journal", l.where), zap.Uint64("newest", uint64(found[len(found)-1].ID)))
	}
	return a, l.count(ctx)
}

// memory reads what the store remembers.
func (l *ledger) memory(ctx context.Context) (journal.Memory, error) {
	newest, registered, err := l.store.NewestVolumes(ctx)
	if err != nil {
		return journal.Memory{}, err
	}
	return journal.Memory{
		Newest:     journal.Begun{ID: journal.VolumeID(newest.Number), Nonce: newest.Nonce},
		Registered: journal.VolumeID(registered),
		Start:      l.start.Epoch,
		Released:   !l.folder,
		Accepted:   l.accepted,
	}, nil
}

// count makes the start one of those that were, before anything carries its number.
func (l *ledger) count(ctx context.Context) error {
	levels, err := features.Open(ctx, l.store)
	if err != nil {
		return err
	}
	if err := levels.Raise(ctx, features.VolumeHeader, volumeHeaderLevel); err != nil {
		return err
	}
	start, err := l.store.Begin(ctx)
	if err != nil {
		return err
	}
	if start != l.start {
		return fmt.Errorf("the metadata store counted start %d where %d was due: another process uses it", start.Epoch, l.start.Epoch)
	}
	return nil
}

// explain says what can be done about a journal that is refused.
func (l *ledger) explain(err error, m journal.Memory) error {
	switch {
	case errors.Is(err, journal.ErrNewer):
		return fmt.Errorf("%w: metadata.db is an older copy than the journal in %s: put the newer metadata.db back", err, l.where)
	case !l.folder:
		return fmt.Errorf("%w: put back the objects of %s", err, l.where)
	}
	return fmt.Errorf("%w: %s does not continue what the metadata store remembers: put the folder back as it was left; "+
		"or, if it is gone for good, start with %s=%d, which gives up what was acknowledged in it and not sealed yet",
		err, l.where, lossAccepted, m.Last())
}

// Begin remembers a volume before it takes packs.
func (l *ledger) Begin(ctx context.Context, v journal.Begun) error {
	return l.store.BeginVolume(ctx, metadata.Volume{Number: uint64(v.ID), Nonce: v.Nonce})
}
