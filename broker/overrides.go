package broker

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	"go.uber.org/zap"
)

// resolveBound is how long finding the addresses of all host names in a setting may take.
const resolveBound = 2 * time.Second

// lookup finds the addresses of a host name; net.Resolver has one.
type lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

// resolved returns the limits with all overrides by address: a host name stands for the
// addresses it has now, as in Kafka, which looks once, too. An address that is written
// itself goes before that of a name. names that have no address are left out, and
// returned with the reason.
func (l Limits) resolved(find lookup) (Limits, map[string]error) {
	ctx, cancel := context.WithTimeout(context.Background(), resolveBound)
	defer cancel()
	byAddress := make(map[string]int, len(l.ConnectionsOverrides))
	written := make(map[string]int)
	failed := make(map[string]error)
	for _, host := range slices.Sorted(maps.Keys(l.ConnectionsOverrides)) {
		n := l.ConnectionsOverrides[host]
		if a, err := netip.ParseAddr(host); err == nil {
			written[canonical(a)] = n
			continue
		}
		addresses, err := find(ctx, "ip", host)
		if err != nil {
			failed[host] = err
			continue
		}
		for _, a := range addresses {
			byAddress[canonical(a)] = n
		}
	}
	maps.Copy(byAddress, written)
	l.ConnectionsOverrides = byAddress
	return l, failed
}

// canonical is an address as a connection's is written.
func canonical(a netip.Addr) string { return a.Unmap().String() }

// resolve is resolved with a line for each name that has no address.
func resolve(l Limits, find lookup, logger *zap.Logger) Limits {
	l, failed := l.resolved(find)
	for host, err := range failed {
		logger.Warn("a host of max.connections.per.ip.overrides has no address: it has the limit of all others",
			zap.String("host", host), zap.Error(err))
	}
	return l
}
