package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// mapError adds the port's error to what the store said. An attempt that ran out of
// its own time is a timeout, not the caller's cancellation.
func (b *Bucket) mapError(ctx context.Context, what, key string, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		// What the transport says of it ("connection closed") would hide it.
		return fmt.Errorf("s3: %s %s%s: %w", what, b.prefix, key, cause)
	}
	var answer minio.ErrorResponse
	if errors.As(err, &answer) {
		if class := classify(answer); class != nil {
			return fmt.Errorf("s3: %s %s%s: %w (%d %s: %s)", what, b.prefix, key, class, answer.StatusCode, answer.Code, answer.Message)
		}
		return fmt.Errorf("s3: %s %s%s: %d %s: %w", what, b.prefix, key, answer.StatusCode, answer.Code, answer)
	}
	return fmt.Errorf("s3: %s %s%s: %w", what, b.prefix, key, err)
}

// transient are codes of refusals that may go otherwise the next time.
var transient = map[string]bool{
	"RequestTimeout": true, "RequestTimeTooSkewed": true, "IncompleteBody": true, "BadDigest": true,
	"XAmzContentSHA256Mismatch": true, "SlowDown": true, "ExpiredToken": true, "InternalError": true,
	// The upload was aborted by somebody else's clean-up.
	"NoSuchUpload": true,
}

// full are codes of a store without room.
var full = map[string]bool{
	"InsufficientStorage": true, "XMinioStorageFull": true, "QuotaExceeded": true, "XMinioAdminBucketQuotaExceeded": true,
}

// classify returns the port's error for an answer, or nil: try again. A 409 says
// that another request for the same key is under way, and nothing of its outcome.
func classify(a minio.ErrorResponse) error {
	switch {
	case transient[a.Code]:
		return nil
	case full[a.Code], a.StatusCode == http.StatusInsufficientStorage:
		return bucket.ErrNoRoom
	case a.Code == minio.NoSuchBucket:
		return bucket.ErrRefused
	}
	switch a.StatusCode {
	case http.StatusNotFound:
		return bucket.ErrNotFound
	case http.StatusPreconditionFailed:
		return bucket.ErrExists
	case http.StatusRequestedRangeNotSatisfiable:
		return bucket.ErrRange
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed,
		http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusNotImplemented:
		return bucket.ErrRefused
	}
	return nil
}
