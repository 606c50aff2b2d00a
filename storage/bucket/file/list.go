package file

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// List walks the folders in key order; it holds one folder's names per level.
func (b *Bucket) List(ctx context.Context, prefix, after string, fn func(bucket.Info) error) error {
	if err := bucket.CheckPrefix(prefix); err != nil {
		return err
	}
	l := lister{b: b, ctx: ctx, prefix: prefix, after: after, fn: fn}
	// Everything under the prefix lies in the folder that the prefix names.
	return l.walk(prefix[:strings.LastIndexByte(prefix, '/')+1])
}

type lister struct {
	b             *Bucket
	ctx           context.Context
	prefix, after string
	fn            func(bucket.Info) error
}

// walk lists the folder rel, which is empty or ends with a slash.
func (l *lister) walk(rel string) error {
	names, err := l.names(rel)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		if strings.HasSuffix(name, "/") {
			err = l.walk(name)
		} else {
			err = l.object(name)
		}
		if err != nil {
			return err
		}
	}
	return l.ctx.Err()
}

// names returns the wanted keys of a folder, and its folders with a slash behind
// them, in key order: "a.b" comes before "a/b", so a folder's name alone would be
// in the wrong place.
func (l *lister) names(rel string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(l.b.root, filepath.FromSlash(rel)))
	if err = l.b.lost(err); missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("file bucket: list %s: %w", rel, mapError(err))
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		name := rel + e.Name()
		switch {
		case hidden(rel, e.Name()):
		case e.IsDir():
			if l.wantFolder(name + "/") {
				names = append(names, name+"/")
			}
		case e.Type().IsRegular() && strings.HasPrefix(name, l.prefix) && name > l.after:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// wantFolder says whether keys that begin with folder can be under the prefix and
// behind after.
func (l *lister) wantFolder(folder string) bool {
	under := strings.HasPrefix(folder, l.prefix) || strings.HasPrefix(l.prefix, folder)
	return under && (folder > l.after || strings.HasPrefix(l.after, folder))
}

// object reports one object, unless it was deleted meanwhile.
func (l *lister) object(key string) error {
	if l.b.shared {
		info, err := l.b.Stat(l.ctx, key) // makes it durable
		if missing(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return l.fn(info)
	}
	st, err := os.Lstat(l.b.path(key))
	if missing(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("file bucket: list %s: %w", key, mapError(err))
	}
	return l.fn(bucket.Info{Key: key, Size: st.Size(), Modified: st.ModTime()})
}
