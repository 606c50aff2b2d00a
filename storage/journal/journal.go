// Package journal is the port to the only thing on the ack path: a numbered
// sequence of packs with one writer.
//
// A journal is a row of volumes. A volume is a local file (journal/file) or one
// epoch of an object journal (journal/object). A volume begins with a record that
// names its predecessor, the predecessor's last valid pack and that pack's
// checksum: the predecessor's end mark. Nothing past an end mark is ever read.
package journal

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/streamhouse/streamhouse/storage/pack"
)

// Errors that callers branch on.
var (
	// ErrFenced: another writer owns the journal. Nothing more can be written, and
	// nothing written since may be acknowledged. Final.
	ErrFenced = errors.New("journal: fenced by another writer")
	// ErrDamaged: something that had been durable does not check. The error's text
	// has file (or object) and position. The broker refuses to start.
	ErrDamaged = errors.New("journal: damaged")
	// ErrNoRoom: the disk is full or the reserve is touched; nothing was written. Roll
	// returns it too, until there is room again.
	ErrNoRoom = errors.New("journal: no room")
	// ErrBusy: Close found an Append or Roll that had not returned, and did nothing.
	ErrBusy = errors.New("journal: not closed, since something is still being written")
)

// VolumeID numbers the volumes of a journal, rising, never reused.
type VolumeID uint64

// Ref is where a durable pack lies.
type Ref struct {
	Volume VolumeID
	Seq    uint64 // sequence number of the pack within the whole journal, from 1
	Pos    int64  // first byte of the pack within its Source
	Len    int64  // bytes, header and index included
}

// Info describes a volume.
type Info struct {
	ID       VolumeID
	Nonce    pack.Nonce // random: two volumes of one number are told apart by it
	FirstSeq uint64     // sequence of its first pack
	LastSeq  uint64     // of its last durable pack; FirstSeq-1 if it has none
	Bytes    int64      // up to the end of the last durable pack
	Closed   bool       // it has an end mark: immutable from now on
	Created  time.Time
}

// Source reads the bytes of one pack or volume. Implementations are safe for
// concurrent use.
type Source interface {
	io.ReaderAt
	// File returns the open local file behind the source, or nil; positions are the
	// same as ReadAt's. It stays valid until Close.
	File() *os.File
	// Close gives up the caller's hold.
	Close() error
}

// Journal is one writer's sequence of packs. Append, Roll and Release are called by
// one goroutine each; Open may be called from any.
//
// Life: construct, Replay once, then Append and Roll, then Close.
type Journal interface {
	// Replay ends what the previous process left: it finds every durable pack of
	// the volumes that were not released, in order, verifies header, index and
	// batches, rewrites the one pack in doubt into a new volume, fences other
	// writers out and only then returns. fn gets each pack with its final place;
	// the index is valid during the call only. Damage that is not a torn tail is
	// ErrDamaged. Afterwards the journal is open for Append.
	Replay(ctx context.Context, fn func(Ref, *pack.Index) error) error
	// InFlightMax is how many Appends the journal takes at once: 1 for files. With
	// more than one, Append is called from that many goroutines, with consecutive
	// sequence numbers.
	InFlightMax() int
	// Append makes one pack durable. bufs is its wire form as pack.Builder encodes it
	// (header and index first); nobody else changes it until Append has returned. The
	// journal stamps the place (volume, nonce, sequence, previous checksum) into the
	// header at the start of bufs[0]. nil means durable: by a successful first sync
	// or by matching content, and all packs before it are too. Any error except
	// ErrFenced leaves the outcome open: the caller stops appending and calls Roll.
	Append(ctx context.Context, seq uint64, bufs [][]byte) (Ref, error)
	// Roll closes the current volume durably after pack lastSeq, voiding whatever
	// may lie behind it, and begins a new volume whose first pack will be
	// lastSeq+1. It is how a volume becomes ready to be sealed and how the outcome
	// of a failed pack is closed. It may be repeated until it succeeds; nothing is
	// appended in between. An open volume without a pack is kept when nothing failed.
	Roll(ctx context.Context, lastSeq uint64) error
	// Volumes lists the volumes that are not released, oldest first; the last one is
	// open.
	Volumes() []Info
	// OpenSource opens a pack's or volume's bytes for reading, durable part only.
	// Positions are those of Ref; Pos and Len may be 0 when the caller knows only which
	// pack it wants. An error wrapping fs.ErrNotExist means that the
	// volume was released: the caller resolves through the metadata store again.
	OpenSource(ref Ref) (Source, error)
	// Release forgets a closed volume whose content is registered in the metadata
	// store, and deletes what it occupied. Idempotent.
	Release(ctx context.Context, id VolumeID) error
	// Close marks a clean stop after the last Append and frees the journal for the
	// next process. Beside an Append or Roll that has not returned it writes and frees
	// nothing and returns ErrBusy: a mark there would destroy the pack on its way. The
	// process then ends without a mark, as if it had been killed.
	Close(ctx context.Context) error
}

// Adoptable is implemented by journals whose volumes are local files, which a bucket
// on the same file system can take over as segments.
type Adoptable interface {
	// Footer makes footer the end of a closed volume, durably, and returns the path
	// of the file, which begins with the volume's durable part and ends with footer.
	// It may be repeated, also after a crash halfway and with another footer; once the
	// file has a second link it is not written any more, and a footer that differs
	// from what is there is errors.ErrUnsupported: the caller copies instead.
	Footer(ctx context.Context, id VolumeID, footer []byte) (path string, err error)
}
