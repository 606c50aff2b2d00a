package broker

import "sync"

// admission counts connections against the limits.
type admission struct {
	max       int
	perIP     int
	overrides map[string]int

	mu   sync.Mutex
	all  int
	byIP map[string]int
}

func newAdmission(cfg *Config) *admission {
	return &admission{
		max: cfg.MaxConnections, perIP: cfg.MaxConnectionsPerIP,
		overrides: cfg.ConnectionsOverrides, byIP: make(map[string]int),
	}
}

// enter admits a connection from ip, or names the limit that is in its way. Who is
// admitted leaves with leave.
func (a *admission) enter(ip string) (limit string, ok bool) {
	perIP := a.perIP
	if n, found := a.overrides[ip]; found {
		perIP = n
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.all >= a.max:
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
