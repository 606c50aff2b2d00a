package merge

import (
	"fmt"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/storage/pack"
)

func TestObjects(t *testing.T) {
	many := strings.TrimSpace(strings.Repeat("1/%d:1 ", 1030))
	numbers := make([]any, 1030)
	for i := range numbers {
		numbers[i] = i
	}
	for name, x := range map[string]struct {
		parts string // topic/partition:MiB
		want  string
	}{
		"nothing":             {"", ""},
		"sorted":              {"2/0:1 1/1:1 1/0:1", "1/0 1/1 2/0"},
		"full":                {"1/0:60 1/1:60 1/2:60 1/3:60 1/4:60", "1/0 1/1 1/2 1/3; 1/4"},
		"cut between topics":  {"1/0:40 1/1:40 2/0:1", "1/0 1/1; 2/0"},
		"small topics share":  {"1/0:40 2/0:1 3/0:2", "1/0 2/0 3/0"},
		"large ones alone":    {"1/0:1 1/1:64 1/2:1", "1/0; 1/1; 1/2"},
		"larger than objects": {"1/0:300 1/1:1", "1/0; 1/1"},
		"one of a partition":  {"1/0:1 1/0:2 1/1:1 1/0:3 1/1:2", "1/0 1/1; 1/0 1/1; 1/0"},
	} {
		t.Run(name, func(t *testing.T) {
			var text []string
			for _, o := range Objects(parts(x.parts)) {
				var in []string
				for _, p := range o {
					in = append(in, fmt.Sprintf("%d/%d", p.ID.Topic[15], p.ID.Partition))
				}
				text = append(text, strings.Join(in, " "))
			}
			if got := strings.Join(text, "; "); got != x.want {
				t.Errorf("%q, want %q", got, x.want)
			}
		})
	}
	if got := Objects(parts(strings.ReplaceAll(fmt.Sprintf(many, numbers...), ":1", ":0"))); len(got) != 2 || len(got[0]) != PartitionsInOne {
		t.Errorf("%d objects", len(got))
	}
}

// What comes first of a partition stays in front: its parts are registered in that order.
func TestObjectsKeepOrder(t *testing.T) {
	in := []Part[int]{{Of: 1}, {Of: 2}, {Of: 3}}
	for i, o := range Objects(in) {
		if len(o) != 1 || o[0].Of != i+1 {
			t.Errorf("object %d: %+v", i, o)
		}
	}
}

func parts(text string) (out []Part[string]) {
	for _, x := range strings.Fields(text) {
		var topic, part, mib int
		fmt.Sscanf(x, "%d/%d:%d", &topic, &part, &mib)
		out = append(out, Part[string]{ID: pack.PartitionID{Topic: pack.TopicID{15: byte(topic)}, Partition: int32(part)}, Bytes: int64(mib) << 20, Of: x})
	}
	return out
}
