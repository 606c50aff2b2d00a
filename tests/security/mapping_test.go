package security

import (
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/tests/peers"
)

var record = flag.Bool("record", false, "ask Java and Apache Kafka's class, and write auth/testdata/mapping.json")

// recorded is what is asked and what Java and Kafka say: names by subject, and for each rule
// a principal per subject; null is none, and no list at all a rule that is refused.
type recorded struct {
	Subjects []struct {
		DER  []byte `json:"der"`
		Name string `json:"name"`
	} `json:"subjects"`
	Rules []struct {
		Rules      string    `json:"rules"`
		Principals []*string `json:"principals"`
	} `json:"rules"`
}

const recording = "../../auth/testdata/mapping.json"

// attribute is a type with a value of a tag.
type attribute struct {
	oid asn1.ObjectIdentifier
	raw asn1.RawValue
}

// The types of attributes that are asked.
var (
	cn     = asn1.ObjectIdentifier{2, 5, 4, 3}
	oC     = asn1.ObjectIdentifier{2, 5, 4, 6}
	oL     = asn1.ObjectIdentifier{2, 5, 4, 7}
	oST    = asn1.ObjectIdentifier{2, 5, 4, 8}
	street = asn1.ObjectIdentifier{2, 5, 4, 9}
	oO     = asn1.ObjectIdentifier{2, 5, 4, 10}
	oOU    = asn1.ObjectIdentifier{2, 5, 4, 11}
	title  = asn1.ObjectIdentifier{2, 5, 4, 12}
	serNo  = asn1.ObjectIdentifier{2, 5, 4, 5}
	sn     = asn1.ObjectIdentifier{2, 5, 4, 4}
	dc     = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}
	uid    = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}
	email  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
	own    = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
)

func text(oid asn1.ObjectIdentifier, value string) attribute {
	return tagged(oid, asn1.TagUTF8String, value)
}

func tagged(oid asn1.ObjectIdentifier, tag int, value string) attribute {
	return attribute{oid, asn1.RawValue{Class: asn1.ClassUniversal, Tag: tag, Bytes: []byte(value)}}
}

// name is the DER of a subject: one list per part.
func name(t *testing.T, parts ...[]attribute) []byte {
	t.Helper()
	wrap := func(tag int, list [][]byte) []byte {
		der, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassUniversal, Tag: tag, IsCompound: true, Bytes: slices.Concat(list...)})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	var rdns [][]byte
	for _, part := range parts {
		var set [][]byte
		for _, a := range part {
			der, err := asn1.Marshal(struct {
				Type  asn1.ObjectIdentifier
				Value asn1.RawValue
			}{a.oid, a.raw})
			if err != nil {
				t.Fatal(err)
			}
			set = append(set, der)
		}
		slices.SortFunc(set, func(a, b []byte) int { return strings.Compare(string(a), string(b)) }) // as DER wants sets
		rdns = append(rdns, wrap(asn1.TagSet, set))
	}
	return wrap(asn1.TagSequence, rdns)
}

func one(list ...attribute) (parts [][]attribute) {
	for _, a := range list {
		parts = append(parts, []attribute{a})
	}
	return parts
}

func subjects(t *testing.T) (list [][]byte) {
	for _, parts := range [][][]attribute{
		{},
		one(text(cn, "alice")),
		one(text(oC, "DE"), text(oO, "Example"), text(cn, "alice")),
		one(text(oC, "US"), text(oST, "CA"), text(oL, "San José"), text(oO, "Example, Inc."), text(oOU, "IT"), text(cn, "broker1.example.com")),
		one(text(dc, "com"), text(dc, "example"), text(cn, "Alice Smith")),
		one(text(dc, "com"), tagged(dc, asn1.TagIA5String, "example"), text(uid, "asmith")),
		one(text(oO, "x"), tagged(email, asn1.TagIA5String, "a@example.com"), text(cn, "a")),
		{{text(cn, "alice"), text(uid, "a1")}},
		{{text(oO, "Example")}, {text(cn, "alice"), text(oOU, "sales"), text(uid, "a1")}},
		one(text(cn, "a,b")), one(text(cn, "a+b=c")), one(text(cn, `a"b\c`)), one(text(cn, "<a>;b")), one(text(cn, "#a#")),
		one(text(cn, " a ")), one(text(cn, "  ")), one(text(cn, "a  b")), one(text(cn, "\ra\r")), one(text(cn, "a\nb")), one(text(cn, "a\tb")),
		one(text(cn, "Ünïcödé 日本")), one(text(cn, "ẞtraße İstanbul ΑΣ")), one(text(cn, "a\x00b")), one(text(cn, "")),
		one(tagged(cn, asn1.TagPrintableString, "Printable")), one(tagged(cn, asn1.TagT61String, "T61")), one(tagged(cn, asn1.TagIA5String, "ia5")),
		one(tagged(cn, asn1.TagGeneralString, "general")), one(tagged(cn, asn1.TagBMPString, "\x00B\x00M")), one(tagged(cn, 28, "\x00\x00\x00U")),
		one(tagged(cn, asn1.TagOctetString, "octets")), one(tagged(cn, asn1.TagNumericString, "12 34")),
		one(text(title, "Dr"), text(serNo, "12"), text(sn, "Smith"), text(cn, "alice")),
		one(text(own, "own"), text(street, "1 Main St"), text(cn, "alice")),
		one(text(oO, "Example"), text(oOU, "a"), text(oOU, "b"), text(oOU, "c"), text(cn, "alice")),
		one(text(cn, "ALICE"), text(cn, "bob")),
		one(text(cn, "kafka/broker1@EXAMPLE.COM")), one(text(cn, "*.example.com")), one(text(cn, "$1\\2{3}")), one(text(cn, strings.Repeat("long", 50))),
		one(text(oOU, "ServiceUsers"), text(cn, "svc-orders"), text(oO, "Acme & Söhne")),
	} {
		list = append(list, name(t, parts...))
	}
	return list
}

