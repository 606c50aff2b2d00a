package object

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	return j.retry(ctx, func(ctx context.Context) (bool, error) {
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
			again, err := bucket.ReadAll(ctx, j.cfg.Bucket, key, objectBytesMax)
			switch {
			case err != nil, i > 0 && !bytes.Equal(got, again):
				return false, created
			case bytes.Equal(again, data):
				return true, nil
			}
			got = again
		}
		return true, &conflict{key: key, content: got}
	})
}

// objectBytesMax bounds what is read of one slot. A pack holds at most one batch more
// than its target size, and a batch comes from a frame of at most 2 GiB.
const objectBytesMax = 1<<31 + 64<<20

// retry calls fn until it says that it is done, with growing pauses, for at most
// GiveUpAfter; each call has AttemptMax.
func (j *Journal) retry(ctx context.Context, fn func(context.Context) (done bool, err error)) error {
	began := time.Now()
	for pause := j.cfg.RetryPause; ; pause = min(2*pause, 16*j.cfg.RetryPause) {
		attempt, cancel := context.WithTimeout(ctx, j.cfg.AttemptMax)
		done, err := fn(attempt)
		cancel()
		if done {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w (last attempt: %w)", context.Cause(ctx), err)
		}
		// Half of the pause is random, so that those who failed together do not come
		// back together.
		wait := pause/2 + rand.N(pause/2+1)
		if time.Since(began)+wait > j.cfg.GiveUpAfter {
			return fmt.Errorf("journal: gave up after %s: %w", time.Since(began).Round(time.Millisecond), err)
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
	err = j.retry(ctx, func(ctx context.Context) (bool, error) {
		var err error
		data, err = bucket.ReadAll(ctx, j.cfg.Bucket, key, objectBytesMax)
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
const readAgain = 3

// list returns the slots under a prefix of keys with the sizes of their objects.
func (j *Journal) list(ctx context.Context, prefix, after string) (found []listed, err error) {
	err = j.retry(ctx, func(ctx context.Context) (bool, error) {
		found = found[:0]
		var bad error
		err := j.cfg.Bucket.List(ctx, prefix, after, func(i bucket.Info) error {
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

// listed is an object of the journal.
type listed struct {
	epoch, slot uint64
	size        int64
}
