// Package protocol is the vocabulary of the Kafka protocol: API keys with the version
// ranges this broker serves, error codes, request headers, frame limits, and a decoder
// that checks what a frame claims before anything is allocated for it.
//
// It is pure: no I/O, no clock, no goroutines. Package record has the record batches.
package protocol

import "strconv"

// Spec describes one API.
type Spec struct {
	Key  int16
	Name string // Kafka's name, as in its metrics and logs
	// Min and Max are the versions that are accepted, both included. Max below Min: none.
	Min, Max int16
	// Advertised is the lowest version that ApiVersions shows. It differs from Min for
	// Produce only: librdkafka turns compression off when it does not see version 0
	// (KAFKA-18659).
	Advertised int16
	// Flexible is the first version with compact lengths and tagged fields (KIP-482),
	// -1 if there is none.
	Flexible int16
	// Served says whether this broker implements the API. One that is not served is
	// known by name only and absent from ApiVersions.
	Served bool
}

// Lookup returns what is known of an API key, or nil for a key that Kafka 4.4 does not
// have. The result is shared and not to be changed.
func Lookup(key int16) *Spec {
	if key < 0 || int(key) >= len(specs) {
		return nil
	}
	return &specs[key]
}

// Served returns the APIs this broker implements, by ascending key.
func Served() []Spec {
	var out []Spec
	for i := range specs {
		if specs[i].Served {
			out = append(out, specs[i])
		}
	}
	return out
}

// Name returns the name of an API key, or "Unknown(n)".
func Name(key int16) string {
	if s := Lookup(key); s != nil {
		return s.Name
	}
	return "Unknown(" + strconv.Itoa(int(key)) + ")"
}

// CheckVersion says whether this broker serves a version of an API. The error is
// UNSUPPORTED_VERSION; as in Kafka it is shown to the client for ApiVersions only
// (KIP-511), and closes the connection for any other key.
func CheckVersion(key, version int16) error {
	s := Lookup(key)
	switch {
	case s == nil:
		return Errorf(UnsupportedVersion, "unknown API key %d", key)
	case !s.Served:
		return Errorf(UnsupportedVersion, "%s is not served", s.Name)
	case version < s.Min || version > s.Max:
		return Errorf(UnsupportedVersion, "%s version %d is outside %d-%d", s.Name, version, s.Min, s.Max)
	}
	return nil
}

// RequestHeaderVersion returns the version of the header in front of a request: 2 for
// flexible versions, else 1, and 0 (without a client id) for ControlledShutdown v0. The
// key must be known; the version may be out of range.
func RequestHeaderVersion(key, version int16) int16 {
	s := Lookup(key)
	switch {
	case s == nil:
		return 1
	case s.flexible(version):
		return 2
	case key == KeyControlledShutdown && version == 0:
		return 0
	}
	return 1
}

// ResponseHeaderVersion returns the version of the header in front of a response: 1
// (with tagged fields) for flexible versions, else 0. ApiVersions is always 0, because a
// client reads it before it knows what the broker can do (KIP-511).
func ResponseHeaderVersion(key, version int16) int16 {
	if s := Lookup(key); s != nil && s.flexible(version) && key != KeyApiVersions {
		return 1
	}
	return 0
}

func (s *Spec) flexible(version int16) bool {
	return s.Flexible != noVersion && version >= s.Flexible
}
