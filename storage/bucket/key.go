package bucket

import (
	"fmt"
	"strings"
)

// Limits on keys. S3 allows 1,024 bytes for a key with its prefix, file systems 255
// for a part.
const (
	keyBytesMax  = 512
	partBytesMax = 200
)

// CheckKey returns nil or an error wrapping ErrKey. A key has one or more parts
// separated by single slashes; a part is of [A-Za-z0-9._-] and does not begin with
// a dot. So no key leaves a root folder, and names with a leading dot are free for
// an adapter's own use.
func CheckKey(key string) error {
	if key == "" || len(key) > keyBytesMax {
		return fmt.Errorf("%w: %d bytes, allowed are 1 to %d", ErrKey, len(key), keyBytesMax)
	}
	for part := range strings.SplitSeq(key, "/") {
		if err := checkPart(part); err != nil {
			return fmt.Errorf("%w: %q: %s", ErrKey, key, err)
		}
	}
	return nil
}

// CheckPrefix accepts what can begin a valid key, and the empty string.
func CheckPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	// A prefix may end behind a slash or within a part: complete it to a key.
	return CheckKey(prefix + "x")
}

type keyFault string

func (f keyFault) Error() string { return string(f) }

func checkPart(part string) error {
	switch {
	case part == "":
		return keyFault("empty part")
	case len(part) > partBytesMax:
		return keyFault("part too long")
	case part[0] == '.':
		return keyFault("part begins with a dot")
	}
	for i := range len(part) {
		if !keyByte(part[i]) {
			return keyFault(fmt.Sprintf("byte %#x is not allowed", part[i]))
		}
	}
	return nil
}

func keyByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '.' || c == '_' || c == '-'
}

// CheckRange returns nil if n bytes from off (n < 0: to the end) lie inside an
// object of the given size, else an error wrapping ErrRange. It also returns how
// many bytes that is.
func CheckRange(key string, size, off, n int64) (int64, error) {
	if off < 0 || off > size || n > size-off {
		return 0, fmt.Errorf("%w: %s has %d bytes, asked for %d from %d", ErrRange, key, size, n, off)
	}
	if n < 0 {
		n = size - off
	}
	return n, nil
}
