package subject

import "testing"

func TestNames(t *testing.T) {
	for text, want := range map[string]Name{
		"a": {Default, "a"}, "": {Default, ""}, "a:b/%": {Default, "a:b/%"}, ":a": {Default, ":a"},
		":.c:a": {".c", "a"}, ":.c:": {".c", ""}, ":.c:a:b": {".c", "a:b"}, ":.__GLOBAL:": {Global, ""},
	} {
		if got := Parse(text); got != want || got.String() != text {
			t.Errorf("%q: %+v, %q", text, got, got.String())
		}
	}
	if got := Parse(":.:a"); got != (Name{Default, "a"}) || got.String() != "a" {
		t.Errorf("%+v", got)
	}
	if got := Parse(":.c"); got != (Name{".c", ""}) {
		t.Errorf("%+v", got)
	}
	for _, text := range []string{"c", ".c", ":.c:"} {
		if got := ParseContext(text); got != ".c" {
			t.Errorf("%q: %q", text, got)
		}
	}
	if Qualify(".c", "a") != ":.c:a" || Qualify(".c", ":.d:a") != ":.d:a" || Qualify(".c", ":*:") != ":*:" || Qualify(Default, "a") != "a" {
		t.Error("qualify")
	}
	for _, bad := range []string{"a\n", "\x00", "a\u0085", "__GLOBAL", ":.c:__EMPTY"} {
		if Parse(bad).Check() == nil {
			t.Errorf("%q is a name", bad)
		}
	}
	for _, good := range []string{"", "a/b:c%20 ü€", ":.c:x", "日本"} {
		if err := Parse(good).Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestVersions(t *testing.T) {
	for text, want := range map[string]int32{"1": 1, "2147483647": 1<<31 - 1, "latest": Latest, "LaTest": Latest, "-1": Latest} {
		if got, err := ParseVersion(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "0", "-2", "2147483648", "x", "1.0"} {
		if got, err := ParseVersion(bad); err == nil {
			t.Errorf("%q is %d", bad, got)
		}
	}
}

func TestStrategies(t *testing.T) {
	for text, want := range map[string]string{
		"TopicNameStrategy": "t-key", strategyPackage + "RecordNameStrategy": "a.R", "TopicRecordNameStrategy": "t-a.R",
	} {
		s, err := ParseStrategy(text)
		if err != nil || s.Subject("t", true, "a.R") != want {
			t.Errorf("%s: %v, %v", text, s, err)
		}
		if again, err := ParseStrategy(s.String()); err != nil || again != s {
			t.Errorf("%s: %v, %v", s, again, err)
		}
	}
	if TopicName.Subject("t", false, "") != "t-value" || TopicName.ByRecord() {
		t.Error("topic name")
	}
	if _, err := ParseStrategy("x.TopicNameStrategy"); err == nil {
		t.Error("an unknown strategy")
	}
}

func FuzzNames(f *testing.F) {
	f.Add(":.ctx:a:b")
	f.Fuzz(func(t *testing.T, text string) {
		n := Parse(text)
		if again := Parse(n.String()); again != n && n.Context != Default {
			t.Fatalf("%q: %+v then %+v", text, n, again)
		}
		if v, err := ParseVersion(text); err == nil && v < 1 && v != Latest {
			t.Fatalf("version %d", v)
		}
	})
}
