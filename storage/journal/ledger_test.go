package journal_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

func begun(id journal.VolumeID, start int32) journal.Begun {
	return journal.Begun{ID: id, Nonce: pack.Nonce{byte(id)}, Start: start}
}

func TestAdmit(t *testing.T) {
	other := begun(5, 3)
	other.Nonce[9]++
	all := func(v ...journal.Begun) []journal.Begun { return v }
	for name, c := range map[string]struct {
		memory journal.Memory
		found  []journal.Begun
		want   error
		says   string
	}{
		"the first start":             {journal.Memory{Start: 1}, nil, nil, ""},
		"a start that got no further": {journal.Memory{Start: 2}, nil, nil, ""},
		"the newest is there":         {journal.Memory{Start: 4, Newest: begun(5, 0), Registered: 4}, all(begun(5, 3)), nil, ""},
		"with older and newer ones":   {journal.Memory{Start: 4, Newest: begun(5, 0)}, all(begun(4, 2), begun(5, 3), begun(6, 3)), nil, ""},
		"the folder is empty":         {journal.Memory{Start: 4, Newest: begun(5, 0)}, nil, journal.ErrLost, "volume 5 was begun last, there is none"},
		"the newest is missing":       {journal.Memory{Start: 4, Newest: begun(5, 0)}, all(begun(4, 2)), journal.ErrLost, "the newest there is 4"},
		"an older one goes on":        {journal.Memory{Start: 4, Newest: begun(5, 0)}, all(begun(4, 2), begun(6, 3)), journal.ErrLost, "volume 5"},
		"another one of that number":  {journal.Memory{Start: 4, Newest: begun(5, 0)}, all(other), journal.ErrLost, "another one"},

		"of an earlier version":                {journal.Memory{Start: 4, Registered: 4}, all(begun(5, 0)), nil, ""},
		"of an earlier version, in a seal":     {journal.Memory{Start: 4, Registered: 4}, all(begun(3, 0), begun(4, 0), begun(5, 0)), nil, ""},
		"of an earlier version, and empty":     {journal.Memory{Start: 4, Registered: 4}, nil, journal.ErrLost, "volumes up to 4 were sealed, there is none"},
		"of an earlier version, numbered anew": {journal.Memory{Start: 4, Registered: 4}, all(begun(1, 0), begun(2, 0)), journal.ErrLost, "the newest there is 2"},

		"this start once more":   {journal.Memory{Start: 3, Newest: begun(5, 0)}, all(begun(5, 3)), journal.ErrNewer, "begun by start 3"},
		"a store two starts old": {journal.Memory{Start: 2, Newest: begun(4, 0)}, all(begun(4, 1), begun(5, 2), begun(6, 3)), journal.ErrNewer, "this is start 2 only"},
		"and of no memory":       {journal.Memory{Start: 1}, all(begun(4, 1)), journal.ErrNewer, ""},

		"released long ago":             {journal.Memory{Start: 9, Newest: begun(5, 0), Released: true}, all(begun(7, 8)), nil, ""},
		"released, and nothing is left": {journal.Memory{Start: 9, Newest: begun(5, 0), Released: true}, nil, journal.ErrLost, ""},
		"the newest epoch is missing":   {journal.Memory{Start: 9, Newest: begun(8, 0), Released: true}, all(begun(7, 7)), journal.ErrLost, ""},

		"another loss is accepted": {journal.Memory{Start: 4, Newest: begun(5, 0), Accepted: 4}, nil, journal.ErrLost, ""},
		"a newer journal is not":   {journal.Memory{Start: 3, Newest: begun(5, 0), Accepted: 5}, all(begun(6, 3)), journal.ErrNewer, ""},
	} {
		a, err := c.memory.Admit(c.found)
		switch {
		case !errors.Is(err, c.want) || (err == nil) != (c.want == nil):
			t.Errorf("%s: %v, want %v", name, err, c.want)
		case err != nil && !strings.Contains(err.Error(), c.says):
			t.Errorf("%s: %v, want %q in it", name, err, c.says)
		case err == nil && (a.Start != c.memory.Start || a.Lost || a.Above != 0):
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestAcceptedLoss(t *testing.T) {
	for name, c := range map[string]struct {
		memory journal.Memory
		found  []journal.Begun
		want   journal.Admission
	}{
		"nothing is left":      {journal.Memory{Start: 4, Newest: begun(5, 0), Registered: 3, Accepted: 5}, nil, journal.Admission{Start: 4, Above: 5, Lost: true}},
		"an older copy":        {journal.Memory{Start: 4, Newest: begun(5, 0), Registered: 3, Accepted: 5}, []journal.Begun{begun(2, 1)}, journal.Admission{Start: 4, Known: 2, Above: 5, Lost: true}},
		"numbered anew before": {journal.Memory{Start: 4, Registered: 9, Accepted: 9}, []journal.Begun{begun(2, 0)}, journal.Admission{Start: 4, Known: 2, Above: 9, Lost: true}},
		"nothing was lost":     {journal.Memory{Start: 4, Newest: begun(5, 0), Accepted: 5}, []journal.Begun{begun(5, 1)}, journal.Admission{Start: 4, Known: 5}},
	} {
		if got, err := c.memory.Admit(c.found); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
	}
}
