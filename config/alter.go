package config

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/streamhouse/streamhouse/protocol"
)

// OpKind is what an incremental change does (KIP-339).
type OpKind int8

// The kinds, numbered as in IncrementalAlterConfigs.
const (
	Set      OpKind = 0
	Delete   OpKind = 1
	Append   OpKind = 2
	Subtract OpKind = 3
)

// String returns Kafka's name of the operation.
func (k OpKind) String() string {
	return [...]string{"SET", "DELETE", "APPEND", "SUBTRACT"}[k]
}

// Op is one change of one setting.
type Op struct {
	Name  string
	Kind  OpKind
	Value *string
}

// Replacement returns the operations that turn current into exactly the given set, as
// AlterConfigs means it: what is not named goes back to its default.
func Replacement(current map[string]string, set []Op) []Op {
	out := slices.Clone(set)
	for name := range current {
		if !slices.ContainsFunc(set, func(o Op) bool { return o.Name == name }) {
			out = append(out, Op{Name: name, Kind: Delete})
		}
	}
	return out
}

// CheckOps refuses what no resource allows: an unknown operation, a setting named
// twice, a missing value. The error is a *protocol.Error of INVALID_REQUEST.
func CheckOps(ops []Op) error {
	seen := map[string]bool{}
	var nulls []string
	for _, o := range ops {
		switch {
		case o.Kind < Set || o.Kind > Subtract:
			return protocol.Errorf(protocol.InvalidRequest, "Unknown operations type %d", o.Kind)
		case seen[o.Name]:
			return protocol.Errorf(protocol.InvalidRequest, "Error due to duplicate config keys")
		case o.Value == nil && o.Kind != Delete:
			nulls = append(nulls, o.Name)
		}
		seen[o.Name] = true
	}
	if len(nulls) > 0 {
		return protocol.Errorf(protocol.InvalidRequest, "Null value not supported for : %s", strings.Join(nulls, ", "))
	}
	return nil
}

// AlterTopic applies ops to a topic's set and validates the result, which is a new
// map. Errors are *protocol.Error: INVALID_REQUEST or INVALID_CONFIG.
func AlterTopic(current map[string]string, ops []Op, b *Broker) (map[string]string, error) {
	next, err := applyAll(topicTable, current, ops, func(o Op) error {
		return protocol.Errorf(protocol.InvalidConfig, "Can't %s to key %s because its type is not LIST.", o.Kind, o.Name)
	})
	if err != nil {
		return nil, err
	}
	return next, CheckTopic(next, b)
}

// AlterGroup does the same for a group.
func AlterGroup(current map[string]string, ops []Op, b *Broker) (map[string]string, error) {
	next, err := applyAll(groupTable, current, ops, func(o Op) error {
		return protocol.Errorf(protocol.InvalidConfig, "Can't %s to key %s because its type is not LIST.", o.Kind, o.Name)
	})
	if err != nil {
		return nil, err
	}
	return next, CheckGroup(next, b)
}

// AlterBroker applies ops to the settings of one broker (own) or of all of them, and
// validates the result.
func AlterBroker(current map[string]string, ops []Op, own bool) (map[string]string, error) {
	next, err := applyAll(brokerTable, current, ops, func(o Op) error {
		if lookupBroker(o.Name) == nil || ListenerOf(o.Name) != "" {
			return protocol.Errorf(protocol.InvalidConfig, "Unknown config name: %s", o.Name)
		}
		verb := "append"
		if o.Kind == Subtract {
			verb = "subtract"
		}
		return protocol.Errorf(protocol.InvalidConfig, "Config value %s is not allowed for config key: %s", verb, o.Name)
	})
	if err != nil {
		return nil, err
	}
	if err := CheckDynamic(next, own); err != nil {
		return nil, err
	}
	return next, checkMinInsync(ops, own)
}

// applyAll applies ops in order to a copy of current. notList makes the error for
// APPEND and SUBTRACT on anything but a list.
func applyAll(t *Table, current map[string]string, ops []Op, notList func(Op) error) (map[string]string, error) {
	if err := CheckOps(ops); err != nil {
		return nil, err
	}
	next := maps.Clone(current)
	if next == nil {
		next = map[string]string{}
	}
	for _, o := range ops {
		switch o.Kind {
		case Set:
			next[o.Name] = *o.Value
		case Delete:
			delete(next, o.Name)
		default:
			d := t.Get(o.Name)
			if d == nil || d.Type != List {
				return nil, notList(o)
			}
			raw, ok := next[o.Name]
			if !ok && d.Default != nil {
				raw = *d.Default // the definition's default, also where the broker has another one
			}
			next[o.Name] = mergeList(raw, *o.Value, o.Kind)
		}
	}
	return next, nil
}

// mergeList adds the elements that are not there yet, or takes elements away.
func mergeList(raw, change string, kind OpKind) string {
	var list []string
	for _, s := range strings.Split(raw, ",") {
		if s != "" {
			list = append(list, s)
		}
	}
	for _, s := range strings.Split(change, ",") {
		i := slices.Index(list, s)
		switch {
		case kind == Append && i < 0:
			list = append(list, s)
		case kind == Subtract && i >= 0:
			list = slices.Delete(list, i, i+1)
		}
	}
	return strings.Join(list, ",")
}

