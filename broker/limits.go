package broker

import "sync"

// Limits bound how many connections are open at a time.
type Limits struct {
	MaxConnections       int            // max.connections
	MaxConnectionsPerIP  int            // max.connections.per.ip
	ConnectionsOverrides map[string]int // max.connections.per.ip.overrides, by address
}

// admission counts connections against the limits.
type admission struct {
	mu     sync.Mutex
	limits Limits
	all    int
	byIP   map[string]int
}

func newAdmission(l Limits) *admission {
	return &admission{limits: l, byIP: make(map[string]int)}
}

// SetLimits changes the limits for connections that come from now on. Those that are
// open stay, even if they are more.
func (s *Server) SetLimits(l Limits) {
	s.admission.mu.Lock()
	defer s.admission.mu.Unlock()
	s.admission.limits = l
}

// enter admits a connection from ip, or names the limit that is in its way. Who is
// admitted leaves with leave.
func (a *admission) enter(ip string) (limit string, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	perIP := a.limits.MaxConnectionsPerIP
	if n, found := a.limits.ConnectionsOverrides[ip]; found {
		perIP = n
	}
	switch {
	case a.all >= a.limits.MaxConnections:
		return "max.connections", false
	case a.byIP[ip] >= perIP:
		return "max.connections.per.ip", false
	}
	a.all++
	a.byIP[ip]++
	return "", true
}

func (a *admission) leave(ip string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all--
	if a.byIP[ip]--; a.byIP[ip] == 0 {
		delete(a.byIP, ip)
	}
}
