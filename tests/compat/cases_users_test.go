package compat

import (
	"bytes"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Users of SCRAM, and what SASL answers where there is no login.

func saslHandshake(mechanism string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrSASLHandshakeRequest()
		req.Mechanism = mechanism
		return req
	}
}

func saslToken(token string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrSASLAuthenticateRequest()
		req.SASLAuthBytes = []byte(token)
		return req
	}
}

// scramSet is a credential that is set; scramGone one that is removed.
type scramSet struct {
	name       string
	mechanism  int8
	iterations int32
}

type scramGone struct {
	name      string
	mechanism int8
}

func alterScram(gone []scramGone, sets ...scramSet) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
		for _, g := range gone {
			d := kmsg.NewAlterUserSCRAMCredentialsRequestDeletion()
			d.Name, d.Mechanism = g.name, g.mechanism
			req.Deletions = append(req.Deletions, d)
		}
		for _, s := range sets {
			u := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
			u.Name, u.Mechanism, u.Iterations = s.name, s.mechanism, s.iterations
			u.Salt, u.SaltedPassword = []byte("salt"), bytes.Repeat([]byte{7}, 32)
			req.Upsertions = append(req.Upsertions, u)
		}
		return req
	}
}

func describeScram(names ...string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
		for _, name := range names {
			u := kmsg.NewDescribeUserSCRAMCredentialsRequestUser()
			u.Name = name
			req.Users = append(req.Users, u)
		}
		return req
	}
}

var userCases = cases(saslCases(), []testCase{
	{name: "describe nobody", request: describeScram()},
	{name: "describe unknown", request: describeScram("nobody")},
	{name: "set", request: alterScram(nil, scramSet{"alice", 1, 4096})},
	{name: "set both", request: alterScram(nil, scramSet{"alice", 1, 8192}, scramSet{"alice", 2, 8192})},
	{name: "set the other", request: alterScram(nil, scramSet{"alice", 2, 16384})},
	{name: "set again", request: alterScram(nil, scramSet{"alice", 2, 5000})},
	{name: "set two users", request: alterScram(nil, scramSet{"bob", 1, 4096}, scramSet{"Ünï,=", 2, 4096})},
	{name: "describe one", request: describeScram("alice")},
	{name: "describe two", request: describeScram("alice", "bob")},
	{name: "describe twice", request: describeScram("alice", "bob", "alice")},
	{name: "describe one and none", request: describeScram("nobody", "bob")},
	{name: "describe none twice", request: describeScram("nobody", "nobody")},
	{name: "describe an empty name", request: describeScram("")},
	{name: "describe an odd name", request: describeScram("Ünï,=")},
	{name: "describe all", request: describeScram()},
	{name: "nothing", request: alterScram(nil)},
	{name: "too few iterations", request: alterScram(nil, scramSet{"alice", 1, 4095})},
	{name: "no iterations", request: alterScram(nil, scramSet{"alice", 1, 0})},
	{name: "negative iterations", request: alterScram(nil, scramSet{"alice", 1, -1})},
	{name: "too many iterations", request: alterScram(nil, scramSet{"alice", 1, 16385})},
	{name: "unknown mechanism", request: alterScram(nil, scramSet{"alice", 0, 4096})},
	{name: "mechanism 3", request: alterScram(nil, scramSet{"alice", 3, 4096})},
	{name: "mechanism -1", request: alterScram(nil, scramSet{"alice", -1, 4096})},
	{name: "empty name", request: alterScram(nil, scramSet{"", 1, 4096})},
	{name: "good and bad", request: alterScram(nil, scramSet{"carol", 1, 4096}, scramSet{"dave", 1, 1})},
	{name: "good and bad, described", request: describeScram("carol", "dave")},
	{name: "bad twice", request: alterScram(nil, scramSet{"erin", 1, 1}, scramSet{"erin", 2, 4096})},
	{name: "set and removed", request: alterScram([]scramGone{{"alice", 1}}, scramSet{"alice", 2, 4096})},
	{name: "remove unknown", request: alterScram([]scramGone{{"nobody", 1}})},
	{name: "remove what one has not", request: alterScram([]scramGone{{"bob", 2}})},
	{name: "remove of an unknown mechanism", request: alterScram([]scramGone{{"bob", 0}})},
	{name: "remove of nobody", request: alterScram([]scramGone{{"", 1}})},
	{name: "remove twice", request: alterScram([]scramGone{{"bob", 1}, {"bob", 1}})},
	{name: "remove both", request: alterScram([]scramGone{{"alice", 1}, {"alice", 2}})},
	{name: "remove unknown twice", request: alterScram([]scramGone{{"nobody", 1}, {"nobody", 2}})},
	{name: "remove one", request: alterScram([]scramGone{{"alice", 1}})},
	{name: "remove and set others", request: alterScram([]scramGone{{"bob", 1}}, scramSet{"frank", 1, 4096})},
	{name: "describe what is left", request: describeScram()},
})

// saslCases come on connections of their own: some are closed.
func saslCases() (all []testCase) {
	for i, m := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI", "OAUTHBEARER", "plain", "", "Ünï"} {
		all = append(all, testCase{name: fmt.Sprintf("handshake %q", m), request: saslHandshake(m), on: fmt.Sprintf("handshake %d", i)})
	}
	for i, token := range []string{"", "\x00alice\x00secret", "n,,n=alice,r=x", "x", "\x00", "a\x00b", "a\x00b\x00c\x00d", "biws", "n,,", "p=x"} {
		all = append(all, testCase{name: fmt.Sprintf("token %d", i), request: saslToken(token), on: fmt.Sprintf("token %d", i)})
	}
	return append(all, testCase{name: "handshake, again", request: saslHandshake("PLAIN"), on: "again"},
		testCase{name: "handshake, and again", request: saslHandshake("PLAIN"), on: "again"},
		testCase{name: "token behind it", request: saslToken("x"), on: "again"})
}
