package sasl_test

import (
	"crypto/pbkdf2"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"github.com/streamhouse/streamhouse/auth/sasl"
)

// known has alice with a password.
type known struct{ v sasl.Verifier }

func (k known) Verifier(_, user string) (sasl.Verifier, bool) { return k.v, user == "alice" }

func knowing(t *testing.T, mechanism string) known {
	t.Helper()
	salt := []byte("abcdefghijklmnopqrstuvwxyz")
	newHash := sasl.NewHash(mechanism)
	salted, err := pbkdf2.Key(newHash, "secret", salt, 4096, newHash().Size())
	if err != nil {
		t.Fatal(err)
	}
	return known{sasl.VerifierOf(mechanism, salt, salted, 4096)}
}

func mechanisms() map[string]scram.HashGeneratorFcn {
	return map[string]scram.HashGeneratorFcn{sasl.ScramSHA256: scram.SHA256, sasl.ScramSHA512: scram.SHA512}
}

func nonce() string { return "0123456789abcdef" }

// login runs a login of the library's client against ours.
func login(t *testing.T, mechanism, user, password, authzid string, change func(last string) string) (sasl.Outcome, error) {
	t.Helper()
	client, err := mechanisms()[mechanism].NewClientUnprepped(user, password, authzid)
	if err != nil {
		t.Fatal(err)
	}
	server := sasl.NewScram(mechanism, knowing(t, mechanism), []byte("secret of the cluster"), nonce).Begin()
	c := client.NewConversation()
	first, err := c.Step("")
	if err != nil {
		t.Fatal(err)
	}
	o, err := server.Step([]byte(first))
	if err != nil {
		return o, err
	}
	if o.Done {
		t.Fatal("done with the first message")
	}
	last, err := c.Step(string(o.Answer))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		last = change(last)
	}
	o, err = server.Step([]byte(last))
	if err == nil {
		if _, err := c.Step(string(o.Answer)); err != nil || !c.Valid() {
			t.Errorf("the client does not believe the server: %v", err)
		}
	}
	if _, again := server.Step([]byte(last)); again == nil {
		t.Error("a login that is over goes on")
	}
	return o, err
}

// TestScram: who knows the password is in, and nobody else, whatever the last message is.
func TestScram(t *testing.T) {
	for mechanism := range mechanisms() {
		if o, err := login(t, mechanism, "alice", "secret", "", nil); err != nil || !o.Done || o.Principal.String() != "User:alice" {
			t.Errorf("%s: %+v, %v", mechanism, o, err)
		}
		if o, err := login(t, mechanism, "alice", "secret", "alice", nil); err != nil || !o.Done {
			t.Errorf("%s as oneself: %v", mechanism, err)
		}
		for what, c := range map[string]struct {
			user, password, authzid string
			change                  func(string) string
		}{
			"wrong password": {"alice", "x", "", nil}, "unknown user": {"bob", "secret", "", nil}, "another": {"alice", "secret", "bob", nil},
			"nothing":        {"alice", "secret", "", func(string) string { return "" }},
			"no proof":       {"alice", "secret", "", func(s string) string { return s[:strings.Index(s, ",p=")] }},
			"empty proof":    {"alice", "secret", "", func(s string) string { return s[:strings.Index(s, ",p=")+3] }},
			"short proof":    {"alice", "secret", "", func(s string) string { return s[:strings.Index(s, ",p=")+3] + "AAAA" }},
			"long proof":     {"alice", "secret", "", func(s string) string { return s[:strings.Index(s, ",p=")+3] + strings.Repeat("AAAA", 1000) }},
			"zero proof":     {"alice", "secret", "", func(s string) string { return s[:strings.Index(s, ",p=")+3] + strings.Repeat("A", 43) + "=" }},
			"changed nonce":  {"alice", "secret", "", func(s string) string { return strings.Replace(s, "r=", "r=x", 1) }},
			"client's nonce": {"alice", "secret", "", func(s string) string { return strings.Replace(s, nonce(), "", 1) }},
			"another header": {"alice", "secret", "", func(s string) string { return strings.Replace(s, "c=biws", "c=eSws", 1) }},
			"an error":       {"alice", "secret", "", func(string) string { return "e=other-error" }},
			"huge":           {"alice", "secret", "", func(s string) string { return s + strings.Repeat("x", 1<<20) }},
		} {
			o, err := login(t, mechanism, c.user, c.password, c.authzid, c.change)
			if err == nil || o.Done || o.Principal.Name != "" {
				t.Errorf("%s, %s: %+v", mechanism, what, o)
			}
		}
	}
}

// TestRFC7677 is the exchange in RFC 7677, section 3.
func TestRFC7677(t *testing.T) {
	salt := []byte("[m\x99h\x9d\x12\x35\x8e\xec\xa0K\x14\x126\xfa\x81")
	salted, err := pbkdf2.Key(sasl.NewHash(sasl.ScramSHA256), "pencil", salt, 4096, 32)
	if err != nil {
		t.Fatal(err)
	}
	users := known{sasl.VerifierOf(sasl.ScramSHA256, salt, salted, 4096)}
	server := sasl.NewScram(sasl.ScramSHA256, asUser{users}, nil, func() string { return "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0" }).Begin()
	o, err := server.Step([]byte("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"))
	if want := "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"; err != nil || string(o.Answer) != want {
		t.Fatalf("%s, %v", o.Answer, err)
	}
	o, err = server.Step([]byte("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="))
	if err != nil || !o.Done || string(o.Answer) != "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" {
		t.Errorf("%s, %v", o.Answer, err)
	}
}

