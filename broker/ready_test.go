package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamhouse/streamhouse/broker/wire"
)

// Request memory that is used up for ten seconds is a reason to send clients elsewhere.
func TestNotReadyWithoutMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{budget: wire.NewBudget(100, 100)}
		holder, over, third := s.budget.Open(), s.budget.Open(), s.budget.Open()
		holder.TryTake(wire.Large, 100)
		if err := over.Take(t.Context(), wire.Large, 1); err != nil { // one may overdraw
			t.Fatal(err)
		}
		go func() {
			if err := third.Take(t.Context(), wire.Large, 1); err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(memoryPatience - time.Second)
		if err := s.Ready(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if err := s.Ready(); err == nil {
			t.Error("ready, and a request waits for ten seconds")
		}
		holder.GiveAll()
		over.GiveAll()
		synctest.Wait()
		if err := s.Ready(); err != nil {
			t.Error(err)
		}
		third.GiveAll()
	})
}
