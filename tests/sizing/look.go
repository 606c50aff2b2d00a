package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// seen is what a broker takes at one moment, in bytes.
type seen struct {
	inUse       int64 // heap and stacks
	resident    int64
	disk        int64 // blocks of its folder, without what journal files only reserve
	descriptors int
}

// look measures a broker that has come to rest.
func look(ctx context.Context, b *peers.Broker) (seen, error) {
	select {
	case <-ctx.Done():
		return seen{}, ctx.Err()
	case <-time.After(settle):
	}
	m, err := metrics(ctx, b)
	if err != nil {
		return seen{}, err
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.PID()))
	if err != nil {
		return seen{}, err
	}
	s := seen{
		inUse:       int64(m["go_memstats_heap_inuse_bytes"] + m["go_memstats_stack_inuse_bytes"]),
		resident:    int64(m["process_resident_memory_bytes"]),
		descriptors: len(fds),
	}
	if s.inUse == 0 || s.resident == 0 {
		return s, errors.New("the broker's metrics do not say what memory it has")
	}
	s.disk, err = used(b.Data())
	return s, err
}

// metrics are those without labels.
func metrics(ctx context.Context, b *peers.Broker) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.HTTP()+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out := map[string]float64{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			out[name] = v
		}
	}
	return out, nil
}

// used is the sum of a folder's files. A journal file is counted by its length: its blocks
// are reserved ahead.
func used(dir string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went meanwhile
		}
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		n := info.Size()
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			n = min(n, st.Blocks*512)
		}
		sum += n
		return nil
	})
	return sum, err
}
