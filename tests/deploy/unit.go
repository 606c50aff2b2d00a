package deploy

import (
	"bufio"
	"os"
	"strings"
)

// Unit is a unit file of systemd: the values of each name, whatever its section.
type Unit map[string][]string

// ReadUnit reads one. Lines that go on are not read.
func ReadUnit(path string) (Unit, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	u := Unit{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if name, value, ok := strings.Cut(line, "="); ok && line[0] != '#' && line[0] != ';' {
			u[name] = append(u[name], value)
		}
	}
	return u, lines.Err()
}

// One is the only value of a name, or empty.
func (u Unit) One(name string) string {
	if len(u[name]) != 1 {
		return ""
	}
	return u[name][0]
}
