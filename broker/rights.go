package broker

import (
	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/broker/api"
)

// Rights is what the client of one connection may do. The connection's reader alone asks.
type Rights interface {
	api.Rights
	// Principal is whose rights they are.
	Principal() auth.Principal
	// Renew takes the rights as they are now, for the next request.
	Renew()
}

// authorise gives the next request the rights of who sends it, as they are now. Without an
// authorizer it is one comparison with nil.
func (c *conn) authorise() {
	of := c.srv.cfg.Rights
	if of == nil {
		return
	}
	if c.rights == nil || c.rights.Principal() != c.info.Principal {
		c.rights = of(c.info.Principal, c.info.Address)
		c.info.Rights = c.rights
		return
	}
	c.rights.Renew()
}
