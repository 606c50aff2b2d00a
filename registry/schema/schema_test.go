package schema

import (
	"crypto/md5"
	"errors"
	"strings"
	"testing"
)

// The digest's order of bytes is written out by hand here.
func TestGUID(t *testing.T) {
	for name, c := range map[string]struct {
		s     Schema
		bytes string
	}{
		"text":     {Schema{Type: Avro, Text: `"string"`}, `"string"`},
		"no type":  {Schema{Type: JSON, Text: `"string"`}, `"string"`},
		"refs":     {Schema{Text: "t", References: []Reference{{"a", "b", 258}, {"c", "d", 1}}}, "tab\x00\x00\x01\x02cd\x00\x00\x00\x01"},
		"empty":    {Schema{Text: "t", Metadata: &Metadata{}, Rules: &RuleSet{}}, "t\x01\x01"},
		"metadata": {Schema{Text: "t", Metadata: &Metadata{Tags: map[string][]string{"y": {"1", "2"}, "x": {"3"}}, Properties: map[string]string{"p": "q", "a": "b"}, Sensitive: []string{"s"}}}, "t\x01x3y12abpqs"},
		"rules": {Schema{Text: "t", Rules: &RuleSet{
			Migration: []Rule{{Name: "m", Doc: "doc", Kind: "TRANSFORM", Mode: "UPGRADE", Type: "X", Tags: []string{"t"}, Params: map[string]string{"b": "2", "a": "1"}, Expr: "e", OnSuccess: "s", OnFailure: "f", Disabled: true}},
			Domain:    []Rule{{Name: "d"}}, Encoding: []Rule{{Name: "n"}}, EnableAt: "at"}},
			"t\x01mdocTRANSFORMUPGRADEXta1b2esf\x01dnat"},
	} {
		if got, want := c.s.GUID(), GUID(md5.Sum([]byte(c.bytes))); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	g := (&Schema{Text: "x"}).GUID()
	if back, err := ParseGUID(strings.ToUpper(g.String())); err != nil || back != g {
		t.Errorf("%s: %v", back, err)
	}
	for _, bad := range []string{"", "x", g.String()[1:], strings.Replace(g.String(), "9", "g", 1)} {
		if _, err := ParseGUID(bad); err == nil && bad != g.String() {
			t.Errorf("%q parses", bad)
		}
	}
}

func TestMerges(t *testing.T) {
	under := &Metadata{Tags: map[string][]string{"t": {"1"}}, Properties: map[string]string{"a": "1", "b": "2"}, Sensitive: []string{"b", "a"}}
	over := &Metadata{Tags: map[string][]string{"t": {"2"}}, Properties: map[string]string{"b": "3"}, Sensitive: []string{"a", "c"}}
	want := &Metadata{Tags: map[string][]string{"t": {"2"}}, Properties: map[string]string{"a": "1", "b": "3"}, Sensitive: []string{"a", "b", "c"}}
	if got := MergeMetadata(under, over); !got.Equal(want) {
		t.Errorf("%+v", got)
	}
	if MergeMetadata(nil, nil) != nil || MergeMetadata(under, nil) != under || MergeMetadata(nil, over) != over {
		t.Error("nil is not neutral")
	}
	rules := MergeRules(&RuleSet{Domain: []Rule{{Name: "a"}, {Name: "b"}}, EnableAt: "x"}, &RuleSet{Domain: []Rule{{Name: "a", Doc: "new"}}})
	if !rules.Equal(&RuleSet{Domain: []Rule{{Name: "b"}, {Name: "a", Doc: "new"}}, EnableAt: "x"}) {
		t.Errorf("%+v", rules)
	}
	if p := (&Metadata{}).WithProperty("a", "b").WithProperty("a", ""); p == nil || len(p.Properties) != 0 {
		t.Errorf("%+v", p)
	}
}

func TestRulesOfRules(t *testing.T) {
	good := Rule{Name: "_a-1", Kind: "CONDITION", Mode: "WRITEREAD", Type: "CEL", OnFailure: "DLQ,NONE"}
	if err := (&RuleSet{Domain: []Rule{good}, Migration: []Rule{{Name: "_a-1", Mode: "UPDOWN", Type: "J"}}}).Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Rule){
		"no name": func(r *Rule) { r.Name = "" }, "digit": func(r *Rule) { r.Name = "1a" }, "dash": func(r *Rule) { r.Name = "-" },
		"long": func(r *Rule) { r.Name = strings.Repeat("a", 257) }, "kind": func(r *Rule) { r.Kind = "x" },
		"mode": func(r *Rule) { r.Mode = "UPGRADE" }, "type": func(r *Rule) { r.Type = "" },
		"pair": func(r *Rule) { r.Mode = "READ" }, "three": func(r *Rule) { r.OnSuccess = "a,b,c" },
	} {
		r := good
		change(&r)
		if err := (&RuleSet{Encoding: []Rule{r}}).Validate(); !errors.Is(err, &Error{Code: InvalidRuleSet}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if (&RuleSet{Domain: []Rule{good, good}}).Validate() == nil {
		t.Error("a name twice")
	}
}

// fake is a schema that reads what is listed.
type fake struct {
	Parsed
	text  string
	reads string
}

func (f fake) Fields() []string { return strings.Fields("f g") }
func (f fake) Differences(old Parsed, _ Policy, w *Work) ([]Difference, error) {
	if err := w.Step(1); err != nil || strings.Contains(f.reads, old.(fake).text) {
		return nil, err
	}
	return []Difference{{Kind: "K", Description: f.text + "<" + old.(fake).text, Quote: '\''}}, nil
}

func version(n int32, text, reads, group string) Version {
	s := &Schema{Type: Avro, Text: text, Metadata: &Metadata{Properties: map[string]string{"g": group}}}
	return Version{Number: n, Schema: s, Parse: func() (Parsed, error) { return fake{text: text, reads: reads}, nil }}
}

func TestLevels(t *testing.T) {
	one, two := version(1, "a", "c", "x"), version(2, "b", "", "y")
	for _, c := range []struct {
		level Level
		group string
		reads string
		want  string // kinds found, by their descriptions
	}{
		{None, "", "", ""},
		{Backward, "", "b", ""}, {Backward, "", "a", "c<b"}, {Backward, "g", "a", ""},
		{BackwardTransitive, "", "b", "c<a"}, {BackwardTransitive, "", "ab", ""}, {BackwardTransitive, "", "", "c<b"},
		{Forward, "", "", "b<c"}, {Forward, "g", "", ""}, {ForwardTransitive, "", "", "b<c"},
		{Full, "", "", "b<c c<b"}, {Full, "", "b", "b<c"}, {FullTransitive, "g", "", "c<a"},
	} {
		next := version(0, "c", c.reads, "x")
		got, err := (&Check{Level: c.level, Group: c.group}).Compare(&next, []Version{one, two}, &Work{})
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, m := range got {
			if _, d, ok := strings.Cut(m, "{errorType:'K', description:'"); ok {
				found = append(found, strings.TrimSuffix(d, "'}"))
			}
		}
		if strings.Join(found, " ") != c.want {
			t.Errorf("%s of %q, group %q: %v", c.level, c.reads, c.group, got)
		}
		if len(got) > 0 && !strings.Contains(got[len(got)-1], string(c.level)) {
			t.Errorf("%s: the last message is %s", c.level, got[len(got)-1])
		}
	}
}

func TestCheckFrame(t *testing.T) {
	old := version(1, "a", "", "")
	old.Schema.Metadata.Properties[ReservedProperty] = "gone, f"
	next := version(0, "c", "a", "")
	next.Schema.Metadata.Properties[ReservedProperty] = "f"
	c := Check{Level: Backward, ValidateFields: true}
	got, err := c.Compare(&next, []Version{old}, &Work{})
	if err != nil || len(got) != 3 || !strings.Contains(got[0], "gone") || !strings.Contains(got[1], "conflicts with the reserved field f.") {
		t.Errorf("%v, %v", got, err)
	}
	old.Schema.Type, old.Schema.Text = JSON, strings.Repeat("é", oldSchemaMax)
	got, err = c.Compare(&next, []Version{old}, &Work{})
	if err != nil || len(got) != 4 || got[0] != "Incompatible because of different schema type" || got[1] != "{oldSchemaVersion: 1}" || len(got[2]) > oldSchemaMax+30 {
		t.Errorf("%d, %v", len(got), err)
	}
	asked := 0
	w := &Work{Stop: func() bool { asked++; return asked > 2 }}
	for w.Step(1000) == nil {
	}
	if asked != 3 {
		t.Errorf("asked %d times", asked)
	}
	if (&Work{}).Step(StepsMax+1) == nil {
		t.Error("no bound of steps")
	}
}
