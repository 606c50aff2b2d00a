package coordinator

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/protocol"
)

func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := run(t, newFakeLog(), newFakeTopics("t"), func(o *Options) {
			o.GroupsMax, o.MemberBytesMax = 2, 10_000
		})
		defer h.stop()
		h.find("g")
		h.stable("g1", "a")
		big := joinRequest("b")
		big.Protocols[0].Metadata = make([]byte, 20_000)
		if r := h.JoinGroup(t.Context(), "g1", big); r.Code != protocol.GroupMaxSizeReached {
			t.Error(r.Code)
		}
		h.commit(simple("g2", at("t", 0, 1)))
		if r := h.JoinGroup(t.Context(), "g3", joinRequest("a")); r.Code != protocol.CoordinatorNotAvailable {
			t.Error(r.Code)
		}
		if code := h.CommitOffsets(t.Context(), simple("g3", at("t", 0, 1))); code != protocol.CoordinatorNotAvailable {
			t.Error(code)
		}
		// What is removed makes room, and nothing is counted twice.
		if codes := h.DeleteGroups(t.Context(), []string{"g2"}); codes[0] != protocol.None {
			t.Fatal(codes)
		}
		h.commit(simple("g3", at("t", 0, 1)))
		h.LeaveGroup(t.Context(), "g1", []group.Leaver{{MemberID: "a"}})
		if n, b := h.groups.Load(), h.memberBytes.Load(); n != 2 || b != 0 {
			t.Errorf("%d groups, %d bytes", n, b)
		}
		h.stop()
		if n := h.groups.Load(); n != 0 {
			t.Errorf("%d groups are counted after the end", n)
		}
	})
}

func TestMetrics(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		h.stable("live", "a")
		h.commit(simple("tool", at("t", 0, 1), at("t", 1, 1)))
		families, err := h.reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				name := f.GetName()
				for _, l := range m.GetLabel() {
					name += "{" + l.GetValue() + "}"
				}
				got[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
		for name, want := range map[string]float64{
			"streamhouse_groups{Stable}": 1, "streamhouse_groups{Empty}": 1, "streamhouse_groups{Dead}": 0,
			"streamhouse_group_members": 1, "streamhouse_group_offsets": 2, "streamhouse_group_offset_commits_total": 2,
		} {
			if v, ok := got[name]; !ok || v != want {
				t.Errorf("%s is %v, want %v", name, v, want)
			}
		}
	})
}

func TestListAndDescribe(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		h.stable("live", "a")
		h.commit(simple("tool", at("t", 0, 1)))
		ids := func(f Filter) string {
			list, code := h.ListGroups(&f)
			if code != protocol.None {
				t.Fatal(code)
			}
			s := ""
			for _, l := range list {
				s += fmt.Sprintf("%s/%s/%s/%s ", l.ID, l.ProtocolType, l.State, l.Type)
			}
			return strings.TrimSpace(s)
		}
		live, tool := "live/consumer/Stable/classic", "tool//Empty/classic"
		for _, c := range []struct {
			f    Filter
			want string
		}{
			{Filter{}, live + " " + tool},
			{Filter{States: []string{"stable"}}, live},
			{Filter{States: []string{"EMPTY", "nonsense"}}, tool},
			{Filter{States: []string{"nonsense"}}, ""},
			{Filter{Types: []string{"Classic"}}, live + " " + tool},
			{Filter{Types: []string{"consumer"}}, ""},
			{Filter{States: []string{"Stable"}, Types: []string{"share"}}, ""},
		} {
			if got := ids(c.f); got != c.want {
				t.Errorf("%+v: %q, want %q", c.f, got, c.want)
			}
		}
		d, code := h.DescribeGroup("live")
		if code != protocol.None || d.Protocol != "range" || d.ProtocolType != "consumer" || len(d.Members) != 1 ||
			d.Members[0].ClientHost != "/127.0.0.1" || string(d.Members[0].Assignment) != share("a") {
			t.Fatalf("%+v %v", d, code)
		}
		if d, code := h.DescribeGroup("nobody"); code != protocol.GroupIDNotFound || d.State != group.Dead {
			t.Fatal(d, code)
		}
	})
}
