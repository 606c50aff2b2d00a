package upkeep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// store puts the segment into the bucket: by a link to the journal's own file where
// that is possible, else by one sorted upload. The intent comes first, so that an
// object without a registration is found and swept.
func (u *Upkeep) store(ctx context.Context, key string, group []journal.Info, plan *segment.Plan) (int64, error) {
	if err := u.cfg.Seam("intend"); err != nil {
		return 0, err
	}
	if err := u.cfg.Store.Intend(ctx, key); err != nil {
		return 0, fmt.Errorf("intend %s: %w", key, err)
	}
	if len(group) == 1 && u.adopts() {
		size, err := u.adopt(ctx, key, group[0], plan)
		if !errors.Is(err, errors.ErrUnsupported) {
			return size, err
		}
		u.metrics.copied.Inc()
		u.sayCopied.Do(func() {
			u.logger.Warn("seals copy journal volumes, since their files cannot be linked into the bucket: each byte is written twice", zap.Error(err))
		})
	}
	return u.upload(ctx, key, plan)
}

// adopt appends the footer to the volume's file and links the file into the bucket.
func (u *Upkeep) adopt(ctx context.Context, key string, v journal.Info, plan *segment.Plan) (int64, error) {
	footer, err := plan.FooterInPlace(v.Bytes)
	if err != nil {
		return 0, err
	}
	if err := u.cfg.Seam("footer"); err != nil {
		return 0, err
	}
	path, err := u.cfg.Journal.(footered).Footer(ctx, v.ID, footer)
	if err != nil {
		return 0, fmt.Errorf("write footer: %w", err)
	}
	if err := u.cfg.Seam("adopt"); err != nil {
		return 0, err
	}
	if err := bucket.Adopt(ctx, u.cfg.Bucket, key, path); err != nil {
		return 0, fmt.Errorf("adopt as %s: %w", key, err)
	}
	info, err := u.cfg.Bucket.Stat(ctx, key)
	return info.Size, err
}

// upload writes a planned segment and makes sure that it arrived.
func (u *Upkeep) upload(ctx context.Context, key string, plan *segment.Plan) (int64, error) {
	plan.Footer.Head.Flags |= segment.FlagSorted
	object, err := plan.Build()
	if err != nil {
		return 0, err
	}
	if err := u.cfg.Seam("upload"); err != nil {
		return 0, err
	}
	err = u.cfg.Bucket.Create(ctx, key, bucket.Body{Size: object.Size(), Open: object.Open})
	if err != nil && !errors.Is(err, bucket.ErrExists) {
		return 0, fmt.Errorf("upload %s: %w", key, err)
	}
	return object.Size(), u.verify(ctx, key, object)
}

// verify compares size and footer of what lies under key with what was sent. The key
// has a random part, objects are stored whole or not at all, and each batch was
// checked on its way: what has this footer at this place is that object.
func (u *Upkeep) verify(ctx context.Context, key string, object *segment.Object) error {
	info, err := u.cfg.Bucket.Stat(ctx, key)
	if err != nil {
		return err
	}
	if info.Size != object.Size() {
		return fmt.Errorf("upload %s: %d bytes arrived of %d", key, info.Size, object.Size())
	}
	want := object.Footer()
	got := make([]byte, len(want))
	for range readTries {
		if _, err := (objectReader{ctx, u.cfg.Bucket, key}).ReadAt(got, info.Size-int64(len(want))); err != nil {
			return err
		}
		if bytes.Equal(got, want) {
			return nil
		}
	}
	return fmt.Errorf("upload %s: another object lies there", key)
}

// readTries is how often bytes have to be read before they count as damaged: a transfer
// can damage what is good where it lies, and damage ends the process.
const readTries = 3

// openFooter reads the footer of an object.
func (u *Upkeep) openFooter(ctx context.Context, key string, size int64) (r *segment.Reader, err error) {
	for range readTries {
		r, err = segment.Open(objectReader{ctx, u.cfg.Bucket, key}, size)
		if !errors.Is(err, segment.ErrDamaged) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the footer of %s: %w", key, err)
	}
	return r, nil
}

// objectReader reads an object of the bucket by position.
type objectReader struct {
	ctx    context.Context
	bucket bucket.Bucket
	key    string
}

// ReadAt fills p or fails.
func (r objectReader) ReadAt(p []byte, off int64) (n int, err error) {
	body, err := r.bucket.Get(r.ctx, r.key, off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	return io.ReadFull(body, p)
}

// uploads are the keys that this process is about to register: the sweeper leaves
// their intents alone however long an upload takes.
type uploads struct {
	mu   sync.Mutex
	keys map[string]struct{}
}

// begin adds a key; the function that it returns removes it.
func (x *uploads) begin(key string) func() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.keys == nil {
		x.keys = make(map[string]struct{})
	}
	x.keys[key] = struct{}{}
	return func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		delete(x.keys, key)
	}
}

func (x *uploads) has(key string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	_, ok := x.keys[key]
	return ok
}
