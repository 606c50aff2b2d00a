package catalog

import (
	"context"
	"fmt"
	"maps"
)

// reload repairs the view after a change whose outcome is unknown, and tells the
// listeners what was done after all. The caller has the turn. If the store cannot be
// read, that is left to the next change.
func (c *Catalog) reload(cause error) error {
	if err := c.catchUp(); err != nil {
		return fmt.Errorf("%w (and then %w)", cause, err)
	}
	return cause
}

// catchUp takes the view to what the store has. The caller has the turn.
func (c *Catalog) catchUp() error {
	before := c.Snapshot()
	c.unknown = true
	if err := c.load(context.Background()); err != nil {
		return err
	}
	c.unknown = false
	c.announce(before, c.Snapshot())
	return nil
}

// announce tells the listeners what lies between two snapshots.
func (c *Catalog) announce(before, now *Snapshot) {
	own := c.brokerOwn()
	brokers := !maps.Equal(before.sets[brokerDefault], now.sets[brokerDefault]) || !maps.Equal(before.sets[own], now.sets[own])
	c.emit(func(l Listener) {
		for _, t := range before.Topics() {
			if now.ByID(t.ID) == nil && l.Deleted != nil {
				l.Deleted(t)
			}
		}
		if brokers && l.Broker != nil {
			l.Broker(now.broker)
		}
		for _, t := range now.Topics() {
			switch old := before.ByID(t.ID); {
			case old == nil:
				if l.Created != nil {
					l.Created(t)
				}
			case old.Version != t.Version || old.Config != t.Config:
				if l.Changed != nil {
					l.Changed(old, t)
				}
			}
		}
	})
}
