package server

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Path is the data folder's absolute path. It is the broker's log dir.
func (d *dataFolder) Path() string { return d.path }

// Space is the size of the volume that holds the folder, and how much of that an
// unprivileged process may still use, in bytes.
func (d *dataFolder) Space() (total, usable int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(d.path, &st); err != nil {
		return 0, 0, fmt.Errorf("statfs %s: %w", d.path, err)
	}
	unit := int64(st.Bsize)
	return int64(st.Blocks) * unit, int64(st.Bavail) * unit, nil
}
