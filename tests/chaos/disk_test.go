package chaos

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"golang.org/x/sys/unix"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// smallDisk mounts a file system of its own. Where that is not permitted the test has
// to make do with the broker's reserve.
func smallDisk(t *testing.T, mib int) (dir string, mounted bool) {
	t.Helper()
	dir = peers.Folder(t)
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+strconv.Itoa(mib)+"m")
	if err != nil {
		t.Logf("no small file system here (%v): only the reserve is tested", err)
		return dir, false
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir, true
}

// A full disk turns produce into KAFKA_STORAGE_ERROR while reads go on, and heals when
// there is room again, without a restart.
func TestFullDisk(t *testing.T) {
	const diskMiB = 320
	for name, reserve := range map[string]int64{"the reserve is touched": 64 << 20, "not a byte is left": 0} {
		t.Run(name, func(t *testing.T) {
			dir, mounted := smallDisk(t, diskMiB)
			if !mounted {
				fullByReserve(t)
				return
			}
			b := peers.Prepare(t, peers.Options{Kind: peers.StreamHouse, DataDir: filepath.Join(dir, "data"),
				Settings: map[string]string{"disk.reserve.bytes": strconv.FormatInt(reserve, 10), "journal.volume.bytes": "8388608"}})
			start(t, b)
			p := newProbe(t, b)
			p.createTopic("t", 1)
			sent := sendSome(t, p, 20)

			filler := filepath.Join(dir, "filler")
			fill(t, filler)
			failed := sendUntilFull(t, p, &sent)
			if !errors.Is(failed, kerr.KafkaStorageError) {
				t.Fatalf("a full disk answers %v", failed)
			}
			checkSent(t, p, sent)
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			sendAgain(t, p, &sent)
			sent = append(sent, sendSome(t, p, 20)...)
			checkSent(t, p, sent)
			kill(t, b)
			p.drop()
			start(t, b)
			checkSent(t, p, sent)
		})
	}
}

// fullByReserve has a reserve that no disk can keep.
func fullByReserve(t *testing.T) {
	b := ours(t, map[string]string{"disk.reserve.bytes": strconv.FormatInt(1<<60, 10)})
	start(t, b)
	p := newProbe(t, b)
	p.createTopic("t", 1)
	if _, err := p.send("t", []byte("x")); !errors.Is(err, kerr.KafkaStorageError) {
		t.Fatalf("a full disk answers %v", err)
	}
	if _, end, err := p.fetch("t", 0, 1<<20); err != nil || end != 0 {
		t.Fatalf("read on a full disk: end %d, error %v", end, err)
	}
}

// fill writes a file until there is no room left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, chunk := range [][]byte{make([]byte, 1<<20), make([]byte, 4096)} {
		for err = nil; err == nil; {
			_, err = f.Write(chunk)
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
}

// stored is a record that was acknowledged.
type stored struct {
	offset int64
	value  []byte
}

func sendSome(t *testing.T, p *probe, n int) []stored {
	t.Helper()
	var sent []stored
	for i := range n {
		v := value("disk", time.Now().UnixNano()+int64(i), 20_000)
		sent = append(sent, stored{p.mustSend("t", v), v})
	}
	return sent
}

// sendUntilFull sends until an error comes, which has to be soon.
func sendUntilFull(t *testing.T, p *probe, sent *[]stored) error {
	t.Helper()
	for range 3000 {
		v := value("full", time.Now().UnixNano(), 200_000)
		offset, err := p.send("t", v)
		if err != nil {
			return err
		}
		*sent = append(*sent, stored{offset, v})
	}
	return nil
}

// sendAgain waits until the broker takes records again.
func sendAgain(t *testing.T, p *probe, sent *[]stored) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(callBound); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		v := value("again", time.Now().UnixNano(), 1000)
		var offset int64
		if offset, err = p.send("t", v); err == nil {
			*sent = append(*sent, stored{offset, v})
			return
		}
	}
	t.Fatalf("there is room again, produce still fails: %v", err)
}

// checkSent reads every acknowledged record at its offset.
func checkSent(t *testing.T, p *probe, sent []stored) {
	t.Helper()
	for _, s := range sent {
		got, _, err := p.fetch("t", s.offset, 1<<20)
		if err != nil || !bytes.Contains(got, s.value) {
			t.Fatalf("offset %d: acknowledged record not read: error %v, %d bytes", s.offset, err, len(got))
		}
	}
}
