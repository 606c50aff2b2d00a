package faults

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/bucket/buckettest"
	"github.com/streamhouse/streamhouse/storage/bucket/mem"
)

func TestConformanceWithoutRules(t *testing.T) {
	b := New(mem.New(), 1)
	buckettest.Run(t, buckettest.Options{}, func(*testing.T) bucket.Bucket { return b })
}

func exists(t *testing.T, b *Bucket, key string) bool {
	t.Helper()
	_, err := b.Bucket.Stat(t.Context(), key)
	if err != nil && !errors.Is(err, bucket.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func create(t *testing.T, b *Bucket, key string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return b.Create(ctx, key, bucket.Bytes([]byte(key)))
}

// TestKindsOfCreate says for each kind what the caller hears and what is true.
func TestKindsOfCreate(t *testing.T) {
	for _, c := range []struct {
		kind   Kind
		err    error
		exists bool
	}{
		{Pass, nil, true}, {FailBefore, ErrInjected, false}, {FailAfter, ErrInjected, true},
		{Stall, context.DeadlineExceeded, false}, {LoseReply, context.DeadlineExceeded, true}, {Late, ErrInjected, false},
		{Corrupt, nil, true}, {Cut, ErrInjected, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := New(mem.New(), 1)
			b.Add(Rule{Op: Create, Fault: Fault{Kind: c.kind}})
			err := create(t, b, "k")
			if !errors.Is(err, c.err) || exists(t, b, "k") != c.exists {
				t.Errorf("kind %d: %v, exists: %v", c.kind, err, exists(t, b, "k"))
			}
		})
	}
}

func TestRulesCount(t *testing.T) {
	b := New(mem.New(), 1)
	own := errors.New("own")
	b.Add(Rule{Op: Create, Prefix: "j/", Skip: 1, Times: 2, Fault: Fault{Kind: FailBefore, Err: own}},
		Rule{Match: func(key string) bool { return key == "x" }, Fault: Fault{Kind: FailAfter}})
	var got []bool
	for _, key := range []string{"other", "j/1", "j/2", "j/3", "j/4"} {
		err := create(t, b, key)
		got = append(got, errors.Is(err, own) && errors.Is(err, ErrInjected))
	}
	if !slices.Equal(got, []bool{false, false, true, true, false}) {
		t.Errorf("failed: %v", got)
	}
	if err := create(t, b, "x"); !errors.Is(err, ErrInjected) {
		t.Errorf("second rule: %v", err)
	}
	if _, err := b.Stat(t.Context(), "x"); !errors.Is(err, ErrInjected) {
		t.Errorf("second rule, other operation: %v", err)
	}
	if b.Count(Create, FailBefore) != 2 || b.Count(Any, FailAfter) != 2 || b.Count(Create, Pass) != 3 {
		t.Errorf("events: %v", b.Events())
	}
}

func TestLateCreateLandsAfterAnother(t *testing.T) {
	b := New(mem.New(), 1)
	b.Add(Rule{Op: Create, Times: 2, Fault: Fault{Kind: Late}})
	data := []byte("late")
	if err := b.Create(t.Context(), "k", bucket.Bytes(data)); !errors.Is(err, ErrInjected) {
		t.Fatal(err)
	}
	copy(data, "XXXX") // the caller has its memory back
	_ = create(t, b, "taken")
	if err := create(t, b, "taken"); err != nil {
		t.Fatal(err)
	}
	if n, err := b.Land(); n != 1 || err != nil {
		t.Fatalf("%d landed, %v", n, err)
	}
	if got, err := bucket.ReadAll(t.Context(), b, "k", 10); err != nil || string(got) != "late" {
		t.Fatalf("landed %q, %v", got, err)
	}
}

func TestLateByTheClockAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(mem.New(), 1)
		b.Add(Rule{Op: Create, Fault: Fault{Kind: Late, Delay: time.Minute}})
		_ = create(t, b, "first")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if !exists(t, b, "first") {
			t.Error("it has not landed")
		}
		_ = create(t, b, "second")
		if err := b.Close(); err != nil { // must end the goroutine
			t.Fatal(err)
		}
		if exists(t, b, "second") {
			t.Error("it landed after Close")
		}
	})
}

func TestStalledCallsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, kind := range []Kind{Stall, LoseReply} {
			b := New(mem.New(), 1)
			b.Add(Rule{Op: Create, Fault: Fault{Kind: kind}})
			done := make(chan error)
			go func() { done <- create(t, b, "k") }()
			synctest.Wait()
			if exists(t, b, "k") != (kind == LoseReply) {
				t.Errorf("kind %d: wrong effect while it is stalled", kind)
			}
			b.Clear()
			if err := <-done; err != nil || !exists(t, b, "k") {
				t.Errorf("kind %d: %v", kind, err)
			}
		}
	})
}

func TestSpoiledReads(t *testing.T) {
	b := New(mem.New(), 1)
	want := bytes.Repeat([]byte{7}, 100)
	if err := b.Create(t.Context(), "k", bucket.Bytes(want)); err != nil {
		t.Fatal(err)
	}
	b.Add(Rule{Op: Get, Times: 1, Fault: Fault{Kind: Corrupt}}, Rule{Op: Get, Times: 1, Fault: Fault{Kind: Cut}})
	got, err := bucket.ReadAll(t.Context(), b, "k", 1000)
	if err != nil || len(got) != 100 || bytes.Equal(got, want) {
		t.Errorf("corrupt: %d bytes, %v", len(got), err)
	}
	r, err := b.Get(t.Context(), "k", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err = io.ReadAll(r); !errors.Is(err, ErrInjected) || len(got) != 50 {
		t.Errorf("cut: %d bytes, %v", len(got), err)
	}
}

func TestChaosIsSeeded(t *testing.T) {
	run := func(seed uint64) []Event {
		b := New(mem.New(), seed)
		b.SetChaos(Chaos{FailBefore: 0.2, FailAfter: 0.2, Cut: 0.1})
		for i := range 200 {
			_ = create(t, b, "k"+string(rune('a'+i%26)))
		}
		return b.Events()
	}
	first := run(5)
	if !slices.Equal(first, run(5)) {
		t.Error("the same seed gave different faults")
	}
	if slices.Equal(first, run(6)) {
		t.Error("another seed gave the same faults")
	}
	kinds := map[Kind]int{}
	for _, e := range first {
		kinds[e.Kind]++
	}
	if kinds[FailBefore] < 20 || kinds[FailAfter] < 20 || kinds[Pass] < 60 {
		t.Errorf("kinds: %v", kinds)
	}
}
