// Package settings reads what the broker is started with: flags, STREAMHOUSE_*
// variables, a file (YAML, or Kafka's server.properties) and defaults, in this order of
// precedence. All faults are reported at once, each with its setting's name and a hint,
// and an unknown or mistyped name stops the start: a setting that is ignored in silence
// is worse than none. Only variables that others have written are passed by.
//
// It reads neither the environment nor the command line by itself: both are
// arguments.
package settings

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/storage/bucket"
)

// Origin says where a value comes from, in words: "flag --listen", "default".
type Origin string

// value is a setting as it was given.
type value struct {
	raw    string
	origin Origin
}

// Settings is everything the broker was started with, validated.
type Settings struct {
	values     map[string]value // canonical, set ones only
	broker     *config.Broker
	listeners  []Listener
	advertised map[string]Address
	warnings   []string
}

// Load reads the settings. args are those behind `streamhouse server`, environ is in
// the form of os.Environ. The error lists every fault.
func Load(args, environ []string) (*Settings, error) {
	flags, file, err := parseFlags(args)
	if err != nil {
		return nil, err
	}
	variables, other := fromEnvironment(environ)
	if file.raw == "" {
		file = other
	}
	sources := []*source{variables, flags} // the last is the strongest
	if file.raw != "" {
		sources = append([]*source{fromFile(file.raw)}, sources...)
	}
	merged := make(map[string]value)
	var faults []error
	var warnings []string
	for _, from := range sources {
		maps.Copy(merged, from.set)
		faults = append(faults, from.faults...)
		warnings = append(warnings, from.warnings...)
	}
	s, err := resolve(merged, faults)
	if err != nil {
		return nil, err
	}
	s.warnings = warnings
	return s, nil
}

// resolve validates every value and what they mean together.
func resolve(given map[string]value, faults []error) (*Settings, error) {
	s := &Settings{values: make(map[string]value, len(given))}
	static := make(map[string]string, len(given))
	for _, name := range sortedNames(given) {
		v := given[name]
		d := lookup(name)
		switch {
		case d == nil:
			faults = append(faults, unknown(name, v.origin))
			continue
		case d.Effect == config.Refused && strings.TrimSpace(v.raw) != "" && (d.Default == nil || v.raw != *d.Default):
			faults = append(faults, fmt.Errorf("%s (%s): %s asks for something that is not built: %s", name, v.origin, shown(d, v.raw), d.Doc))
			continue
		}
		canonical, err := d.Canonical(v.raw)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s (%s): %w; it takes %s", name, v.origin, err, kind(d)))
			continue
		}
		s.values[name] = value{canonical, v.origin}
		static[name] = canonical
	}
	node, err := nodeID(static)
	faults = append(faults, err)
	derive(static)
	s.broker = config.NewBroker(node, static)
	// What the settings mean together is judged whatever else is wrong: a value that
	// was refused above counts as its default here, so all faults come at once.
	faults = append(faults, s.readListeners())
	faults = append(faults, config.CheckTogether(s.broker)...)
	faults = append(faults, checkOwn(s.broker)...)
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return s, nil
}

// derive gives Kafka's names for what other settings say, so that a tool that asks
// for them is told the truth.
func derive(static map[string]string) {
	static["process.roles"] = "broker,controller"
	static["log.dirs"] = *config.Server().Get("data.dir").Default
	if dir, ok := static["data.dir"]; ok {
		static["log.dirs"] = dir
	}
}

// WithoutEffect returns the settings that were given and do nothing here, by name, so
// that the start can say so.
func (s *Settings) WithoutEffect() []string {
	var out []string
	for _, name := range sortedNames(s.values) {
		if e := lookup(name).Effect; e != config.Acts {
			out = append(out, name)
		}
	}
	return out
}

// Warnings returns what was given and is worth a line, though it stops nothing.
func (s *Settings) Warnings() []string { return s.warnings }

// nodeID is node.id, or broker.id as it was called before KRaft; 1 by default.
func nodeID(static map[string]string) (int32, error) {
	node, hasNode := static["node.id"]
	old, hasOld := static["broker.id"]
	switch {
	case hasNode && hasOld && node != old:
		return 1, fmt.Errorf("node.id: %s differs from broker.id=%s; set one of them", node, old)
	case !hasNode:
		node = old
	}
	if node == "" || node == "-1" {
		node = "1"
	}
	id, err := strconv.ParseInt(node, 10, 32)
	if err != nil {
		return 1, fmt.Errorf("node.id: %w", err)
	}
	static["node.id"], static["broker.id"] = node, node
	return int32(id), nil
}

// Broker returns the settings with their defaults.
func (s *Settings) Broker() *config.Broker { return s.broker }

