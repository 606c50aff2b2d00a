package config

import "fmt"

// CheckTogether holds the rules over several settings of a broker that was not
// started yet. It returns every fault.
func CheckTogether(b *Broker) []error {
	var faults []error
	if v, ok := b.resolve(topicTable.Get("retention.ms").Synonyms); ok && v.Int == 0 {
		faults = append(faults, fmt.Errorf("log.retention.ms (or .minutes, .hours): must be -1 for no limit, or more than 0"))
	}
	order := func(lo, hi string) {
		if l, h := b.Int(lo), b.Int(hi); l > h {
			faults = append(faults, fmt.Errorf("%s: %d is more than %s=%d", lo, l, hi, h))
		}
	}
	order("log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms")
	order("group.min.session.timeout.ms", "group.max.session.timeout.ms")
	order("group.streams.num.standby.replicas", "group.streams.max.standby.replicas")
	for _, d := range groupTable.All() {
		lo, hi, ok := groupBounds(d.Name)
		if !ok {
			continue
		}
		order(lo, hi)
		for _, s := range d.Synonyms {
			order(lo, s.Name)
			order(s.Name, hi)
		}
	}
	return faults
}
