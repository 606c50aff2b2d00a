package client

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
)

// mechanisms are SCRAM's by the names that clients give them.
var mechanisms = map[string]kadm.ScramMechanism{"SCRAM-SHA-256": kadm.ScramSha256, "SCRAM-SHA-512": kadm.ScramSha512}

// Mechanisms are the names of those that a user can have.
func Mechanisms() []string { return []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} }

// User is who can log in with SCRAM.
type User struct {
	Name        string
	Credentials []Credential // by mechanism
}

// Credential is one way of a user to log in.
type Credential struct {
	Mechanism  string
	Iterations int32
}

// NewUser is a user to be made, or one who gets another password.
type NewUser struct {
	Name       string
	Mechanism  string
	Password   string
	Iterations int32
	Replace    bool // content with one who exists
}

// Check says what is wrong with it.
func (n *NewUser) Check() error {
	what := fmt.Sprintf("cannot create user %q", n.Name)
	switch _, known := mechanisms[n.Mechanism]; {
	case n.Name == "":
		return &Fault{Kind: Invalid, What: "cannot create a user without a name"}
	case !known:
		return &Fault{Kind: Invalid, What: what, Why: fmt.Sprintf("there is no mechanism %q", n.Mechanism), Next: "use " + strings.Join(Mechanisms(), " or ")}
	case n.Iterations < 4096 || n.Iterations > 16384: // KIP-554
		return &Fault{Kind: Invalid, What: what, Why: fmt.Sprintf("%d iterations are not from 4096 to 16384", n.Iterations)}
	case n.Password == "":
		return &Fault{Kind: Invalid, What: what, Why: "the password is empty"}
	}
	return nil
}

// Users returns all users by name.
func (c *Client) Users(ctx context.Context) ([]User, error) {
	ctx, cancel := context.WithTimeout(ctx, actMax)
	defer cancel()
	all, err := c.admin.DescribeUserSCRAMs(ctx)
	if err != nil {
		return nil, fault("cannot list users", err, "")
	}
	var out []User
	for _, u := range all.Sorted() {
		if u.Err != nil {
			return nil, fault(fmt.Sprintf("cannot look up user %q", u.User), u.Err, u.ErrMessage)
		}
		one := User{Name: u.User}
		for _, i := range u.CredInfos {
			one.Credentials = append(one.Credentials, Credential{i.Mechanism.String(), i.Iterations})
		}
		slices.SortFunc(one.Credentials, func(a, b Credential) int { return strings.Compare(a.Mechanism, b.Mechanism) })
		out = append(out, one)
	}
	return out, nil
}

// CreateUser makes a user. Salt and salted password are made here: the cluster never sees
// the password.
func (c *Client) CreateUser(ctx context.Context, n NewUser) error {
	if err := n.Check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, actMax)
	defer cancel()
	if !n.Replace {
		all, err := c.Users(ctx)
		if err != nil {
			return err
		}
		for _, u := range all {
			if u.Name == n.Name && slices.ContainsFunc(u.Credentials, func(c Credential) bool { return c.Mechanism == n.Mechanism }) {
				return &Fault{Kind: Conflict, What: fmt.Sprintf("user %q exists already, with %s", n.Name, n.Mechanism), Next: "--replace gives another password"}
			}
		}
	}
	what := fmt.Sprintf("cannot create user %q", n.Name)
	salt := newSalt()
	salted, err := n.salted(salt)
	if err != nil {
		return &Fault{Kind: Invalid, What: what, Why: err.Error()}
	}
	done, err := c.admin.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{{
		User: n.Name, Mechanism: mechanisms[n.Mechanism], Iterations: n.Iterations, Salt: salt, SaltedPassword: salted,
	}})
	if err != nil {
		return fault(what, err, "")
	}
	if r := done[n.Name]; r.Err != nil {
		return fault(what, r.Err, r.ErrMessage)
	}
	return nil
}

// salted is SaltedPassword of RFC 5802.
func (n *NewUser) salted(salt []byte) ([]byte, error) {
	if n.Mechanism == "SCRAM-SHA-256" {
		return pbkdf2.Key(sha256.New, n.Password, salt, int(n.Iterations), sha256.Size)
	}
	return pbkdf2.Key(sha512.New, n.Password, salt, int(n.Iterations), sha512.Size)
}

// newSalt looks like those of Kafka's own tools, so that the salts of a cluster are of one
// form.
func newSalt() []byte {
	const letters = "0123456789abcdefghijklmnopqrstuvwxyz"
	salt := make([]byte, 26)
	rand.Read(salt) // never fails, see its documentation
	for i, b := range salt {
		salt[i] = letters[int(b)%len(letters)]
	}
	return salt
}

// DeleteUser removes a user in one mechanism, or in all if that is empty.
func (c *Client) DeleteUser(ctx context.Context, name, mechanism string) error {
	ctx, cancel := context.WithTimeout(ctx, actMax)
	defer cancel()
	all, err := c.Users(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(u User) bool { return u.Name == name })
	if i < 0 {
		names := make([]string, len(all))
		for i, u := range all {
			names[i] = u.Name
		}
		return &Fault{Kind: NotFound, What: fmt.Sprintf("user %q does not exist", name), Next: didYouMean(name, names, `"streamhouse user list" shows all`)}
	}
	what := fmt.Sprintf("cannot delete user %q", name)
	removed := 0
	// One after the other: Kafka takes a user once in a request.
	for _, one := range all[i].Credentials {
		if mechanism != "" && one.Mechanism != mechanism {
			continue
		}
		done, err := c.admin.AlterUserSCRAMs(ctx, []kadm.DeleteSCRAM{{User: name, Mechanism: mechanisms[one.Mechanism]}}, nil)
		if err != nil {
			return fault(what, err, "")
		}
		if r := done[name]; r.Err != nil {
			return fault(what, r.Err, r.ErrMessage)
		}
		removed++
	}
	if removed == 0 {
		return &Fault{Kind: NotFound, What: fmt.Sprintf("user %q has no %s", name, mechanism)}
	}
	return nil
}
