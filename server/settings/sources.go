package settings

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// source is what one place says: the flags, the variables or the file.
type source struct {
	set      map[string]value
	faults   []error
	warnings []string
}

func newSource() *source { return &source{set: make(map[string]value)} }

func (s *source) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Errorf(format, args...))
}

func (s *source) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}

// put takes a setting by its long or its short name. A second value is a fault.
func (s *source) put(name, raw string, origin Origin) {
	name, raw = long(name, raw)
	if old, ok := s.set[name]; ok {
		s.fault("%s (%s): given already at %s", name, origin, old.origin)
		return
	}
	s.set[name] = value{raw, origin}
}

// shorthand maps the short names of settings to the long ones, in flags, variables and
// files alike.
var shorthand = map[string]string{
	"data":    "data.dir",
	"http":    "http.listen",
	"bucket":  "bucket.url",
	"journal": "journal.kind",
	"listen":  "listeners",
}

// long is a setting under its long name. What listen says is an address or a port, and
// becomes the one PLAINTEXT listener.
func long(name, raw string) (string, string) {
	if name == "listen" && !strings.Contains(raw, "://") {
		if _, err := strconv.ParseUint(raw, 10, 16); err == nil {
			raw = ":" + raw
		}
		raw = "PLAINTEXT://" + raw
	}
	if l, ok := shorthand[name]; ok {
		name = l
	}
	return name, raw
}

// dataDir makes data.dir of Kafka's names for the same: log.dirs, or else log.dir. It
// happens within one source, so that a stronger one overrides it whatever the name.
func (s *source) dataDir() {
	kafka, name := value{}, ""
	for _, n := range []string{"log.dir", "log.dirs"} {
		if v, ok := s.set[n]; ok {
			kafka, name = v, n
			delete(s.set, n)
		}
	}
	if name == "" {
		return
	}
	own, both := s.set["data.dir"]
	switch dir := strings.TrimSpace(kafka.raw); {
	case strings.Contains(dir, ","):
		s.fault("%s (%s): %s are several folders; all data is kept in one, so name one", name, kafka.origin, dir)
	case both && own.raw != dir:
		s.fault("%s (%s): %s differs from data.dir=%s, which is the same setting; set one of them", name, kafka.origin, dir, own.raw)
	default:
		s.set["data.dir"] = value{dir, kafka.origin + Origin(", as "+name)}
	}
}

// Usage is the text of `streamhouse server --help`.
const Usage = `usage: streamhouse server [--config FILE] [--data DIR] [--listen HOST:PORT] [--http HOST:PORT]
                          [--bucket URL] [--journal file|object] [--NAME VALUE ...] [--print-config]

  --config FILE         YAML file with settings by name, or Kafka's server.properties
  --data DIR            folder of the broker's own data (./data)
  --listen HOST:PORT    where Kafka clients connect, or a port alone (:9092)
  --http HOST:PORT      health and metrics (localhost:8080)
  --bucket URL          file:///folder or s3://bucket/prefix?endpoint=http://host:port (a folder in the data folder)
  --journal KIND        file or object (file)
  --NAME VALUE          any setting by its name, for example --num.partitions 3
  --set NAME=VALUE      the same
  --print-config        show what is in force and where each value comes from, and exit
  --version             print the version, and exit

Every setting can also be an environment variable: num.partitions is STREAMHOUSE_NUM_PARTITIONS.
A flag goes before a variable, a variable before the file. docs/configuration.md lists all settings.
`

// ErrHelp is returned by Load for --help.
var ErrHelp = errors.New("help asked for")

// PrintConfig is the flag that shows the settings instead of starting.
const PrintConfig = "--print-config"

// parseFlags reads the command line. The file's name comes apart, since the file is
// read before the flags count. The error is ErrHelp only.
func parseFlags(args []string) (s *source, file value, err error) {
	s = newSource()
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "-h" || arg == "--help" {
			return nil, file, ErrHelp
		}
		if arg == PrintConfig {
			continue
		}
		name, raw, joined := strings.Cut(arg, "=")
		if !strings.HasPrefix(name, "--") || len(name) < 3 {
			s.fault("%s: not a flag; flags begin with two dashes", arg)
			continue
		}
		if !joined {
			if i+1 == len(args) {
				s.fault("%s: its value is missing", name)
				break
			}
			i++
			raw = args[i]
		}
		if name == "--config" {
			file = value{raw, "flag --config"}
			continue
		}
		s.flag(name, raw)
	}
	s.dataDir()
	return s, file, nil
}

// flag takes one flag. The same one twice is no fault, unless the two differ.
func (s *source) flag(name, raw string) {
	origin := Origin("flag " + name)
	if name = name[2:]; name == "set" {
		var ok bool
		if name, raw, ok = strings.Cut(raw, "="); !ok {
			s.fault("--set %s: use --set name=value", name)
			return
		}
	}
	name, raw = long(name, raw)
	if old, ok := s.set[name]; ok && old.raw != raw {
		s.fault("%s: given twice, as %s and %s", name, old.origin, origin)
	}
	s.set[name] = value{raw, origin}
}
