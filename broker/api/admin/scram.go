package admin

// DescribeUserScramCredentials (key 50) and AlterUserScramCredentials (key 51), version 0
// (KIP-554). A salted password comes in, what proves it is kept; neither salt nor key is
// ever told.

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/auth/sasl"
	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/users"
	"github.com/streamhouse/streamhouse/protocol"
)

// Users are those who may log in with SCRAM.
type Users interface {
	// List returns them all; what is returned is the caller's.
	List() map[string][]users.Credential
	// Change makes changes durable and puts them in force, all or none. One that removes
	// what is not there is metadata.ErrNotFound.
	Change(ctx context.Context, list []users.Change) error
}

// DescribeUserScramCredentials tells which mechanisms users have. Without a list these are
// all users.
func (c *Handlers) DescribeUserScramCredentials(_ context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.DescribeUserSCRAMCredentialsRequest)
	resp := kmsg.NewPtrDescribeUserSCRAMCredentialsResponse()
	resp.Results = []kmsg.DescribeUserSCRAMCredentialsResponseResult{}
	if err := needs(r, kmsg.ACLOperationDescribe); err != nil {
		c.refuse(&resp.ErrorCode, &resp.ErrorMessage, err)
		return resp, nil
	}
	resp.ErrorMessage = kmsg.StringPtr("") // as Kafka has it where nothing is wrong
	all := c.Users.List()
	names := slices.Sorted(maps.Keys(all))
	var twice map[string]bool
	if len(req.Users) > 0 {
		twice = api.Twice(req.Users, func(u *kmsg.DescribeUserSCRAMCredentialsRequestUser) string { return u.Name })
		names = slices.Sorted(maps.Keys(twice))
	}
	for _, name := range names {
		out := kmsg.NewDescribeUserSCRAMCredentialsResponseResult()
		out.User, out.ErrorMessage = name, kmsg.StringPtr("")
		out.CredentialInfos = []kmsg.DescribeUserSCRAMCredentialsResponseResultCredentialInfo{}
		switch list := all[name]; {
		case twice[name]:
			c.refuse(&out.ErrorCode, &out.ErrorMessage, protocol.Errorf(protocol.DuplicateResource,
				"Cannot describe SCRAM credentials for the same user twice in a single request: %s", name))
		case len(list) == 0:
			c.refuse(&out.ErrorCode, &out.ErrorMessage, protocol.Errorf(protocol.ResourceNotFound,
				"Attempt to describe a user credential that does not exist: %s", name))
		default:
			for _, one := range list {
				info := kmsg.NewDescribeUserSCRAMCredentialsResponseResultCredentialInfo()
				info.Mechanism, info.Iterations = one.Mechanism, one.Iterations
				out.CredentialInfos = append(out.CredentialInfos, info)
			}
		}
		resp.Results = append(resp.Results, out)
	}
	return resp, nil
}

// alteration is what a request wants of one user.
type alteration struct {
	user   string
	change users.Change
	err    error
}

// AlterUserScramCredentials sets and removes credentials. A user who is in a request twice,
// in whatever mechanism, is not changed; the others are, in one transaction.
func (c *Handlers) AlterUserScramCredentials(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.AlterUserSCRAMCredentialsRequest)
	list := c.alterations(req)
	if denied := needs(r, kmsg.ACLOperationAlter); denied != nil {
		for i := range list {
			list[i].err = denied
		}
	}
	var changes []users.Change
	for i := range list {
		if list[i].err == nil {
			changes = append(changes, list[i].change)
		}
	}
	if len(changes) > 0 {
		err := c.Users.Change(ctx, changes)
		if errors.Is(err, metadata.ErrNotFound) { // somebody else has removed it since it was looked for
			err = errNoCredential
		}
		for i := range list {
			if list[i].err == nil {
				list[i].err = err
			}
		}
	}
	resp := kmsg.NewPtrAlterUserSCRAMCredentialsResponse()
	resp.Results = make([]kmsg.AlterUserSCRAMCredentialsResponseResult, len(list))
	for i := range list {
		out := &resp.Results[i]
		out.User = list[i].user
		if list[i].err != nil {
			c.refuse(&out.ErrorCode, &out.ErrorMessage, list[i].err)
		}
	}
	return resp, nil
}

var errNoCredential = protocol.Errorf(protocol.ResourceNotFound, "Attempt to delete a user credential that does not exist")

// alterations is a request by user, each once, with what is wrong about it.
func (c *Handlers) alterations(req *kmsg.AlterUserSCRAMCredentialsRequest) []alteration {
	var list []alteration
	seen := make(map[string]int)
	add := func(user string, change users.Change, err error) {
		i, twice := seen[user]
		switch {
		case !twice:
			seen[user] = len(list)
			list = append(list, alteration{user, change, err})
		case list[i].err == nil: // the first fault counts
			list[i].err = protocol.Errorf(protocol.DuplicateResource, "A user credential cannot be altered twice in the same request")
		}
	}
	all := c.Users.List()
	for i := range req.Deletions {
		d := &req.Deletions[i]
		err := checkCredential(d.Name, d.Mechanism)
		if err == nil && !slices.ContainsFunc(all[d.Name], func(c users.Credential) bool { return c.Mechanism == d.Mechanism }) {
			err = errNoCredential
		}
		add(d.Name, users.Change{User: d.Name, Mechanism: d.Mechanism}, err)
	}
	for i := range req.Upsertions {
		u := &req.Upsertions[i]
		err := checkCredential(u.Name, u.Mechanism)
		switch {
		case err != nil:
		case u.Iterations < sasl.IterationsMin:
			err = protocol.Errorf(protocol.UnacceptableCredential, "Too few iterations")
		case u.Iterations > sasl.IterationsMax:
			err = protocol.Errorf(protocol.UnacceptableCredential, "Too many iterations")
		}
		change := users.Change{User: u.Name, Mechanism: u.Mechanism}
		if err == nil {
			change.Verifier = sasl.VerifierOf(users.Mechanisms[u.Mechanism], slices.Clone(u.Salt), u.SaltedPassword, u.Iterations)
		}
		add(u.Name, change, err)
	}
	return list
}

func checkCredential(user string, mechanism int8) error {
	switch _, known := users.Mechanisms[mechanism]; {
	case user == "":
		return protocol.Errorf(protocol.UnacceptableCredential, "Username must not be empty")
	case !known:
		return protocol.Errorf(protocol.UnsupportedSASLMechanism, "Unknown SCRAM mechanism")
	}
	return nil
}
