package merge

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/metadata"
)

const (
	minute = 60_000
	hour   = 60 * minute
)

var plain = Rules{Enough: 32 << 20, WaitMs: hour, BytesMax: 1 << 30, SpanMax: 7 * 24 * 60 * minute, RetentionMs: -1}

// row makes neighbouring slices: "bytes" or "bytes/level", each five minutes younger than
// the one before; "+n" lets n minutes pass.
func row(text string) (list []metadata.Slice) {
	at, offset := int64(0), int64(0)
	for _, x := range strings.Fields(text) {
		var bytes, n int64
		var level int32
		if _, err := fmt.Sscanf(x, "+%d", &n); err == nil {
			at += n * minute
			continue
		}
		if _, err := fmt.Sscanf(x, "%d/%d", &bytes, &level); err != nil {
			fmt.Sscanf(x, "%d", &bytes)
		}
		list = append(list, metadata.Slice{BaseOffset: offset, LastOffset: offset + 9, Bytes: bytes, MaxTimestamp: at, AppendTime: at, Level: level})
		offset += 10
		at += 5 * minute
	}
	return list
}

func times(n int, x string) string { return strings.Repeat(x+" ", n) }

func TestDue(t *testing.T) {
	hours := func(n int64) int64 { return n * 60 * minute }
	short := plain
	short.RetentionMs, short.SpanMax = hours(8), hours(1)
	narrow := plain
	narrow.BytesMax = 450
	from := plain
	from.From = 50
	for name, x := range map[string]struct {
		list string
		r    Rules
		now  int64
		want string // slices and level of each run: "from-to/level"
		wait Wait
	}{
		"nothing":           {"", plain, 0, "", Wait{Slices: 16, Bytes: 32 << 20}},
		"one":               {"100", plain, hours(99), "", Wait{Slices: 15, Bytes: 32<<20 - 100}},
		"few":               {times(15, "100"), plain, hours(99), "", Wait{Slices: 1, Bytes: 32<<20 - 1500}},
		"sixteen, old":      {times(16, "100"), plain, hours(2), "0-15/1", Wait{Slices: 16, Bytes: 32 << 20}},
		"sixteen, young":    {"+600 " + times(16, "100"), plain, hours(10) + 59*minute, "", Wait{Slices: 112, Bytes: 32<<20 - 1600, At: hours(11)}},
		"enough":            {"16777216 16777215 1", plain, 0, "0-2/1", Wait{Slices: 16, Bytes: 32 << 20}},
		"not enough":        {"16777216 16777214 1", plain, 0, "", Wait{Slices: 13, Bytes: 1}},
		"most":              {times(130, "1"), plain, 0, "0-127/1", Wait{Slices: 14, Bytes: 32<<20 - 2}},
		"levels apart":      {times(3, "100/1") + times(16, "100"), plain, hours(9), "3-18/1", Wait{Slices: 16, Bytes: 32 << 20}},
		"the higher first":  {times(16, "100/1") + times(3, "100"), plain, hours(9), "0-15/2", Wait{Slices: 13, Bytes: 32<<20 - 300}},
		"strays go with":    {"9 " + times(14, "100/1") + "1 2/1 5", plain, hours(9), "0-16/2", Wait{Slices: 15, Bytes: 32<<20 - 5}},
		"large ones":        {"99999999 99999999", plain, hours(9), "", Wait{Slices: 16, Bytes: 32 << 20}},
		"closed by a large": {times(4, "7") + "99999999 " + times(3, "7") + "99999999 7", plain, 0, "0-3/1", Wait{Slices: 15, Bytes: 32<<20 - 7}},
		"closed by bytes":   {times(6, "100"), narrow, 0, "0-3/1", Wait{Slices: 14, Bytes: 32<<20 - 200}},
		"too large at all":  {times(20, "450"), narrow, hours(9), "", Wait{Slices: 16, Bytes: 32 << 20}},
		"closed by age":     {times(14, "100"), short, hours(1), "0-12/1", Wait{Slices: 15, Bytes: 32<<20 - 100}},
		"expires soon":      {times(14, "100"), short, hours(5), "", Wait{Slices: 15, Bytes: 32<<20 - 100}},
		"a jump in time":    {"1 1 1 +99999 1 1 1 1", plain, hours(9999), "", Wait{Slices: 12, Bytes: 32<<20 - 4}},
		"from an offset":    {times(20, "100"), from, hours(9), "", Wait{Slices: 1, Bytes: 32<<20 - 1500}},
		"from an offset on": {times(21, "100"), from, hours(9), "5-20/1", Wait{Slices: 16, Bytes: 32 << 20}},
	} {
		t.Run(name, func(t *testing.T) {
			due, wait := Due(row(x.list), x.r, x.now)
			var got []string
			for _, run := range due {
				var bytes int64
				for _, s := range run.Slices {
					bytes += s.Bytes
				}
				if bytes != run.Bytes {
					t.Errorf("%d bytes, says %d", bytes, run.Bytes)
				}
				got = append(got, fmt.Sprintf("%d-%d/%d", run.Slices[0].BaseOffset/10, run.Slices[len(run.Slices)-1].BaseOffset/10, run.Level))
			}
			if text := strings.Join(got, " "); text != x.want || wait != x.wait {
				t.Errorf("%q, %+v, want %q, %+v", text, wait, x.want, x.wait)
			}
		})
	}
}