// Given says whether a setting was given, or has its default.
func (s *Settings) Given(name string) bool { _, ok := s.values[name]; return ok }

// Listeners returns the addresses to bind, in the order in which they were given.
func (s *Settings) Listeners() []Listener { return s.listeners }

// Advertised returns, per listener, the address that clients are told.
func (s *Settings) Advertised() map[string]Address { return s.advertised }

// checkOwn holds the rules of StreamHouse's own settings that a definition cannot say.
func checkOwn(b *config.Broker) []error {
	var faults []error
	if raw := b.String("bucket.url"); raw != "" {
		if _, err := bucket.ParseLocation(raw); err != nil {
			faults = append(faults, fmt.Errorf("bucket.url: %w", err))
		}
	}
	for _, name := range []string{"http.listen", "schema.registry.listen"} {
		raw := b.String(name)
		if raw == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(raw); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w; it takes host:port, or nothing for no HTTP", name, err))
		}
	}
	faults = append(faults, checkRights(b)...)
	_, access := b.Get("s3.access.key")
	_, secret := b.Get("s3.secret.key")
	if access != secret {
		faults = append(faults, errors.New("s3.access.key, s3.secret.key: give both or none"))
	}
	return faults
}

// checkRights holds the settings of the authorizer. Where there is none, they would promise
// what nobody keeps.
func checkRights(b *config.Broker) (faults []error) {
	if _, err := auth.ParseSupers(b.String("super.users")); err != nil {
		faults = append(faults, fmt.Errorf("super.users: %w; it takes principals separated by semicolons, as in User:admin;User:CN=broker,O=org", err))
	}
	if b.String("authorizer.class.name") != "" {
		return faults
	}
	for _, name := range []string{"super.users", "allow.everyone.if.no.acl.found"} {
		if v, ok := b.Get(name); ok && v.String() != *config.Server().Get(name).Default {
			faults = append(faults, fmt.Errorf("%s: there is no authorizer that it could be for; set authorizer.class.name=%s", name, config.StandardAuthorizer))
		}
	}
	return faults
}

// shown is a value as an error may repeat it.
func shown(d *config.Def, raw string) string {
	if d.Sensitive() {
		return "its value"
	}
	return strconv.Quote(raw)
}

// lookup finds the definition of a broker setting, Kafka's or ours.
func lookup(name string) *config.Def {
	if d := config.Brokers().Get(name); d != nil {
		return d
	}
	if d := config.Server().Get(name); d != nil {
		return d
	}
	return config.Listener(name)
}

// all returns every definition, by name.
func all() []*config.Def {
	out := append(slices.Clone(config.Brokers().All()), config.Server().All()...)
	slices.SortFunc(out, func(a, b *config.Def) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func kind(d *config.Def) string {
	if limits := d.Valid.String(); limits != "" {
		return fmt.Sprintf("%s, %s", strings.ToLower(d.Type.String()), limits)
	}
	return strings.ToLower(d.Type.String())
}

func sortedNames(m map[string]value) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// unknown is the fault of a name that does not exist, with the names it may have
// meant.
func unknown(name string, origin Origin) error {
	if best := nearest(name); best != "" {
		return fmt.Errorf("%s (%s): there is no such setting; did you mean %s?", name, origin, best)
	}
	if strings.HasPrefix(name, "listener.name.") {
		return fmt.Errorf("%s (%s): no listener has such a setting for itself; it is listener.name.NAME.SETTING or listener.name.NAME.MECHANISM.SETTING, names in small letters, with ssl.*, sasl.*, connections.max.reauth.ms or max.connections", name, origin)
	}
	if config.Topics().Get(name) != nil {
		return fmt.Errorf("%s (%s): this is a topic's setting; set it with kafka-configs, or its log.* counterpart for all topics", name, origin)
	}
	return fmt.Errorf("%s (%s): there is no such setting; docs/configuration.md has all of them", name, origin)
}

// meant says whether a name that does not exist was meant for a setting.
func meant(name string) bool {
	return nearest(name) != "" || config.Topics().Get(name) != nil || strings.HasPrefix(name, "listener.name.")
}

// nearest is the setting, or its short name, that differs from name in the fewest
// letters: in three at most, and in no more than half of them. It is empty if there is
// none.
func nearest(name string) string {
	best, distance := "", min(4, len(name)/2+1)
	look := func(other string) {
		if n := editDistance(name, other, distance); n < distance {
			best, distance = other, n
		}
	}
	for _, d := range all() {
		look(d.Name)
	}
	for _, short := range slices.Sorted(maps.Keys(shorthand)) {
		look(short)
	}
	return best
}

// editDistance counts the changes of one letter between a and b, up to limit.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return min(row[len(b)], limit)
}
