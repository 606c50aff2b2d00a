package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Group is what a list tells of a group.
type Group struct {
	Name     string
	State    string // as Kafka names it: Stable, Empty..; empty if the broker does not tell
	Protocol string // "consumer", "connect"; empty if nobody ever joined
}

// Member is one that is in a group.
type Member struct {
	ID, ClientID, Host string
	Instance           string   // of a static member
	Partitions         []string // "topic 0,1,2", by topic
}

// GroupDetail is all about a group but what it has committed, which Lag tells.
type GroupDetail struct {
	Group
	Assignor    string
	Coordinator int32
	Members     []Member
}

// Groups lists groups by name: all, or those that pattern (* and ? as in a shell) fits.
func (c *Client) Groups(ctx context.Context, pattern string) ([]Group, error) {
	ctx, cancel := context.WithTimeout(ctx, actMax)
	defer cancel()
	fits, err := glob(pattern)
	if err != nil {
		return nil, err
	}
	listed, err := c.admin.ListGroups(ctx)
	if err != nil {
		return nil, fault("cannot list groups", err, "")
	}
	var out []Group
	for _, g := range listed.Sorted() {
		if fits(g.Group) {
			out = append(out, Group{g.Group, g.State, g.ProtocolType})
		}
	}
	if pattern != "" && len(out) == 0 {
		if !IsPattern(pattern) {
			return nil, noGroup(pattern, listed.Groups())
		}
		return nil, &Fault{Kind: NotFound, What: fmt.Sprintf("no group is like %q", pattern), Next: `"streamhouse group list" shows all`}
	}
	return out, nil
}

// DescribeGroup tells who is in a group.
func (c *Client) DescribeGroup(ctx context.Context, name string) (GroupDetail, error) {
	ctx, cancel := context.WithTimeout(ctx, actMax)
	defer cancel()
	listed, err := c.admin.ListGroups(ctx)
	if err != nil {
		return GroupDetail{}, fault("cannot list groups", err, "")
	}
	l, ok := listed[name]
	if !ok {
		return GroupDetail{}, noGroup(name, listed.Groups())
	}
	d := GroupDetail{Group: Group{l.Group, l.State, l.ProtocolType}, Coordinator: l.Coordinator}
	described, err := c.admin.DescribeGroups(ctx, name)
	if err == nil {
		err = described[name].Err
	}
	if errors.Is(err, kerr.GroupIDNotFound) {
		return d, nil // of a kind that this request does not know
	}
	if err != nil {
		return d, fault(fmt.Sprintf("cannot describe group %q", name), err, "")
	}
	d.Assignor = described[name].Protocol
	for _, m := range described[name].Members {
		d.Members = append(d.Members, memberOf(&m))
	}
	return d, nil
}

func memberOf(m *kadm.DescribedGroupMember) Member {
	out := Member{ID: m.MemberID, ClientID: m.ClientID, Host: strings.TrimPrefix(m.ClientHost, "/")}
	if m.InstanceID != nil {
		out.Instance = *m.InstanceID
	}
	if a, ok := m.Assigned.AsConsumer(); ok {
		for _, t := range a.Topics {
			slices.Sort(t.Partitions)
			out.Partitions = append(out.Partitions, t.Topic+" "+strings.Trim(strings.ReplaceAll(fmt.Sprint(t.Partitions), " ", ","), "[]"))
		}
		slices.Sort(out.Partitions)
	}
	return out
}

// DeleteGroup deletes a group with what it has committed. One with members is a conflict.
func (c *Client) DeleteGroup(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, actMax)
	defer cancel()
	deleted, err := c.admin.DeleteGroup(ctx, name)
	if err == nil {
		err = deleted.Err
	}
	switch {
	case errors.Is(err, kerr.GroupIDNotFound):
		listed, lerr := c.admin.ListGroups(ctx)
		if lerr != nil {
			return fault("cannot list groups", lerr, "")
		}
		return noGroup(name, listed.Groups())
	case errors.Is(err, kerr.NonEmptyGroup):
		return c.inUse(ctx, name)
	case err != nil:
		return fault(fmt.Sprintf("cannot delete group %q", name), err, "")
	}
	return nil
}

// inUse is the fault of a group that has members, and names them.
func (c *Client) inUse(ctx context.Context, name string) error {
	f := &Fault{Kind: Conflict, What: fmt.Sprintf("group %q has members", name), Next: "stop them first"}
	if d, err := c.DescribeGroup(ctx, name); err == nil && len(d.Members) > 0 {
		var who []string
		for _, m := range d.Members[:min(len(d.Members), 5)] {
			who = append(who, fmt.Sprintf("%s at %s", m.ClientID, m.Host))
		}
		if more := len(d.Members) - len(who); more > 0 {
			who = append(who, fmt.Sprintf("%d more", more))
		}
		f.Why = strings.Join(who, ", ")
	}
	return f
}
