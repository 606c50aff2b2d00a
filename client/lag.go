package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Lag is how far a group is behind in one partition.
type Lag struct {
	Group     string
	Topic     string
	Partition int32
	Committed int64  // -1: nothing yet
	End       int64  // the offset of the next record that is written
	Behind    int64  // records that are not committed
	Member    string // the client id of the member that reads it; empty if none does
}

// Lag returns, by topic and partition, what the groups (none: all there are) have committed,
// or have members for. A group that does not exist is a fault with a near name.
func (c *Client) Lag(ctx context.Context, groups ...string) ([]Lag, error) {
	ctx, cancel := context.WithTimeout(ctx, actMax)
	defer cancel()
	listed, err := c.admin.ListGroups(ctx)
	if err != nil {
		return nil, fault("cannot list groups", err, "")
	}
	for _, g := range groups {
		if _, ok := listed[g]; !ok {
			return nil, noGroup(g, listed.Groups())
		}
	}
	if len(groups) == 0 {
		groups = listed.Groups()
	}
	if len(groups) == 0 {
		return nil, nil
	}
	all, err := c.admin.Lag(ctx, groups...)
	if err != nil {
		return nil, fault("cannot ask for lag", err, "")
	}
	var rows []Lag
	for _, g := range all.Sorted() {
		if err := g.Error(); err != nil {
			if errors.Is(err, kerr.GroupIDNotFound) {
				return nil, noGroup(g.Group, listed.Groups())
			}
			return nil, fault(fmt.Sprintf("cannot ask for the lag of group %q", g.Group), err, "")
		}
		for _, l := range g.Lag.Sorted() {
			if l.Err != nil {
				return nil, fault(fmt.Sprintf("cannot ask for the lag of group %q in topic %q, partition %d", g.Group, l.Topic, l.Partition), l.Err, "")
			}
			rows = append(rows, lagOf(g.Group, l))
		}
	}
	return rows, nil
}

func lagOf(group string, l kadm.GroupMemberLag) Lag {
	row := Lag{Group: group, Topic: l.Topic, Partition: l.Partition, Committed: l.Commit.At, End: l.End.Offset, Behind: l.Lag}
	if l.Member != nil {
		row.Member = l.Member.ClientID
	}
	return row
}

func noGroup(name string, names []string) error {
	return &Fault{Kind: NotFound, What: fmt.Sprintf("group %q does not exist", name), Next: didYouMean(name, names, "a group exists once a consumer has joined it")}
}
