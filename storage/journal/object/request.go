package object

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// releasedSlot is the slot whose object says that the epoch's packs may be deleted
// or were. It is above every sequence.
const releasedSlot = 1<<64 - 1

func (j *Journal) key(epoch, slot uint64) string {
	return fmt.Sprintf("%s%016x/%016x", j.cfg.Prefix, epoch, slot)
}

// parseKey is the inverse of key.
func (j *Journal) parseKey(key string) (epoch, slot uint64, err error) {
	rest, ok := strings.CutPrefix(key, j.cfg.Prefix)
	if ok && len(rest) == 33 {
		var err1, err2 error
		epoch, err1 = strconv.ParseUint(rest[:16], 16, 64)
		slot, err2 = strconv.ParseUint(rest[17:], 16, 64)
		ok = err1 == nil && err2 == nil && epoch > 0
	}
	if !ok || j.key(epoch, slot) != key {
		return 0, 0, fmt.Errorf("%w: %s is not the key of a slot", journal.ErrDamaged, key)
	}
	return epoch, slot, nil
}

// conflict is the error when a slot holds other bytes than were to be created.
type conflict struct {
	key     string
	content []byte // cut to a little more than what was to be created
}

func (c *conflict) Error() string { return fmt.Sprintf("journal: %s holds something else", c.key) }

// isFence says whether b is a fence for the slot, and whose.
func isFence(b []byte, epoch, slot uint64) (pack.Header, bool) {
	h, err := pack.DecodeHeader(b)
	return h, err == nil && len(b) == pack.HeaderSize && h.Flags&pack.FlagFence != 0 && h.Volume == epoch && h.Seq == slot
}

// createExact makes sure that the object holds exactly data. After any failure the
// same bytes are offered again, since the failed attempt may take effect later: then
// both are the same. nil means that the object is durable; *conflict that it holds
// something else, for ever; any other error leaves it open.
func (j *Journal) createExact(ctx context.Context, key string, data []byte) error {
	bySize := func() time.Duration { return j.pace.bySize(int64(len(data))) }
	return j.retry(ctx, bySize, func(t *try) (bool, error) { return j.createOnce(t, key, data) })
}

// createPack is createExact for the pack seq, at the journal's pace.
func (j *Journal) createPack(ctx context.Context, key string, seq uint64, data []byte) error {
	size := int64(len(data))
	bySize := func() time.Duration { return j.pace.bySize(size) }
	return j.retryIn(ctx, bySize, func() (func(*try, bool), error) {
		if err := j.pace.enter(ctx, seq); err != nil {
			return nil, err
		}
		began := time.Now()
		return func(t *try, ok bool) { j.pace.leave(began, size, t.timedOut(), ok) }, nil
	}, func(t *try) (bool, error) { return j.createOnce(t, key, data) })
}

func (j *Journal) createOnce(ctx *try, key string, data []byte) (bool, error) {
	created := j.cfg.Bucket.Create(ctx, key, bucket.Bytes(data))
	switch {
	case created == nil:
		return true, nil
	case errors.Is(created, bucket.ErrKey):
		return true, created
	case errors.Is(created, bucket.ErrNoRoom):
		return true, fmt.Errorf("%w: %w", journal.ErrNoRoom, created)
	case !errors.Is(created, bucket.ErrExists):
		// It may be there all the same. If not, that proves nothing.
		created = fmt.Errorf("journal: create %s: %w", key, created)
	}
	// A transfer can be damaged as well: other bytes count only if they stay so.
	var got []byte
	for i := range readAgain {
		again, err := j.readAll(ctx, key)
		switch {
		case err != nil, i > 0 && !bytes.Equal(got, again):
			return false, created
		case bytes.Equal(again, data):
			return true, nil
		}
		got = again
	}
	return true, &conflict{key: key, content: got}
}

// objectBytesMax bounds what is read of one slot. A pack holds at most one batch more
// than its target size, and a batch comes from a frame of at most 2 GiB.
const objectBytesMax = 1<<31 + 64<<20

