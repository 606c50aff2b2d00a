package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/storage/bucket"
)

// errMismatch: data folder, settings and bucket do not belong together.
var errMismatch = errors.New("data folder, settings and bucket do not belong together")

const (
	// manifestKey is the object by which a bucket belongs to a cluster; it is the
	// first that a cluster writes, and never changes.
	manifestKey = "manifest.json"
	// manifestName is its counterpart in the data folder.
	manifestName = "manifest.json"

	manifestMagic    = "streamhouse-manifest"
	manifestVersion  = 1
	manifestBytesMax = 16 << 10
)

// manifest is what must not change under a cluster's data. It is JSON, so that a
// person who finds a folder or a bucket can see whose it is.
type manifest struct {
	Format  string `json:"format"`  // manifestMagic
	Version int    `json:"version"` // manifestVersion
	Cluster string `json:"cluster"`
	Journal string `json:"journal"` // "file" or "object"
	// Bucket is where the sealed data is, as seen from the data folder; empty in the
	// bucket's own manifest, which moves along with it.
	Bucket string `json:"bucket,omitempty"`
	// CRC is the CRC-32C, in hex, of this JSON with an empty CRC.
	CRC string `json:"crc32c"`
}

func (m manifest) encode() ([]byte, error) {
	m.Format, m.Version, m.CRC = manifestMagic, manifestVersion, ""
	sum, err := m.sum()
	if err != nil {
		return nil, err
	}
	m.CRC = sum
	b, err := json.MarshalIndent(m, "", "  ")
	return append(b, '\n'), err
}

// sum is the checksum over the compact form without a checksum.
func (m manifest) sum() (string, error) {
	m.CRC = ""
	b, err := json.Marshal(m)
	return fmt.Sprintf("%08x", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))), err
}

// decodeManifest is strict: a manifest that is not understood whole is refused.
func decodeManifest(b []byte) (manifest, error) {
	var m manifest
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("is no manifest: %w", err)
	}
	if d.More() || len(b) > manifestBytesMax {
		return m, errors.New("is no manifest: there is more behind it")
	}
	sum, err := m.sum()
	switch {
	case err != nil:
		return m, err
	case m.Format != manifestMagic:
		return m, fmt.Errorf("is no manifest: format %q", m.Format)
	case m.Version != manifestVersion:
		return m, fmt.Errorf("has version %d, this program knows version %d", m.Version, manifestVersion)
	case m.CRC != sum:
		return m, errors.New("was changed by hand or damaged: its checksum does not fit")
	case m.Cluster == "" || m.Journal == "":
		return m, errors.New("is incomplete")
	}
	return m, nil
}

// identityOf is what a broker with this metadata store and these settings expects of data
// folder and bucket.
func identityOf(s *stores, b *config.Broker) (manifest, error) {
	place, err := bucketIdentity(s.folder.path, s.location)
	if err != nil {
		return manifest{}, err
	}
	return manifest{Cluster: s.start.ClusterID, Journal: b.String("journal.kind"), Bucket: place}, nil
}

// knownManifest compares the settings with the data folder's manifest, before anything
// is opened by them. It returns nil when there is none yet.
func knownManifest(dir string, b *config.Broker, l bucket.Location) (*manifest, error) {
	path := filepath.Join(dir, manifestName)
	local, err := readLocalManifest(path)
	if err != nil || local == nil {
		return nil, err
	}
	place, err := bucketIdentity(dir, l)
	if err != nil {
		return nil, err
	}
	want := manifest{Cluster: local.Cluster, Journal: b.String("journal.kind"), Bucket: place}
	return &want, want.compareLocal(*local, path)
}

// check makes sure that the broker starts on the data it left: same cluster, same journal,
// same bucket. On the first start it writes that down, first in the bucket, by a create
// that only one cluster can win.
func (m manifest) check(ctx context.Context, dir string, b bucket.Bucket) error {
	path := filepath.Join(dir, manifestName)
	local, err := m.checkFolder(path)
	if err != nil {
		return err
	}
	if err := m.checkBucket(ctx, b, local == nil); err != nil {
		return err
	}
	if local != nil {
		return nil
	}
	return m.writeLocal(path)
}

// checkFolder compares with the data folder's manifest, and returns it; nil if it has none.
func (m manifest) checkFolder(path string) (*manifest, error) {
	local, err := readLocalManifest(path)
	if err != nil || local == nil {
		return nil, err
	}
	return local, m.compareLocal(*local, path)
}