// checkMinInsync holds Kafka's rules for min.insync.replicas with eligible leader
// replicas (KIP-966): the cluster always has a value, a broker never.
func checkMinInsync(ops []Op, own bool) error {
	for _, o := range ops {
		switch {
		case o.Name != "min.insync.replicas":
		case own:
			return protocol.Errorf(protocol.InvalidConfig, "Broker-level min.insync.replicas cannot be altered while ELR is enabled.")
		case o.Kind == Delete:
			return protocol.Errorf(protocol.InvalidConfig, "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.")
		}
	}
	return nil
}

// CheckDynamic validates settings that are to change while the broker runs: those of one
// broker (own) or of all of them. The error is a *protocol.Error of INVALID_REQUEST, as
// Kafka answers. Unlike Kafka, an unknown name is refused.
func CheckDynamic(set map[string]string, own bool) error {
	names := slices.Sorted(maps.Keys(set))
	group := func(match func(*Def) bool, text string) error {
		var bad []string
		for _, n := range names {
			if d := lookupBroker(n); d != nil && match(d) {
				bad = append(bad, n)
			}
		}
		if len(bad) == 0 {
			return nil
		}
		return protocol.Errorf(protocol.InvalidRequest, "%s: [%s]", text, strings.Join(bad, ", "))
	}
	for _, n := range names {
		if lookupBroker(n) == nil {
			return protocol.Errorf(protocol.InvalidRequest, "Unknown broker config name: %s", n)
		}
	}
	for _, n := range names {
		if d := lookupBroker(n); isPerBroker(n) && d.Type == Class && (d.Default == nil || set[n] != *d.Default) {
			return protocol.Errorf(protocol.InvalidRequest, "Invalid value %s for configuration %s: Class %s could not be found.", set[n], n, set[n])
		}
	}
	err := group(func(d *Def) bool {
		return d.ReadOnly && !slices.Contains(perListener, d.Name) && ListenerOf(d.Name) == "" && (own || !isPerBroker(d.Name)) &&
			!asksNothing(d, set[d.Name])
	}, "Cannot update these configs dynamically")
	if err != nil {
		return err
	}
	if err := checkListenerSettings(set); err != nil {
		return err
	}
	for _, n := range names {
		d := lookupBroker(n)
		if ListenerOf(n) != "" {
			d = brokerTable.Get(listenerLimit) // whose name a fault has
		}
		if _, err := d.Parse(set[n]); err != nil {
			return protocol.Errorf(protocol.InvalidRequest, "%s", err)
		}
	}
	if own {
		return nil
	}
	return group(func(d *Def) bool { return isPerBroker(d.Name) },
		"Cannot update these configs at default cluster level, broker id must be specified")
}

// CheckGroup validates a group's whole set. The error is a *protocol.Error of
// INVALID_CONFIG.
func CheckGroup(set map[string]string, b *Broker) error {
	names := slices.Sorted(maps.Keys(set))
	for _, name := range names {
		if groupTable.Get(name) == nil {
			return protocol.Errorf(protocol.InvalidConfig, "Unknown group config name: %s", name)
		}
	}
	for _, name := range names {
		v, err := groupTable.Get(name).Parse(set[name])
		if err != nil {
			return protocol.Errorf(protocol.InvalidConfig, "%s", err)
		}
		if err := checkGroupBounds(name, v, b); err != nil {
			return err
		}
	}
	return nil
}

// checkGroupBounds compares a group's value with the bounds that the broker sets, for
// example consumer.session.timeout.ms with group.consumer.min.session.timeout.ms and
// group.consumer.max.session.timeout.ms.
func checkGroupBounds(name string, v Value, b *Broker) error {
	switch name {
	case "streams.num.standby.replicas":
		if hi := b.Int("group.streams.max.standby.replicas"); v.Int > hi {
			return protocol.Errorf(protocol.InvalidConfig, "%s must be less than or equal to %d", name, hi)
		}
		return nil
	case "streams.assignor.name":
		if known := b.List("group.streams.assignors"); !slices.Contains(known, v.Str) {
			return protocol.Errorf(protocol.InvalidConfig,
				"%s '%s' is not a registered task assignor. Registered assignors are: [%s].", name, v.Str, strings.Join(known, ", "))
		}
		return nil
	}
	lo, hi, ok := groupBounds(name)
	if !ok {
		return nil
	}
	if from, to := b.Int(lo), b.Int(hi); v.Int < from || v.Int > to {
		return protocol.Errorf(protocol.InvalidConfig, "%s must be in the range %d to %d inclusive.", name, from, to)
	}
	return nil
}

// groupBounds names the broker settings that bound a group setting, if there are any.
func groupBounds(name string) (lo, hi string, ok bool) {
	kind, rest, _ := strings.Cut(name, ".")
	lo, hi = "group."+kind+".min."+rest, "group."+kind+".max."+rest
	return lo, hi, brokerTable.Get(lo) != nil && brokerTable.Get(hi) != nil
}

// BrokerName parses the name of a broker resource: "" means all brokers. The error is
// a *protocol.Error of INVALID_REQUEST.
func BrokerName(name string, nodeID int32) (own bool, err error) {
	if name == "" {
		return false, nil
	}
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return false, protocol.Errorf(protocol.InvalidRequest, "Node id must be an integer, but it is: %s", name)
	}
	if int32(id) != nodeID {
		return false, protocol.Errorf(protocol.InvalidRequest, "Unexpected broker id, expected %d, but received %s", nodeID, name)
	}
	return true, nil
}
