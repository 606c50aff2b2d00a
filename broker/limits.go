package broker

import (
	"net"
	"strings"
	"sync"
	"time"
)

// Limits bound how many connections are open at a time.
type Limits struct {
	MaxConnections       int            // max.connections
	MaxConnectionsPerIP  int            // max.connections.per.ip
	ConnectionsOverrides map[string]int // max.connections.per.ip.overrides, by address or host name
	// MaxPerListener is listener.name.*.max.connections, by the listener's name in small
	// letters; a listener that is not there has no limit of its own.
	MaxPerListener map[string]int
	// ConnectionRate is max.connection.creation.rate: connections per second; 0 is no limit.
	ConnectionRate int
}

// admission counts connections against the limits.
type admission struct {
	mu     sync.Mutex
	limits Limits
	most   int // connections for which there are file descriptors; 0: not known
	all    int
	byIP   map[string]int
	// byListener counts by the listener's name in small letters.
	byListener map[string]int
	// due is when the next connection may be accepted by the rate; what was not used of
	// the last second may be used at once.
	due time.Time
}

func newAdmission(l Limits, most int) *admission {
	return &admission{limits: l, most: most, byIP: make(map[string]int), byListener: make(map[string]int)}
}

// SetLimits changes the limits for connections that come from now on. Those that are
// open stay, even if they are more.
func (s *Server) SetLimits(l Limits) {
	l = resolve(l, net.DefaultResolver.LookupNetIP, s.logger)
	s.admission.mu.Lock()
	defer s.admission.mu.Unlock()
	s.admission.limits = l
}

// pause is how long the next connection has to wait for the rate, at most a second.
func (a *admission) pause(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	rate := a.limits.ConnectionRate
	if rate <= 0 {
		return 0
	}
	if unused := now.Add(-time.Second); a.due.Before(unused) {
		a.due = unused
	}
	a.due = a.due.Add(time.Second / time.Duration(rate))
	return min(max(a.due.Sub(now), 0), time.Second)
}

// enter admits a connection from ip to a listener, or names the limit that is in its way.
// Who is admitted leaves with leave.
func (a *admission) enter(ip, listener string) (limit string, ok bool) {
	listener = strings.ToLower(listener)
	a.mu.Lock()
	defer a.mu.Unlock()
	perIP := a.limits.MaxConnectionsPerIP
	if n, found := a.limits.ConnectionsOverrides[ip]; found {
		perIP = n
	}
	own, limited := a.limits.MaxPerListener[listener]
	switch {
	case limited && a.byListener[listener] >= own:
		return "listener.name.max.connections", false
	case a.most > 0 && a.all >= a.most:
		return "file descriptors", false
	case a.all >= a.limits.MaxConnections:
		return "max.connections", false
	case a.byIP[ip] >= perIP:
		return "max.connections.per.ip", false
	}
	a.all++
	a.byIP[ip]++
	a.byListener[listener]++
	return "", true
}

func (a *admission) leave(ip, listener string) {
	listener = strings.ToLower(listener)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all--
	a.byListener[listener]--
	if a.byIP[ip]--; a.byIP[ip] == 0 {
		delete(a.byIP, ip)
	}
}
