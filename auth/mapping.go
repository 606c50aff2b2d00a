package auth

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// Mapping turns certificates' subjects into the names of principals: Kafka's
// ssl.principal.mapping.rules (KIP-371), whose first rule that fits counts.
type Mapping struct{ rules []mappingRule }

type mappingRule struct {
	all     *regexp.Regexp // nil: DEFAULT, the subject as it is
	whole   *regexp.Regexp
	pattern string
	with    string
	letters string // "L", "U" or ""
}

// ruleForm is one rule, with the comma behind it. Both parts of a RULE may hold commas; a
// slash only behind a backslash.
var ruleForm = regexp.MustCompile(`\s*(?:(DEFAULT)|RULE:((?:\\.|[^\\/])*)/((?:\\.|[^\\/])*)/([LU]?)(.*?)|(.*?))\s*(?:,\s*|$)`)

// ParseMapping reads the rules. A pattern that only Java's regular expressions know
// (lookaround, back references) is an error.
func ParseMapping(text string) (*Mapping, error) {
	m := &Mapping{}
	for _, part := range ruleForm.FindAllStringSubmatchIndex(strings.TrimSpace(text), -1) {
		group := func(i int) string {
			if part[2*i] < 0 {
				return ""
			}
			return strings.TrimSpace(text)[part[2*i]:part[2*i+1]]
		}
		switch {
		case part[2] >= 0:
			m.rules = append(m.rules, mappingRule{})
		case part[4] >= 0 && group(5) != "":
			return nil, fmt.Errorf("behind a rule stands %q: L, U or a comma may", group(5))
		case part[4] >= 0:
			r, err := newRule(group(2), group(3), group(4))
			if err != nil {
				return nil, fmt.Errorf("RULE:%s: %w", group(2), err)
			}
			m.rules = append(m.rules, r)
		case group(6) != "":
			return nil, fmt.Errorf("%q is no rule: RULE:pattern/replacement/[LU] and DEFAULT are", group(6))
		}
	}
	return m, nil
}

func newRule(pattern, with, letters string) (r mappingRule, err error) {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return r, err
	}
	javaDots(parsed)
	r = mappingRule{pattern: parsed.String(), with: with, letters: letters}
	if r.all, err = regexp.Compile(r.pattern); err == nil {
		r.whole, err = regexp.Compile(`\A(?:` + r.pattern + `)\z`)
	}
	return r, err
}

// javaDots has each dot mean what it means in Java: no end of a line, of which there are
// more than Go's one.
func javaDots(re *syntax.Regexp) {
	if re.Op == syntax.OpAnyCharNotNL {
		re.Op = syntax.OpCharClass
		re.Rune = []rune{0, '\t', '\v', '\f', 0x0e, 0x84, 0x86, 0x2027, 0x202a, utf8.MaxRune}
	}
	for _, sub := range re.Sub {
		javaDots(sub)
	}
}

// errNoRule: nobody said who has such a certificate.
var errNoRule = errors.New("no rule of ssl.principal.mapping.rules fits the subject")

// Name returns the name for a subject as DN writes it.
func (m *Mapping) Name(dn string) (string, error) {
	for i := range m.rules {
		r := &m.rules[i]
		if r.all == nil {
			return dn, nil
		}
		if !r.whole.MatchString(dn) {
			continue
		}
		return r.apply(dn)
	}
	return "", errNoRule
}

// apply replaces each match, as Java's String.replaceAll does.
func (r *mappingRule) apply(dn string) (string, error) {
	with, err := literalReferences(r.with, r.all.NumSubexp())
	if err != nil {
		return "", err
	}
	matches, err := r.matches(dn)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	last := 0
	for _, at := range matches {
		out.WriteString(dn[last:at[0]])
		if err := r.replace(&out, with, dn, at); err != nil {
			return "", err
		}
		last = at[1]
	}
	out.WriteString(dn[last:])
	switch r.letters {
	case "L":
		return cases.Lower(language.English).String(out.String()), nil
	case "U":
		return cases.Upper(language.English).String(out.String()), nil
	}
	return out.String(), nil
}

// matchesMax bounds what one rule may find in a subject: each costs some work, and who has
// the certificate chooses the subject.
const matchesMax = 512

// matches are those that Java finds: it takes an empty match right behind another one, too,
// which Go leaves out.
func (r *mappingRule) matches(dn string) ([][]int, error) {
	found := r.all.FindAllStringSubmatchIndex(dn, matchesMax+1)
	if len(found) > matchesMax {
		return nil, fmt.Errorf("a rule fits more than %d parts of a subject", matchesMax)
	}
	var out [][]int
	for i, at := range found {
		out = append(out, at)
		if at[0] == at[1] || (i+1 < len(found) && found[i+1][0] == at[1]) {
			continue
		}
		empty, err := regexp.Compile(`\A` + anything(len([]rune(dn[:at[1]]))) + `(?:` + r.pattern + `)`)
		if err != nil {
			return nil, err
		}
		if again := empty.FindStringSubmatchIndex(dn); again != nil && again[1] == at[1] {
			again[0] = at[1]
			out = append(out, again)
		}
	}
	return out, nil
}

// anything matches n letters.
func anything(n int) string {
	return strings.Repeat(`(?s:.{1000})`, n/1000) + fmt.Sprintf(`(?s:.{%d})`, n%1000)
}

var backReference = regexp.MustCompile(`\$(\d+)`)

// literalReferences puts a backslash before $n where there are fewer groups. Kafka finds the
// places before it puts in the first one, so that a second lands one letter too early; so
// does this.
func literalReferences(with string, groups int) (string, error) {
	if groups == 0 {
		return with, nil
	}
	value := with
	for _, at := range backReference.FindAllStringSubmatchIndex(with, -1) {
		digits := with[at[2]:at[3]]
		if digits[0] == '0' {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 32)
		if err != nil {
			return "", err
		}
		for n > int64(groups) && n >= 10 {
			n /= 10
		}
		if n > int64(groups) {
			value = value[:at[0]] + `\` + value[at[0]:]
		}
	}
	return value, nil
}

// replace writes a replacement in the language of Java's Matcher: \x is x, $n and ${name}
// are groups.
func (r *mappingRule) replace(out *strings.Builder, with, dn string, at []int) error {
	for i := 0; i < len(with); i++ {
		switch c := with[i]; {
		case c == '\\' && i+1 == len(with):
			return errors.New("a replacement ends with a backslash")
		case c == '\\':
			i++
			out.WriteByte(with[i])
		case c != '$':
			out.WriteByte(c)
		default:
			group, n, err := r.reference(with[i+1:])
			if err != nil {
				return err
			}
			if at[2*group] >= 0 {
				out.WriteString(dn[at[2*group]:at[2*group+1]])
			}
			i += n
		}
	}
	return nil
}

// reference reads what follows a dollar sign: which group, and how many bytes say so.
func (r *mappingRule) reference(text string) (group, n int, err error) {
	if name, ok := strings.CutPrefix(text, "{"); ok {
		name, _, closed := strings.Cut(name, "}")
		if i := slices.Index(r.all.SubexpNames(), name); closed && name != "" && i > 0 {
			return i, len(name) + 2, nil
		}
		return 0, 0, fmt.Errorf("there is no group %q", name)
	}
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		next := 10*group + int(text[n]-'0')
		if next > r.all.NumSubexp() && n > 0 {
			break
		}
		group = next
		n++
	}
	if n == 0 || group > r.all.NumSubexp() {
		return 0, 0, fmt.Errorf("there is no group $%s", text[:min(1, len(text))])
	}
	return group, n, nil
}
