package wire

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestBudgetWaits: who asks for more than is free waits for a return, in order, and
// one of the waiters always moves on.
func TestBudgetWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(0, 100)
		first, second, third := b.Open(), b.Open(), b.Open()
		if !first.TryTake(Large, 90) {
			t.Fatal("the budget is empty at the start")
		}
		if second.TryTake(Large, 20) {
			t.Fatal("20 of the last 10 bytes were given")
		}
		ctx := context.Background()
		if err := second.Take(ctx, Large, 20); err != nil { // overdraws
			t.Fatal(err)
		}
		got := false
		go func() {
			if err := third.Take(ctx, Large, 20); err == nil {
				got = true
			}
		}()
		synctest.Wait()
		if got {
			t.Fatal("two overdrew at once")
		}
		if second.TryTake(Large, 5); second.Held(Large) != 25 {
			t.Fatalf("who overdraws holds %d, want 25", second.Held(Large))
		}
		second.GiveAll()
		synctest.Wait()
		if !got {
			t.Fatal("nobody was let in after the return")
		}
		first.GiveAll()
		third.GiveAll()
		if b.Used() != 0 {
			t.Fatalf("%d bytes are missing", b.Used())
		}
	})
}

// TestBudgetGivesUp: a waiter whose context ends leaves nothing behind.
func TestBudgetGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(0, 10)
		holder, over := b.Open(), b.Open()
		holder.TryTake(Large, 10)
		if err := over.Take(context.Background(), Large, 1); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		late := b.Open()
		if err := late.Take(ctx, Large, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("waiting for ever: %v", err)
		}
		holder.GiveAll()
		over.GiveAll()
		if late.Held(Large) != 0 || b.Used() != 0 {
			t.Fatalf("held %d, used %d", late.Held(Large), b.Used())
		}
	})
}

// TestBudgetStress: many takers, and nothing is lost.
func TestBudgetStress(t *testing.T) {
	b := NewBudget(0, 1000)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			a := b.Open()
			for n := range 200 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%5)*100*time.Microsecond+time.Second)
				if a.Take(ctx, Large, int64(1+(i*n)%700)) == nil && n%3 == 0 {
					_ = a.Take(ctx, Large, 100)
				}
				cancel()
				a.GiveAll()
			}
		})
	}
	all.Wait()
	if b.Used() != 0 {
		t.Fatalf("%d bytes are missing", b.Used())
	}
}
