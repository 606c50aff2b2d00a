package config

import "slices"

// Entry is one setting as DescribeConfigs shows it.
type Entry struct {
	Name      string
	Value     *string // nil: not set, or not to be shown
	Source    Source
	ReadOnly  bool
	Sensitive bool
	Type      Type
	Doc       string
	Synonyms  []SynonymValue
}

// SynonymValue is one place from which a setting could take its value, strongest
// first.
type SynonymValue struct {
	Name   string
	Value  *string // nil: not to be shown
	Source Source
}

// DescribeTopic shows a topic's settings by name; keys limits them (nil or empty: all).
func DescribeTopic(set map[string]string, b *Broker, keys []string) []Entry {
	return describeOver(topicTable, SourceTopic, set, b, keys)
}

// DescribeGroup shows a group's settings.
func DescribeGroup(set map[string]string, b *Broker, keys []string) []Entry {
	out := describeOver(groupTable, SourceGroup, set, b, keys)
	for i := range out {
		// A group setting without a broker setting behind it names itself (as seen of
		// Kafka 4.4); a topic setting does not.
		d := groupTable.Get(out[i].Name)
		if len(d.Synonyms) == 0 && d.Default != nil {
			out[i].Synonyms = append(out[i].Synonyms, SynonymValue{d.Name, d.Default, SourceDefault})
		}
	}
	return out
}

// describeOver shows settings that are set for a resource or else follow the broker.
func describeOver(t *Table, own Source, set map[string]string, b *Broker, keys []string) []Entry {
	var out []Entry
	for _, d := range t.All() {
		if !wanted(keys, d.Name) {
			continue
		}
		v := overValue(d, set, b)
		e := Entry{Name: d.Name, Value: v, Source: SourceDefault, Type: d.Type, Doc: d.Doc, Sensitive: d.Sensitive()}
		if _, ok := set[d.Name]; ok {
			e.Synonyms = append(e.Synonyms, SynonymValue{d.Name, v, own})
		}
		if len(d.Synonyms) > 0 {
			e.Synonyms = append(e.Synonyms, b.synonyms(d.Synonyms[0].Name)...)
		}
		out = append(out, e.finish())
	}
	return out
}

func overValue(d *Def, set map[string]string, b *Broker) *string {
	if raw, ok := set[d.Name]; ok {
		v, err := parse(d.Name, d.Type, raw)
		if err != nil {
			return &raw // not validated; shown as it is rather than hidden
		}
		s := dedupe(v).String()
		return &s
	}
	if v, ok := b.resolve(d.Synonyms); ok {
		s := v.String()
		return &s
	}
	return d.Default
}

// DescribeBroker shows all settings of the broker, StreamHouse's own among them.
func DescribeBroker(b *Broker, keys []string) []Entry {
	var out []Entry
	for _, t := range []*Table{brokerTable, serverTable} {
		for _, d := range t.All() {
			if _, source, _ := b.Lookup(d.Name); d.OnlySet && source == SourceDefault {
				continue
			}
			if wanted(keys, d.Name) {
				out = append(out, b.entry(d))
			}
		}
	}
	for _, name := range b.ofListeners() {
		if wanted(keys, name) {
			out = append(out, b.entry(listenerDef(name)))
		}
	}
	return out
}

// DescribeClusterDefault shows what is set for all brokers.
func DescribeClusterDefault(b *Broker, keys []string) []Entry {
	var out []Entry
	only := &Broker{cluster: b.cluster}
	defs := brokerTable.All()
	for _, name := range only.ofListeners() {
		defs = append(defs[:len(defs):len(defs)], listenerDef(name))
	}
	for _, d := range defs {
		if _, ok := b.cluster[d.Name]; !ok || !wanted(keys, d.Name) {
			continue
		}
		e := only.entry(d)
		e.Synonyms = slices.DeleteFunc(e.Synonyms, func(s SynonymValue) bool { return s.Source != SourceClusterDefault })
		out = append(out, e)
	}
	return out
}

func (b *Broker) entry(d *Def) Entry {
	e := Entry{Name: d.Name, Source: SourceDefault, Type: d.Type, Doc: d.Doc,
		ReadOnly: d.ReadOnly, Sensitive: d.Sensitive(), Synonyms: b.synonyms(d.Name)}
	if v, ok := b.Get(d.Name); ok {
		s := v.String()
		e.Value = &s
	}
	return e.finish()
}

// finish derives the source from the synonyms and hides what is secret.
func (e Entry) finish() Entry {
	if len(e.Synonyms) > 0 {
		e.Source = e.Synonyms[0].Source
	}
	if e.Sensitive {
		e.Value = nil
		for i := range e.Synonyms {
			e.Synonyms[i].Value = nil
		}
	}
	return e
}

// families are broker settings that say the same in other units; the first is the
// strongest. Kafka: DynamicBrokerConfig.brokerConfigSynonyms.
var families = [][]string{
	{"log.roll.ms", "log.roll.hours"},
	{"log.roll.jitter.ms", "log.roll.jitter.hours"},
	{"log.retention.ms", "log.retention.minutes", "log.retention.hours"},
}

func family(name string) []string {
	for _, f := range families {
		if slices.Contains(f, name) {
			return f
		}
	}
	switch {
	case name == "log.flush.interval.ms":
		return []string{name, "log.flush.scheduler.interval.ms"}
	case ListenerOf(name) != "":
		return []string{name, listenerLimit}
	}
	return []string{name}
}

// synonyms lists the places of a broker setting's value: layer by layer, and in each
// the members of its family. What comes before the setting's own first place is
// dropped, as Kafka does, so that a setting that is only set in another unit shows none.
func (b *Broker) synonyms(name string) []SynonymValue {
	var out []SynonymValue
	add := func(n, raw string, s Source) { out = append(out, SynonymValue{n, &raw, s}) }
	members := family(name)
	for _, l := range b.layers() {
		for _, n := range members {
			if raw, ok := l.values[n]; ok {
				add(n, raw, l.source)
			}
		}
	}
	for _, n := range members {
		if d := lookupBroker(n); d != nil && d.Default != nil {
			add(n, *d.Default, SourceDefault)
		}
	}
	first := slices.IndexFunc(out, func(s SynonymValue) bool { return s.Name == name })
	if first < 0 {
		return nil
	}
	return out[first:]
}

func wanted(keys []string, name string) bool { return len(keys) == 0 || slices.Contains(keys, name) }
