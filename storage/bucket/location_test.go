package bucket

import (
	"strings"
	"testing"
)

func TestParseLocation(t *testing.T) {
	for in, want := range map[string]Location{
		"file:///var/lib/x":           {Scheme: "file", Path: "/var/lib/x"},
		"file:/var/lib/x/":            {Scheme: "file", Path: "/var/lib/x"},
		"file:data/bucket":            {Scheme: "file", Path: "data/bucket"},
		"./data/bucket":               {Scheme: "file", Path: "data/bucket"},
		"/a b/ü":                      {Scheme: "file", Path: "/a b/ü"},
		"s3://b":                      {Scheme: "s3", Bucket: "b"},
		"s3://b/":                     {Scheme: "s3", Bucket: "b"},
		"s3://b/p/q/":                 {Scheme: "s3", Bucket: "b", Prefix: "p/q/"},
		"s3://b?region=eu-west-1":     {Scheme: "s3", Bucket: "b", Region: "eu-west-1"},
		"s3://b?path_style=1":         {Scheme: "s3", Bucket: "b", PathStyle: true},
		"s3://b?endpoint=http://h:1/": {Scheme: "s3", Bucket: "b", Endpoint: "http://h:1", PathStyle: true},
		"s3://b?endpoint=https://h":   {Scheme: "s3", Bucket: "b", Endpoint: "https://h", PathStyle: true},
		"s3://b?endpoint=http%3A%2F%2Fh%3A1&path_style=false": {Scheme: "s3", Bucket: "b", Endpoint: "http://h:1"},
	} {
		got, err := ParseLocation(in)
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", in, got, err, want)
			continue
		}
		again, err := ParseLocation(got.String())
		if err != nil || again != got {
			t.Errorf("%s: as text %s, which reads as %+v, %v", in, got, again, err)
		}
	}
}

func TestParseLocationNamesAllFaults(t *testing.T) {
	for in, wants := range map[string][]string{
		"":                   {"empty"},
		"gs://b":             {`"gs"`},
		"file://host/x":      {"three slashes"},
		"file:":              {"without a folder"},
		"file:///x?region=a": {"no query"},
		"s3://u:secret@b":    {"credentials"},
		"s3:///p//q?endpoint=h:1&path_style=maybe&color=red": {"name is missing", "prefix", "endpoint", "path_style", `"color"`},
		"s3://b?endpoint=http://h/path":                      {"only"},
		"s3://b?region=a&region=b":                           {"2 times"},
	} {
		_, err := ParseLocation(in)
		if err == nil {
			t.Errorf("%s: accepted", in)
			continue
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %q does not mention %q", in, err, want)
			}
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error repeats a secret: %v", in, err)
		}
	}
}

func FuzzParseLocation(f *testing.F) {
	f.Add("s3://b/p?endpoint=http://h:1&region=r&path_style=true")
	f.Add("file:///x/y")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLocation(s)
		if err != nil {
			return
		}
		again, err := ParseLocation(l.String())
		if err != nil || again != l {
			t.Fatalf("%q: %+v as text %q reads as %+v, %v", s, l, l.String(), again, err)
		}
	})
}