var mappingRules = []string{
	"DEFAULT",
	"",
	" DEFAULT , DEFAULT ",
	"RULE:^CN=(.*?)$/$1/",
	"RULE:^CN=([^,]+),.*$/$1/L,DEFAULT",
	"RULE:^CN=(.*?),OU=(.*?),O=(.*?)$/$1@$2/U,RULE:^CN=(.*?),.*$/$1/L,DEFAULT",
	`RULE:^.*[Cc][Nn]=([a-zA-Z0-9.\-\/]*).*$/$1/L,DEFAULT`,
	"RULE:.*/x/",
	"RULE:(.*)/$1/",
	"RULE:(.*?)/[$1]/",
	"RULE:^(.+)$/$0/",
	"RULE:^CN=(.*)$/$1@$4/",
	"RULE:^CN=(.*)$/$4@$5/,DEFAULT",
	"RULE:^CN=(.*)$/$12/",
	"RULE:^CN=(.*)$/a$/,DEFAULT",
	"RULE:^CN=(.*)$/a$x/,DEFAULT",
	"RULE:^CN=.*$/$1/,DEFAULT",
	`RULE:^CN=(.*)$/\$1/`,
	`RULE:^CN=(.*)$/a\\b/`,
	"RULE:^CN=(?<who>[^,]*).*$/${who}/L",
	"RULE:^CN=(?<who>[^,]*).*$/${whom}/L",
	"RULE:[a-z]+=/x/,RULE:CN=al(ice)?/$1!/,DEFAULT",
	"RULE:(CN|O|OU|DC|UID)=|[^=]/-/",
	"RULE:(a|b)*(.*)/<$1|$2>/",
	"RULE:^UID=(.*),DC=.*$/$1/,RULE:^CN=(.*),DC=(.*),DC=(.*)$/$1@$2.$3/L",
	"RULE:^(?:CN=)?(.*?)(?:,.*)?$/$1/U",
	"RULE:^CN=(.*)$/$1/X",
	"RULE:^CN=(.*)$/$1",
	"RULE:^CN=(.*/$1/",
	"rule:^CN=(.*)$/$1/",
	"DEFAULT,RULE:^CN=(.*)$/$1/,nonsense",
	`RULE:^CN=(.*), ?O=(.*)$/$1, of $2/ , DEFAULT`,
}

// TestMapping: the recording is of what is asked here. With -record it is made.
func TestMapping(t *testing.T) {
	t.Parallel()
	ders := subjects(t)
	if *record {
		write(t, ask(t, ders))
	}
	var r recorded
	body, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatal(err)
	}
	if len(ders) < 40 || len(mappingRules) < 30 || len(r.Subjects) != len(ders) || len(r.Rules) != len(mappingRules) {
		t.Fatalf("%d subjects, %d rules; recorded %d, %d", len(ders), len(mappingRules), len(r.Subjects), len(r.Rules))
	}
	for i, der := range ders {
		if string(der) != string(r.Subjects[i].DER) {
			t.Errorf("subject %d is another one: record it", i)
		}
	}
	for i, rule := range mappingRules {
		if rule != r.Rules[i].Rules {
			t.Errorf("rule %d is another one: record it", i)
		}
	}
}

// ask runs Java's and Kafka's classes.
func ask(t *testing.T, ders [][]byte) (r recorded) {
	if err := peers.Programs(t.Context(), "javac"); err != nil {
		t.Fatal(err)
	}
	java, err := peers.KafkaClients(t.Context(), peers.KafkaVersion)
	if err != nil {
		t.Fatal(err)
	}
	var in strings.Builder
	for _, der := range ders {
		in.WriteString("d" + base64.StdEncoding.EncodeToString(der) + "\n")
	}
	for _, rule := range mappingRules {
		in.WriteString("r" + base64.StdEncoding.EncodeToString([]byte(rule)) + "\n")
	}
	command := java.Command("testdata/Mapper.java", 128)
	out, err := command.Run(t.Context(), in.String())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	next := func() string { l := lines[0]; lines = lines[1:]; return l }
	plain := func(l string) string {
		b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(l, "="))
		if err != nil {
			t.Fatal(l, err)
		}
		return string(b)
	}
	r.Subjects = slices.Grow(r.Subjects, len(ders))[:len(ders)]
	for i, der := range ders {
		r.Subjects[i].DER, r.Subjects[i].Name = der, plain(next())
	}
	r.Rules = slices.Grow(r.Rules, len(mappingRules))[:len(mappingRules)]
	for i, rule := range mappingRules {
		r.Rules[i].Rules = rule
		if lines[0] == "refused" {
			next()
			continue
		}
		for range ders {
			if l := next(); l == "none" {
				r.Rules[i].Principals = append(r.Rules[i].Principals, nil)
			} else {
				p := plain(l)
				r.Rules[i].Principals = append(r.Rules[i].Principals, &p)
			}
		}
	}
	return r
}

func write(t *testing.T, r recorded) {
	body, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(recording, append(body, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