// compareLocal names everything that differs from the data folder's manifest.
func (m manifest) compareLocal(have manifest, path string) error {
	var faults []error
	if have.Cluster != m.Cluster {
		faults = append(faults, fmt.Errorf("the metadata store is of cluster %s, the data folder of cluster %s: "+
			"restore the metadata store, or run `streamhouse recover`", m.Cluster, have.Cluster))
	}
	if have.Journal != m.Journal {
		faults = append(faults, fmt.Errorf("journal.kind is %s, the data folder was made with %s: "+
			"set it back; what is in the old journal would be lost from sight", m.Journal, have.Journal))
	}
	if have.Bucket != m.Bucket {
		faults = append(faults, fmt.Errorf("bucket.url means %s, the data folder belongs to %s: "+
			"set it back, or, if all objects were moved while the broker was stopped, remove %s", m.Bucket, have.Bucket, path))
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", errMismatch, errors.Join(faults...))
}

// checkBucket compares with the bucket's manifest. A bucket without one is claimed,
// if the data folder is new and the bucket is empty.
func (m manifest) checkBucket(ctx context.Context, b bucket.Bucket, newFolder bool) error {
	data, err := bucket.ReadAll(ctx, b, manifestKey, manifestBytesMax)
	if errors.Is(err, bucket.ErrNotFound) {
		return m.claim(ctx, b, newFolder)
	}
	if err != nil {
		return fmt.Errorf("the bucket's manifest: %w", err)
	}
	have, err := decodeManifest(data)
	if err != nil {
		return fmt.Errorf("the bucket's %s %w", manifestKey, err)
	}
	if have.Cluster != m.Cluster {
		hint := "set bucket.url back"
		if newFolder {
			hint = "the metadata store here is new; to bring the cluster back from its bucket run `streamhouse recover`, to make a new one use an empty bucket or prefix"
		}
		return fmt.Errorf("%w: the bucket holds the data of cluster %s, the metadata store is of cluster %s: %s",
			errMismatch, have.Cluster, m.Cluster, hint)
	}
	if have.Journal != m.Journal {
		return fmt.Errorf("%w: journal.kind is %s, the bucket's cluster was made with %s: set it back", errMismatch, m.Journal, have.Journal)
	}
	return nil
}

func (m manifest) claim(ctx context.Context, b bucket.Bucket, newFolder bool) error {
	if !newFolder {
		return fmt.Errorf("%w: the bucket has no %s: it was emptied, or it is another one", errMismatch, manifestKey)
	}
	found := errors.New("found")
	var first string
	err := b.List(ctx, "", "", func(i bucket.Info) error {
		if strings.HasPrefix(i.Key, bucket.ProbePrefix) {
			return nil // left by a process that was killed while it probed
		}
		first = i.Key
		return found
	})
	if errors.Is(err, found) {
		return fmt.Errorf("%w: the bucket has no %s and is not empty (%s): if that is a cluster's data run `streamhouse recover`, "+
			"else use an empty bucket or prefix", errMismatch, manifestKey, first)
	}
	if err != nil {
		return fmt.Errorf("look whether the bucket is empty: %w", err)
	}
	own := m
	own.Bucket = ""
	data, err := own.encode()
	if err != nil {
		return err
	}
	err = b.Create(ctx, manifestKey, bucket.Bytes(data))
	if errors.Is(err, bucket.ErrExists) {
		// An earlier attempt of ours, or another cluster that was quicker.
		return m.checkBucket(ctx, b, newFolder)
	}
	if err != nil {
		return fmt.Errorf("write the bucket's manifest: %w", err)
	}
	return nil
}

// readLocalManifest returns nil if there is none.
func readLocalManifest(path string) (*manifest, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	m, err := decodeManifest(b)
	if err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return &m, nil
}

// writeLocal writes the data folder's manifest, whole or not at all, durably.
func (m manifest) writeLocal(path string) error {
	data, err := m.encode()
	if err != nil {
		return err
	}
	temp := path + ".new"
	if err := writeSynced(temp, data); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// bucketIdentity is the text by which a bucket is known again. A folder inside the
// data folder is named from there, so that both can be moved together; how a store
// is reached (region, path style) is no part of which one it is.
func bucketIdentity(dir string, l bucket.Location) (string, error) {
	if l.Scheme != "file" {
		return bucket.Location{Scheme: l.Scheme, Bucket: l.Bucket, Prefix: l.Prefix, Endpoint: l.Endpoint, PathStyle: l.Endpoint != ""}.String(), nil
	}
	path, err := filepath.Abs(l.Path)
	if err != nil {
		return "", fmt.Errorf("bucket folder: %w", err)
	}
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
		path = rel
	}
	return bucket.Location{Scheme: "file", Path: path}.String(), nil
}