// A slice without timestamps counts by its append time.
func TestYoungest(t *testing.T) {
	if got := Youngest(&metadata.Slice{MaxTimestamp: -1, AppendTime: 5}); got != 5 {
		t.Error(got)
	}
	if got := Youngest(&metadata.Slice{MaxTimestamp: 3, AppendTime: 5}); got != 3 {
		t.Error(got)
	}
}

// simulated is a partition whose slices are sealed and merged over months; levels of moves
// are counted per byte.
type simulated struct {
	list  []metadata.Slice
	moved int64
	wrote int64
}

func (s *simulated) seal(bytes, now int64) {
	n := int64(0)
	if k := len(s.list); k > 0 {
		n = s.list[k-1].LastOffset + 1
	}
	s.list = append(s.list, metadata.Slice{BaseOffset: n, LastOffset: n, Bytes: bytes, MaxTimestamp: now, AppendTime: now})
	s.wrote += bytes
}

// merge does what is due, and holds it to what every run must be.
func (s *simulated) merge(t *testing.T, r Rules, now int64) Wait {
	t.Helper()
	due, wait := Due(slices.Clone(s.list), r, now)
	for _, run := range due {
		i := slices.IndexFunc(s.list, func(x metadata.Slice) bool { return x.BaseOffset == run.Slices[0].BaseOffset })
		n := len(run.Slices)
		if n < 2 || n > Most || !slices.Equal(run.Slices, s.list[i:i+n]) {
			t.Fatalf("a run of %d that are not neighbours", n)
		}
		m := metadata.Slice{BaseOffset: run.Slices[0].BaseOffset, LastOffset: run.Slices[n-1].LastOffset, Level: run.Level, MaxTimestamp: -1}
		oldest := int64(math.MaxInt64)
		for _, x := range run.Slices {
			m.Bytes += x.Bytes
			m.MaxTimestamp, m.AppendTime = max(m.MaxTimestamp, x.MaxTimestamp), max(m.AppendTime, x.AppendTime)
			oldest = min(oldest, Youngest(&x))
		}
		if m.Bytes > r.BytesMax || m.MaxTimestamp-oldest > r.SpanMax {
			t.Fatalf("a slice of %d bytes over %d ms", m.Bytes, m.MaxTimestamp-oldest)
		}
		s.moved += m.Bytes
		s.list = slices.Replace(s.list, i, i+n, m)
	}
	return wait
}

// TestBounds holds how often bytes move and how many slices there are, over 30 days, to
// what the levels promise; and looks no more often than Wait says.
func TestBounds(t *testing.T) {
	for _, x := range []struct {
		bytes, every int64 // of a seal; ms
		enough       int64
		moves        float64
	}{
		{300 << 10, 5 * minute, 32 << 20, 2},
		{300 << 10, 5 * minute, 4 << 20, 1},
		{5 << 10, 5_000, 32 << 20, 4},
		{5 << 10, 5_000, 4 << 20, 3},
		{5 << 20, 10_000, 4 << 20, 0},
		{3 << 20, 5_000, 32 << 20, 1},
		{20, 10 * minute, 32 << 20, 3}, // seven days bound it
	} {
		t.Run(fmt.Sprintf("%d every %d below %d", x.bytes, x.every, x.enough), func(t *testing.T) {
			r, days := plain, int64(30)
			if x.bytes > 1<<20 {
				days = 3 // there are too many slices to look at for longer
			}
			r.Enough = x.enough
			var s simulated
			var wait Wait
			looks, seals := 0, 0
			for now := int64(0); now < days*24*60*minute; now += x.every {
				s.seal(x.bytes, now)
				seals++
				if x.bytes < x.enough { // others bring no run
					wait.Slices--
					wait.Bytes -= x.bytes
				}
				if wait.Slices <= 0 || wait.Bytes <= 0 || wait.At > 0 && wait.At <= now {
					looks++
					wait = s.merge(t, r, now)
				}
				levels := int64(x.moves)
				if n := int64(len(s.list)); n > Most+(Least-1)*levels+s.wrote/x.enough+4*30/7+1 {
					t.Fatalf("%d slices of %d bytes after %d minutes", n, s.wrote, now/minute)
				}
			}
			if per := float64(s.moved) / float64(s.wrote); per > x.moves {
				t.Errorf("each byte was moved %.2f times", per)
			}
			if x.bytes < x.enough && looks > seals/8 {
				t.Errorf("%d looks for %d seals", looks, seals)
			}
		})
	}
}

// TestRandomRuns: whatever sizes and times come, what is joined keeps the bounds, and it
// comes to an end.
func TestRandomRuns(t *testing.T) {
	var moved int64
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		r := Rules{Enough: 1000, WaitMs: hour, BytesMax: 500 + rng.Int64N(4000), SpanMax: 1 + rng.Int64N(3*hour), RetentionMs: -1}
		var s simulated
		now := int64(0)
		for range 300 {
			now += rng.Int64N(hour / 4)
			s.seal(1+rng.Int64N(1<<rng.IntN(12)), now)
			if rng.IntN(3) == 0 {
				s.merge(t, r, now)
			}
			for range rng.IntN(2) * rng.IntN(3) {
				s.list = s.list[min(1, len(s.list)):] // retention
			}
		}
		for i := 0; ; i++ {
			before := len(s.list)
			now += hour
			if s.merge(t, r, now); len(s.list) == before {
				break
			}
			if i > 20 {
				t.Fatalf("seed %d: there is no end", seed)
			}
		}
		moved += s.moved
	}
	if moved < 1_000_000 {
		t.Fatalf("only %d bytes were moved", moved)
	}
}
