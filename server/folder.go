package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	journalfile "github.com/streamhouse/streamhouse/storage/journal/file"
)

// Path is the data folder's absolute path. It is the broker's log dir.
func (d *dataFolder) Path() string { return d.path }

// Space is the size of the volume that holds the folder, and how much of that an
// unprivileged process may still use, in bytes.
func (d *dataFolder) Space() (total, usable int64, err error) { return journalfile.Space(d.path) }

// errKafkas: a folder holds the data of an Apache Kafka.
var errKafkas = errors.New("the folder is Apache Kafka's")

// notKafkas refuses a folder that Apache Kafka has formatted, before anything is made in
// it: log.dirs of a server.properties may name one, and Kafka's data cannot be read here.
func notKafkas(dir string) error {
	const mark = "meta.properties" // kafka-storage format writes it
	_, err := os.Lstat(filepath.Join(dir, mark))
	switch {
	case err == nil:
		return fmt.Errorf("%w: %s has a %s. StreamHouse does not read Kafka's files: name another folder in data.dir (or log.dirs), and bring the data over with MirrorMaker",
			errKafkas, dir, mark)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR): // whoever makes the folder says what is wrong
		return nil
	}
	return fmt.Errorf("look for Kafka's %s: %w", mark, err)
}
