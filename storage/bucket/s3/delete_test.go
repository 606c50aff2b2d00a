package s3

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// deletes is a store that counts the requests by which objects are deleted.
type deletes struct {
	mu         sync.Mutex
	many, one  int
	keys       int // in those for many
	refuseMany bool
	denied     string // a key that may not be deleted
}

func (d *deletes) serve(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case r.Method == http.MethodPost && d.refuseMany:
		d.many++
		w.WriteHeader(http.StatusNotImplemented)
		_, _ = io.WriteString(w, `<Error><Code>NotImplemented</Code></Error>`)
	case r.Method == http.MethodPost:
		d.many++
		body, _ := io.ReadAll(r.Body)
		d.keys += strings.Count(string(body), "<Key>")
		out := `<DeleteResult>`
		if d.denied != "" && strings.Contains(string(body), d.denied) {
			out += `<Error><Key>` + d.denied + `</Key><Code>AccessDenied</Code><Message>no</Message></Error>`
		}
		_, _ = io.WriteString(w, out+`</DeleteResult>`)
	default:
		d.one++
		w.WriteHeader(http.StatusNoContent)
	}
}

func manyKeys(n int) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprintf("k/%d", i))
	}
	return keys
}

func TestDeletesManyAtOnce(t *testing.T) {
	var d deletes
	b := against(t, Options{}, d.serve)
	if err := b.Delete(t.Context(), manyKeys(2500)...); err != nil {
		t.Fatal(err)
	}
	if d.many != 3 || d.keys != 2500 || d.one != 0 {
		t.Errorf("%d requests for many, of %d keys, %d for one", d.many, d.keys, d.one)
	}
	if err := b.Delete(t.Context(), "k"); err != nil || d.one != 1 {
		t.Errorf("%v, %d requests for one", err, d.one)
	}
}

func TestDeletesOneByOneWhereAStoreKnowsNoOther(t *testing.T) {
	d := deletes{refuseMany: true}
	b := against(t, Options{}, d.serve)
	for range 2 {
		if err := b.Delete(t.Context(), manyKeys(10)...); err != nil {
			t.Fatal(err)
		}
	}
	if d.many != 1 || d.one != 20 {
		t.Errorf("%d requests for many, %d for one", d.many, d.one)
	}
}

// One that may not be deleted is the outcome, whatever became of the others.
func TestDeletesManyButOne(t *testing.T) {
	d := deletes{denied: "k/7"}
	b := against(t, Options{}, d.serve)
	if err := b.Delete(t.Context(), manyKeys(10)...); err == nil || !strings.Contains(err.Error(), "k/7") || errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
