package settings

import (
	"regexp"
	"strings"
)

// envPrefix begins the names of the variables that are settings.
const envPrefix = "STREAMHOUSE_"

// ofCommandLine begins the names of the command line's own variables. A shell that has one
// may start a broker too.
const ofCommandLine = envPrefix + "CLI_"

// ofService are the variables that Kubernetes, and Docker's links before it, give to
// every container beside a Service whose name begins with streamhouse. Nobody wrote
// them, so nobody has to hear of them.
var ofService = regexp.MustCompile(`^STREAMHOUSE_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// ofServicePort is one more of them. A person might write a port into it, so its value
// has to be one that they write: tcp://10.0.0.7:9092.
var ofServicePort = regexp.MustCompile(`^STREAMHOUSE_([A-Z0-9_]+_)?PORT=[a-z]+://`)

// fromEnvironment reads the variables. A name with underscores can mean several
// settings with dots; the definitions decide, and none is invented. One without a value
// counts as not given: that is what compose makes of a variable that is not set.
//
// Not all variables of a process are written for it. One whose name is near a setting's
// is a slip and a fault; others are named in a warning.
func fromEnvironment(environ []string) (s *source, file value) {
	names := make(map[string]string)
	for _, d := range all() {
		names[envName(d.Name)] = d.Name
	}
	for short := range shorthand {
		names[envName(short)] = short
	}
	names[envName("config")] = "config"
	s = newSource()
	for _, kv := range environ {
		key, raw, ok := strings.Cut(kv, "=")
		if !ok || !strings.HasPrefix(key, envPrefix) {
			continue
		}
		origin := Origin("variable " + key)
		name, known := names[key]
		switch {
		case strings.HasPrefix(key, ofCommandLine):
		case !known && (ofService.MatchString(key) || ofServicePort.MatchString(kv)):
		case !known:
			s.unknownVariable(key, origin)
		case raw == "":
		case name == "config":
			file = value{raw, origin}
		default:
			s.put(name, raw, origin)
		}
	}
	s.dataDir()
	return s, file
}

// unknownVariable is what to do about a variable that is no setting.
func (s *source) unknownVariable(key string, origin Origin) {
	name := strings.ToLower(strings.ReplaceAll(key[len(envPrefix):], "_", "."))
	if meant(name) {
		s.faults = append(s.faults, unknown(name, origin))
		return
	}
	s.warn("variable %s is no setting and changes nothing; docs/configuration.md has all of them", key)
}

func envName(name string) string {
	return envPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name))
}