// readAll reads an object within an attempt, which lasts as long as bytes come.
func (j *Journal) readAll(t *try, key string) ([]byte, error) {
	r, err := j.cfg.Bucket.Get(t, key, 0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(alive{r, t}, objectBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if len(data) > objectBytesMax {
		return nil, fmt.Errorf("read %s: more than %d bytes", key, objectBytesMax)
	}
	return data, nil
}

// alive tells the attempt of what comes.
type alive struct {
	r io.Reader
	t *try
}

func (a alive) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	a.t.received(n)
	return n, err
}

// retry calls fn until it says that it is done, one attempt behind the other, with growing
// pauses, for at most GiveUpAfter. Each attempt has AttemptMax, what bySize (nil: nothing)
// says when it begins, and begins anew with what it receives; the whole is prolonged likewise.
func (j *Journal) retry(ctx context.Context, bySize func() time.Duration, fn func(*try) (done bool, err error)) error {
	return j.retryIn(ctx, bySize, nil, fn)
}

// sizeTries is for how many attempts by size the whole has time beyond GiveUpAfter.
const sizeTries = 3

// retryIn is retry that takes a place before each attempt, which it gives back afterwards
// with the attempt and whether that is done without an error. Waiting for a place takes
// nothing from the time.
func (j *Journal) retryIn(ctx context.Context, bySize func() time.Duration, place func() (func(*try, bool), error), fn func(*try) (done bool, err error)) error {
	if bySize == nil {
		bySize = func() time.Duration { return 0 }
	}
	spent := time.Duration(0) // without the time in which something came
	for pause := j.cfg.RetryPause; ; pause = min(2*pause, 16*j.cfg.RetryPause) {
		leave := func(*try, bool) {}
		if place != nil {
			var err error
			if leave, err = place(); err != nil {
				return err
			}
		}
		began := time.Now()
		t := newTry(ctx, j.cfg.AttemptMax+bySize())
		done, err := fn(t)
		if errors.Is(err, context.Canceled) && t.timedOut() && ctx.Err() == nil {
			done = false // the attempt's own end, not the caller's
			err = fmt.Errorf("nothing came in time: %w", context.DeadlineExceeded)
		}
		leave(t, done && err == nil)
		spent += time.Since(began) - t.end()
		if done {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w (last attempt: %w)", context.Cause(ctx), err)
		}
		// Half of the pause is random, so that those who failed together do not come
		// back together.
		wait := pause/2 + rand.N(pause/2+1)
		if spent += wait; spent > j.cfg.GiveUpAfter+sizeTries*bySize() {
			return fmt.Errorf("journal: gave up after %s: %w", spent.Round(time.Millisecond), err)
		}
		if !sleep(ctx, wait) {
			return fmt.Errorf("%w (last attempt: %w)", context.Cause(ctx), err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// read returns a whole object; bucket.ErrNotFound if there is none. check, which may
// be nil, looks at the bytes: what it refuses is read again, since a transfer can be
// damaged too, and only then its error is returned.
func (j *Journal) read(ctx context.Context, key string, check func([]byte) error) (data []byte, err error) {
	refused := 0
	err = j.retry(ctx, nil, func(t *try) (bool, error) {
		var err error
		data, err = j.readAll(t, key)
		if err != nil {
			return errors.Is(err, bucket.ErrNotFound), err
		}
		if check == nil {
			return true, nil
		}
		if err = check(data); err == nil {
			return true, nil
		}
		if refused++; refused == readAgain {
			return true, err
		}
		// Not wrapped: what was read once is not known to be damaged.
		return false, fmt.Errorf("journal: %s does not check yet: %v", key, err)
	})
	return data, err
}

// readAgain is how often bytes have to be read before they count as damaged.
const readAgain = 4

// list returns the slots under a prefix of keys with the sizes of their objects.
func (j *Journal) list(ctx context.Context, prefix, after string) (found []listed, err error) {
	err = j.retry(ctx, nil, func(t *try) (bool, error) {
		var bad error
		err := j.cfg.Bucket.List(t, prefix, after, func(i bucket.Info) error {
			t.received(keyBytes)
			after = i.Key // an attempt goes on where the one before it ended
			epoch, slot, err := j.parseKey(i.Key)
			if err != nil {
				bad = err
				return err
			}
			found = append(found, listed{epoch: epoch, slot: slot, size: i.Size})
			return nil
		})
		if bad != nil {
			return true, bad
		}
		return err == nil, err
	})
	return found, err
}

// keyBytes is about what one key takes in a listing.
const keyBytes = 512

// listed is an object of the journal.
type listed struct {
	epoch, slot uint64
	size        int64
}