// asUser knows the user of the RFC.
type asUser struct{ known }

func (a asUser) Verifier(_, user string) (sasl.Verifier, bool) { return a.known.v, user == "user" }

// TestMadeUpSalts: who does not exist has a salt that stays, is another one for each name
// and mechanism, and looks like a real one.
func TestMadeUpSalts(t *testing.T) {
	seen := map[string]string{}
	for _, secret := range []string{"a", "b"} {
		for mechanism := range mechanisms() {
			for _, user := range []string{"bob", "carol"} {
				for range 2 {
					o, err := sasl.NewScram(mechanism, knowing(t, mechanism), []byte(secret), nonce).Begin().Step([]byte("n,,n=" + user + ",r=x"))
					if err != nil {
						t.Fatal(err)
					}
					key := secret + mechanism + user
					if old := seen[key]; old != "" && old != string(o.Answer) {
						t.Errorf("%s: %s, then %s", key, old, o.Answer)
					}
					seen[key] = string(o.Answer)
				}
			}
		}
	}
	answers := slices.Sorted(func(yield func(string) bool) {
		for _, a := range seen {
			if !yield(a) {
				return
			}
		}
	})
	if len(slices.Compact(answers)) != 8 {
		t.Errorf("%q", answers)
	}
}

// TestCVE_2021_38153: a wrong secret of a known user and of an unknown one cannot be told
// apart by time: interleaved, their medians are the same but for what a map's lookup is.
func TestCVE_2021_38153(t *testing.T) {
	const logins, close, tries = 1000, 1.25, 5
	passwords := sasl.NewPasswords(map[string]string{"alice": strings.Repeat("s", 40)}, []byte("key"))
	ways := map[string]func(user string) sasl.Conversation{
		"PLAIN": func(string) sasl.Conversation { return sasl.NewPlain(passwords) },
	}
	for mechanism := range mechanisms() {
		s := sasl.NewScram(mechanism, knowing(t, mechanism), []byte("secret"), nonce)
		ways[mechanism] = func(string) sasl.Conversation { return s.Begin() }
	}
	for name, begin := range ways {
		ratio := 0.0
		for range tries {
			took := map[string][]time.Duration{}
			for range logins {
				for _, user := range []string{"alice", "mallo"} {
					c := begin(user)
					from := time.Now()
					var err error
					if name == "PLAIN" {
						_, err = c.Step([]byte("\x00" + user + "\x00" + strings.Repeat("s", 39) + "x"))
					} else {
						if _, err = c.Step([]byte("n,,n=" + user + ",r=x")); err != nil {
							t.Fatal(err)
						}
						_, err = c.Step(fmt.Appendf(nil, "c=biws,r=x%s,p=%s=", nonce(), strings.Repeat("A", 43)))
					}
					took[user] = append(took[user], time.Since(from))
					if err == nil {
						t.Fatal("let in")
					}
				}
			}
			ratio = float64(median(took["alice"])) / float64(median(took["mallo"]))
			if ratio < close && ratio > 1/close {
				break
			}
		}
		if ratio >= close || ratio <= 1/close {
			t.Errorf("%s: a known user takes %.2f times as long as an unknown one", name, ratio)
		}
	}
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

// TestPlain: the words are Kafka's, and a login is over with its first message.
func TestPlain(t *testing.T) {
	p := sasl.NewPasswords(map[string]string{"alice": "secret", "Ü": "ß"}, []byte("key"))
	for message, want := range map[string]string{
		"\x00alice\x00secret": "", "alice\x00alice\x00secret": "", "\x00Ü\x00ß": "",
		"\x00alice\x00secre": "Invalid username", "\x00alic\x00secret": "Invalid username", "\x00Alice\x00secret": "Invalid username",
		"bob\x00alice\x00secret": "different from username", "\x00\x00x": "username not specified", "\x00alice\x00": "password not specified",
		"alice": "got 1", "alice\x00secret": "got 2", "\x00alice\x00secret\x00": "got 4", "\x00\x00\x00\x00\x00": "got 4",
	} {
		c := sasl.NewPlain(p)
		o, err := c.Step([]byte(message))
		var refusal *sasl.Refusal
		switch {
		case want == "" && (err != nil || !o.Done):
			t.Errorf("%q: %v", message, err)
		case want != "" && (!errors.As(err, &refusal) || !strings.Contains(refusal.Text, want) || o.Done):
			t.Errorf("%q: %v, want %q", message, err, want)
		}
		if _, err := c.Step([]byte("\x00alice\x00secret")); err == nil {
			t.Errorf("%q: a second message is taken", message)
		}
	}
}

// FuzzScram: whatever a client sends, nobody is let in who has no proof.
func FuzzScram(f *testing.F) {
	f.Add("n,,n=alice,r=x", "c=biws,r=x0123456789abcdef,p=AAAA")
	f.Add("y,a=alice,n=alice,r=,tokenauth=true", "c=,r=,p=")
	f.Fuzz(func(t *testing.T, first, last string) {
		c := sasl.NewScram(sasl.ScramSHA256, knowing(t, sasl.ScramSHA256), []byte("secret"), nonce).Begin()
		for _, message := range []string{first, last} {
			if o, _ := c.Step([]byte(message)); o.Done {
				t.Errorf("%q, %q: let in as %v", first, last, o.Principal)
			}
		}
	})
}
