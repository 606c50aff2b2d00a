package admin

import (
	"slices"
	"strconv"
	"strings"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/protocol"
)

// Loggers are the broker's loggers and their levels, by Kafka's names of both: the
// resources of type BROKER_LOGGER (KIP-412). Levels last until the process ends.
type Loggers interface {
	Names() []string
	LevelNames() []string
	Level(name string) string
	Set(name, level string)
	Unset(name string) // takes the level of the root again
}

const rootLogger = "root"

// describeLoggers shows the levels of the loggers; keys limits them.
func (c *Handlers) describeLoggers(name string, keys []string) ([]config.Entry, error) {
	if name == "" {
		return nil, protocol.Errorf(protocol.InvalidRequest, "Broker id must not be empty")
	}
	id, err := strconv.ParseInt(name, 10, 32)
	switch {
	case err != nil:
		return nil, protocol.Errorf(protocol.InvalidRequest, "Broker id must be an integer, but it is: %s", name)
	case int32(id) != c.Node.ID:
		return nil, protocol.Errorf(protocol.InvalidRequest, "Unexpected broker id, expected %d but received %s", c.Node.ID, name)
	}
	var out []config.Entry
	for _, logger := range c.Loggers.Names() {
		if len(keys) > 0 && !slices.Contains(keys, logger) {
			continue
		}
		level := c.Loggers.Level(logger)
		out = append(out, config.Entry{Name: logger, Value: &level, Source: config.SourceBrokerLogger})
	}
	return out, nil
}

// alterLoggers changes levels: all that are named, or none.
func (c *Handlers) alterLoggers(name string, ops []config.Op, validateOnly bool) error {
	id, err := strconv.ParseInt(name, 10, 32)
	switch {
	case err != nil:
		return protocol.Errorf(protocol.InvalidRequest, "Node id must be an integer, but it is: %s", name)
	case int32(id) != c.Node.ID:
		return protocol.Errorf(protocol.InvalidRequest, "Unexpected node id. Expected %d, but received %s", c.Node.ID, name)
	}
	for _, o := range ops {
		if o.Kind < config.Set || o.Kind > config.Subtract {
			return protocol.Errorf(protocol.InvalidRequest, "Unknown operation type %d is not allowed for the BROKER_LOGGER resource", o.Kind)
		}
	}
	if err := config.CheckOps(ops); err != nil {
		return err
	}
	for _, o := range ops {
		if err := c.checkLoggerOp(o); err != nil {
			return err
		}
	}
	if validateOnly {
		return nil
	}
	for _, o := range ops {
		if o.Kind == config.Set {
			c.Loggers.Set(o.Name, *o.Value)
		} else {
			c.Loggers.Unset(o.Name)
		}
	}
	return nil
}

func (c *Handlers) checkLoggerOp(o config.Op) error {
	switch {
	case o.Kind == config.Append || o.Kind == config.Subtract:
		return protocol.Errorf(protocol.InvalidRequest, "%s operation is not allowed for the BROKER_LOGGER resource", o.Kind)
	case !slices.Contains(c.Loggers.Names(), o.Name):
		return protocol.Errorf(protocol.InvalidConfig, "Logger %s does not exist!", o.Name)
	case o.Kind == config.Delete && o.Name == rootLogger:
		return protocol.Errorf(protocol.InvalidRequest, "Removing the log level of the root logger is not allowed")
	case o.Kind == config.Set && !slices.Contains(c.Loggers.LevelNames(), *o.Value):
		return protocol.Errorf(protocol.InvalidConfig, "Cannot set the log level of %s to %s as it is not a supported log level. Valid log levels are %s",
			o.Name, *o.Value, strings.Join(c.Loggers.LevelNames(), ", "))
	}
	return nil
}
