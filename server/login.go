package server

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/streamhouse/streamhouse/auth/jaas"
	"github.com/streamhouse/streamhouse/auth/sasl"
	"github.com/streamhouse/streamhouse/broker"
	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/metadata/users"
)

// modules are the login modules of the mechanisms that are built.
var modules = map[string]string{sasl.Plain: jaas.Plain, sasl.ScramSHA256: jaas.Scram, sasl.ScramSHA512: jaas.Scram}

// newLogin makes the logins of a listener of its settings. The error has every fault, and
// no secret.
func newLogin(b *config.Broker, listener string, known *users.Users) (*broker.Login, error) {
	enabled, _ := b.At(listener, "", "sasl.enabled.mechanisms")
	frame, _ := b.At(listener, "", "sasl.server.max.receive.size")
	l := &broker.Login{
		Mechanisms: enabled.List, MaxReauth: make(map[string]time.Duration),
		FailDelay: time.Duration(b.Int("connection.failed.authentication.delay.ms")) * time.Millisecond,
		MaxFrame:  int(frame.Int),
	}
	var faults []error
	if len(l.Mechanisms) == 0 {
		faults = append(faults, errors.New("sasl.enabled.mechanisms: at least one is needed"))
	}
	begin := make(map[string]func() sasl.Conversation)
	for _, m := range l.Mechanisms {
		begins, err := mechanism(b, listener, m, known)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		begin[m] = begins
		reauth, _ := b.At(listener, m, "connections.max.reauth.ms")
		l.MaxReauth[m] = time.Duration(reauth.Int) * time.Millisecond
	}
	l.Begin = func(mechanism string) sasl.Conversation { return begin[mechanism]() }
	return l, errors.Join(faults...)
}

// mechanism returns what begins a login by one mechanism.
func mechanism(b *config.Broker, listener, name string, known *users.Users) (func() sasl.Conversation, error) {
	module, built := modules[name]
	if !built {
		return nil, fmt.Errorf("sasl.enabled.mechanisms: %s is not built; these are: %s", name, strings.Join(slices.Sorted(maps.Keys(modules)), ", "))
	}
	setting := fmt.Sprintf("listener.name.%s.%s.sasl.jaas.config", strings.ToLower(listener), strings.ToLower(name))
	text, _ := b.At(listener, name, "sasl.jaas.config")
	var line *jaas.Module
	if text.String() != "" {
		var err error
		if line, err = jaas.Parse(text.String()); err != nil {
			return nil, fmt.Errorf("%s: %w", setting, err)
		}
		if line.Name != module {
			return nil, fmt.Errorf("%s: the login module of %s is %s", setting, name, module)
		}
	}
	if name != sasl.Plain {
		return sasl.NewScram(name, known, known.Secret(), nonce).Begin, nil
	}
	if line == nil || len(line.Users()) == 0 {
		return nil, fmt.Errorf("%s: nobody could log in with PLAIN; set it to: %s required user_NAME=\"PASSWORD\";", setting, module)
	}
	passwords := sasl.NewPasswords(line.Users(), random(32))
	return func() sasl.Conversation { return sasl.NewPlain(passwords) }, nil
}

// nonce is a new one for each login: 24 random bytes.
func nonce() string { return base64.RawStdEncoding.EncodeToString(random(24)) }

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails, see its documentation
	return b
}
