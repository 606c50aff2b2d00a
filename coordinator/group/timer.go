package group

import "time"

// Deadline returns when Tick is next due; false if nothing of the group is timed.
func (g *Group) Deadline() (time.Time, bool) {
	if g.is(Dead) {
		return time.Time{}, false
	}
	var first time.Time
	earlier := func(t time.Time) {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	earlier(g.joinDeadline)
	earlier(g.syncDeadline)
	for _, m := range g.members {
		earlier(m.deadline)
	}
	for _, t := range g.pending {
		earlier(t)
	}
	return first, !first.IsZero()
}

// Tick does what is due at now: ends phases of a rebalance and sessions. It may be
// called at any time.
func (g *Group) Tick(now time.Time) Effects {
	var fx Effects
	if g.is(Dead) {
		return fx
	}
	due := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	if due(g.syncDeadline) {
		g.syncTimeout(now, &fx)
	}
	if due(g.joinDeadline) {
		g.joinTimeout(now, &fx)
	}
	for _, m := range append([]*member(nil), g.members...) {
		if !due(m.deadline) || g.byID[m.id] != m {
			continue
		}
		m.deadline = time.Time{}
		if !m.satisfied() {
			g.expel(now, &fx, m)
		}
	}
	for id, t := range g.pending {
		if due(t) {
			delete(g.pending, id)
			if g.is(PreparingRebalance) && g.allJoined() {
				g.complete(now, &fx)
			}
		}
	}
	return fx
}
