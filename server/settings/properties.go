package settings

import (
	"strconv"

	"github.com/streamhouse/streamhouse/config/properties"
)

// properties reads a file in the form of java.util.Properties, as Kafka's
// server.properties is. As in Java the last of several values counts; here that is said.
func (s *source) properties(path, text string) {
	for p, err := range properties.Read(text) {
		origin := Origin(path + ":" + strconv.Itoa(p.Line))
		if err != nil {
			s.fault("%s: %w", origin, err)
			continue
		}
		name, raw := long(p.Name, p.Value)
		if old, ok := s.set[name]; ok {
			s.warn("%s (%s): given at %s too; the last one counts", name, origin, old.origin)
		}
		s.set[name] = value{raw, origin}
	}
}
