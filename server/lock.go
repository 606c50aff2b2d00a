package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// errInUse: another process has the data folder.
var errInUse = errors.New("data folder is in use")

// lockName is the file whose lock is the folder's. It is never removed: a process
// that waits for it might otherwise lock a file that has no name any more.
const lockName = "lock"

// dataFolder is the broker's hold on its data folder.
type dataFolder struct {
	path string // absolute
	lock *os.File
}

// holder is what the lock file says about who has it.
type holder struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

// lockDataFolder makes the folder if it is missing and takes it for this process,
// until Close or the process's end. An error that wraps errInUse names the holder.
func lockDataFolder(dir string) (*dataFolder, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", dir, err)
	}
	if err := notKafkas(path); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s is held by %s", errInUse, path, readHolder(f))
		}
		return nil, fmt.Errorf("data folder: lock %s: %w", f.Name(), err)
	}
	d := &dataFolder{path: path, lock: f}
	if err := d.sign(); err != nil {
		return nil, errors.Join(fmt.Errorf("data folder: write %s: %w", f.Name(), err), f.Close())
	}
	return d, nil
}

// sign writes down who holds the folder.
func (d *dataFolder) sign() error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	b, err := json.Marshal(holder{PID: os.Getpid(), Host: host, Since: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	if err := d.lock.Truncate(0); err != nil {
		return err
	}
	_, err = d.lock.WriteAt(append(b, '\n'), 0)
	return err
}

// readHolder describes who holds the lock, as far as the file tells: its holder may
// be about to write it.
func readHolder(f *os.File) string {
	b, err := io.ReadAll(io.LimitReader(f, 4<<10))
	var h holder
	if err != nil || json.Unmarshal(b, &h) != nil || h.PID == 0 {
		return "another process that has not said its name"
	}
	return fmt.Sprintf("process %d on %s, since %s", h.PID, h.Host, h.Since.Format(time.RFC3339))
}

// Close gives the folder up.
func (d *dataFolder) Close() error {
	// Whoever reads an unlocked file must not take us for its holder.
	err := d.lock.Truncate(0)
	return errors.Join(err, d.lock.Close())
}
