package compact

import (
	"testing"
	"time"
)

func TestDue(t *testing.T) {
	const mib = 1 << 20
	standard := Policy{Ratio: 0.5, MaxLag: Never, DeleteRetention: 24 * time.Hour}
	rest := Standing{ToHorizon: Never, SinceRun: time.Hour, Credit: 1 << 30}
	lagging := standard
	lagging.MaxLag = 10 * time.Second
	held := standard
	held.MinLag = time.Minute
	for _, c := range []struct {
		name   string
		policy Policy
		change func(*Standing)
		want   Reason
		roll   bool
	}{
		{"nothing", standard, func(*Standing) {}, NotDue, false},
		{"little and busy", standard, func(s *Standing) { s.Cleanable = mib - 1 }, NotDue, false},
		{"a MiB of new data", standard, func(s *Standing) { s.Cleanable = mib }, Ratio, false},
		{"as much new as clean", standard, func(s *Standing) { s.Cleanable, s.Clean = 8*mib, 8*mib }, NotDue, false},
		{"more new than clean", standard, func(s *Standing) { s.Cleanable, s.Clean = 8*mib+1, 8*mib }, Ratio, false},
		{"ratio 0", Policy{MaxLag: Never}, func(s *Standing) { s.Cleanable, s.Clean = mib, 1<<40 }, Ratio, false},
		{"ratio 1", Policy{Ratio: 1, MaxLag: Never}, func(s *Standing) { s.Cleanable, s.Clean = 1<<40, 1 }, NotDue, false},
		{"quiet in the journal", standard, func(s *Standing) { s.Open, s.QuietFor = 10, 10*time.Second }, Quiet, true},
		{"quiet and sealed", standard, func(s *Standing) { s.Cleanable, s.QuietFor = 10, 10*time.Second }, Quiet, false},
		{"not quiet yet", standard, func(s *Standing) { s.Open, s.QuietFor = 10, 9*time.Second }, NotDue, false},
		{"quiet and large", standard, func(s *Standing) { s.Open, s.Clean, s.QuietFor = 10, 64*mib, time.Minute }, NotDue, false},
		{"quiet without credit", standard, func(s *Standing) { s.Open, s.Clean, s.QuietFor, s.Credit = 10, mib, time.Minute, mib }, NotDue, false},
		{"quiet, held by the least lag", held, func(s *Standing) { s.Open, s.QuietFor = 10, time.Minute }, NotDue, false},
		{"quiet and clean", standard, func(s *Standing) { s.Clean, s.QuietFor = mib, time.Hour }, NotDue, false},
		{"lag is far", lagging, func(s *Standing) { s.Open, s.Waited = 10, 7*time.Second }, NotDue, false},
		{"lag is near", lagging, func(s *Standing) { s.Open, s.Waited = 10, 7500*time.Millisecond }, Lag, true},
		{"lag, sealed", lagging, func(s *Standing) { s.Cleanable, s.Waited = 10, time.Minute }, Lag, false},
		{"lag, nothing dirty", lagging, func(s *Standing) { s.Waited = time.Minute }, NotDue, false},
		{"a long run begins earlier", Policy{Ratio: 1, MaxLag: time.Hour}, func(s *Standing) {
			s.Cleanable, s.Waited, s.LastRun = 10, 58*time.Minute, time.Minute
		}, Lag, false},
		{"horizon", standard, func(s *Standing) { s.Clean, s.ToHorizon, s.SinceRun = mib, -1, 24*time.Hour }, Horizon, false},
		{"horizon, soon after a run", standard, func(s *Standing) { s.Clean, s.ToHorizon = mib, -1 }, NotDue, false},
		{"horizon ahead", standard, func(s *Standing) { s.Clean, s.ToHorizon, s.SinceRun = mib, 1, 48*time.Hour }, NotDue, false},
	} {
		s := rest
		c.change(&s)
		if got, roll := Due(c.policy, s); got != c.want || roll != c.roll {
			t.Errorf("%s: %s, roll %v", c.name, got, roll)
		}
	}
	if LateAfter(Never) != Never || LateAfter(time.Second) != 20*time.Second || LateAfter(time.Minute) != 70*time.Second {
		t.Error("LateAfter")
	}
}
