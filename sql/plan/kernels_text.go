package plan

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/streamhouse/streamhouse/sql/value"
)

// grownMax bounds a text that a function makes.
const grownMax = 1 << 20

func text(f func(s string) string) func(*Env, []value.Value) (value.Value, error) {
	return func(_ *Env, a []value.Value) (value.Value, error) { return value.OfText(f(a[0].S)), nil }
}

func init() {
	register("Text", []Function{
		{Name: "lower", Args: "t", Result: value.TText, Doc: "small letters", Example: "lower('AbC')", Gives: "abc", eval: text(strings.ToLower)},
		{Name: "upper", Args: "t", Result: value.TText, Doc: "capital letters", Example: "upper('AbC')", Gives: "ABC", eval: text(strings.ToUpper)},
		{Name: "length", Args: "t", Result: value.TInt4, Doc: "number of characters", Example: "length('käse')", Gives: "4",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				return value.OfInt(int64(utf8.RuneCountInString(a[0].S))), nil
			}},
		{Name: "octet_length", Args: "t", Result: value.TInt4, Doc: "number of bytes", Example: "octet_length('käse')", Gives: "5",
			eval: func(_ *Env, a []value.Value) (value.Value, error) { return value.OfInt(int64(len(a[0].S))), nil }},
		{Name: "trim", Args: "t?t", Result: value.TText, Doc: "without spaces (or the characters named) at both ends", Example: "trim('  a ')", Gives: "a", eval: trimmed(strings.Trim)},
		{Name: "btrim", Args: "t?t", Result: value.TText, Doc: "trim", Example: "btrim('xaxx', 'x')", Gives: "a", eval: trimmed(strings.Trim)},
		{Name: "ltrim", Args: "t?t", Result: value.TText, Doc: "trim at the beginning", Example: "ltrim('  a')", Gives: "a", eval: trimmed(strings.TrimLeft)},
		{Name: "rtrim", Args: "t?t", Result: value.TText, Doc: "trim at the end", Example: "rtrim('a  ')", Gives: "a", eval: trimmed(strings.TrimRight)},
		{Name: "substring", Args: "ti?i", Result: value.TText, Doc: "a part from a character on (the first is 1), of a length", Example: "substring('kafka', 2, 3)", Gives: "afk", eval: substring},
		{Name: "substring", Args: "tt", Result: value.TText, Doc: "what a pattern (RE2) matches, or its first group", Example: "substring('order-42', '-([0-9]+)')", Gives: "42", eval: regexpFirst},
		{Name: "left", Args: "ti", Result: value.TText, Doc: "the first characters; all but the last with a negative number", Example: "left('kafka', 2)", Gives: "ka",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				r := []rune(a[0].S)
				n := int(max(min(a[1].N, int64(len(r))), -int64(len(r))))
				if n < 0 {
					n += len(r)
				}
				return value.OfText(string(r[:n])), nil
			}},
		{Name: "right", Args: "ti", Result: value.TText, Doc: "the last characters; all but the first with a negative number", Example: "right('kafka', 2)", Gives: "ka",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				r := []rune(a[0].S)
				n := int(max(min(a[1].N, int64(len(r))), -int64(len(r))))
				if n < 0 {
					n += len(r)
				}
				return value.OfText(string(r[len(r)-n:])), nil
			}},
		{Name: "replace", Args: "ttt", Result: value.TText, Doc: "with every occurrence of a text replaced", Example: "replace('a-b-c', '-', '.')", Gives: "a.b.c",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				if n := strings.Count(a[0].S, a[1].S); n*len(a[2].S)+len(a[0].S) > grownMax+len(a[0].S) {
					return value.Value{}, value.Errorf(value.TooMany, "replace would make a text of more than %d bytes", grownMax)
				}
				if a[1].S == "" {
					return a[0], nil
				}
				return value.OfText(strings.ReplaceAll(a[0].S, a[1].S, a[2].S)), nil
			}},
		{Name: "strpos", Args: "tt", Result: value.TInt4, Doc: "where a text first occurs, from 1; 0: nowhere", Example: "strpos('kafka', 'f')", Gives: "3",
			eval: func(_ *Env, a []value.Value) (value.Value, error) { return position(a[0].S, a[1].S), nil }},
		{Name: "position", Args: "tt", Result: value.TInt4, Doc: "position('f' IN 'kafka')", Example: "position('f' IN 'kafka')", Gives: "3",
			eval: func(_ *Env, a []value.Value) (value.Value, error) { return position(a[1].S, a[0].S), nil }},
		{Name: "starts_with", Args: "tt", Result: value.TBool, Doc: "whether a text begins with another", Example: "starts_with('kafka', 'ka')", Gives: "true",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				return value.OfBool(strings.HasPrefix(a[0].S, a[1].S)), nil
			}},
		{Name: "repeat", Args: "ti", Result: value.TText, Doc: "a text several times", Example: "repeat('ab', 2)", Gives: "abab",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				n := max(a[1].N, 0)
				if n > grownMax || int64(len(a[0].S))*n > grownMax {
					return value.Value{}, value.Errorf(value.TooMany, "repeat would make a text of more than %d bytes", grownMax)
				}
				return value.OfText(strings.Repeat(a[0].S, int(n))), nil
			}},
		{Name: "reverse", Args: "t", Result: value.TText, Doc: "backwards", Example: "reverse('abc')", Gives: "cba", eval: text(func(s string) string {
			r := []rune(s)
			for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
				r[i], r[j] = r[j], r[i]
			}
			return string(r)
		})},
		{Name: "split_part", Args: "tti", Result: value.TText, Doc: "the n-th part between separators, from 1; from the end with a negative number", Example: "split_part('a,b,c', ',', 2)", Gives: "b", eval: splitPart},
		{Name: "split_index", Args: "tti", Result: value.TText, Doc: "the n-th part between separators, from 0", Example: "split_index('a,b,c', ',', 2)", Gives: "c",
			eval: func(e *Env, a []value.Value) (value.Value, error) {
				parts := strings.Split(a[0].S, a[1].S)
				if a[2].N < 0 || a[2].N >= int64(len(parts)) {
					return value.Value{}, nil
				}
				return value.OfText(parts[a[2].N]), nil
			}},
		{Name: "lpad", Args: "ti?t", Result: value.TText, Doc: "filled at the beginning up to a length", Example: "lpad('7', 3, '0')", Gives: "007", eval: padded(true)},
		{Name: "rpad", Args: "ti?t", Result: value.TText, Doc: "filled at the end up to a length", Example: "rpad('7', 3, '.')", Gives: "7..", eval: padded(false)},
		{Name: "initcap", Args: "t", Result: value.TText, Doc: "words with capital letters", Example: "initcap('ab cd')", Gives: "Ab Cd", eval: text(initcap)},
		{Name: "concat", Args: "?a*", Result: value.TText, nulls: true, Doc: "arguments one behind the other; NULL is nothing", Example: "concat('a', NULL, 1)", Gives: "a1",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				var b []byte
				for _, v := range a {
					b = v.AppendText(b)
				}
				return value.OfText(string(b)), nil
			}},
		{Name: "concat_ws", Args: "t?a*", Result: value.TText, nulls: true, Doc: "arguments with a separator between; NULL is left out", Example: "concat_ws('-', 1, NULL, 2)", Gives: "1-2",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				var parts []string
				for _, v := range a[1:] {
					if !v.IsNull() {
						parts = append(parts, v.String())
					}
				}
				return value.OfText(strings.Join(parts, a[0].S)), nil
			}},
		{Name: "||", Args: "aa", Result: value.TText, Doc: "two texts as one", Example: "'a' || 'b'", Gives: "ab",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				return value.OfText(a[0].String() + a[1].String()), nil
			}},
		{Name: "ascii", Args: "t", Result: value.TInt4, Doc: "the first character's number", Example: "ascii('A')", Gives: "65",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				r, _ := utf8.DecodeRuneInString(a[0].S)
				if a[0].S == "" {
					r = 0
				}
				return value.OfInt(int64(r)), nil
			}},
		{Name: "chr", Args: "i", Result: value.TText, Doc: "the character of a number", Example: "chr(65)", Gives: "A",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				if a[0].N < 1 || a[0].N > utf8.MaxRune {
					return value.Value{}, value.Errorf(value.TooMany, "%d is no character", a[0].N)
				}
				return value.OfText(string(rune(a[0].N))), nil
			}},
		{Name: "md5", Args: "t", Result: value.TText, Doc: "MD5 in hexadecimal", Example: "md5('a')", Gives: "0cc175b9c0f1b6a831c399e269772661",
			eval: text(func(s string) string { h := md5.Sum([]byte(s)); return hex.EncodeToString(h[:]) })},
		{Name: "sha256", Args: "t", Result: value.TBytea, Doc: "SHA-256", Example: "left(sha256('a')::text, 10)", Gives: `\xca978112`,
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				h := sha256.Sum256([]byte(a[0].S))
				return value.Value{K: value.Bytes, S: string(h[:])}, nil
			}},
		{Name: "regexp_extract", Args: "tt?i", Result: value.TText, Doc: "what a pattern (RE2) matches, or one of its groups", Example: "regexp_extract('a=1&b=22', 'b=([0-9]+)', 1)", Gives: "22",
			eval: func(e *Env, a []value.Value) (value.Value, error) {
				group := int64(0)
				if len(a) > 2 {
					group = a[2].N
				}
				re, err := e.pattern(a[1].S)
				if err != nil {
					return value.Value{}, err
				}
				m := re.FindStringSubmatch(a[0].S)
				if group < 0 || group >= int64(len(m)) {
					return value.Value{}, nil
				}
				return value.OfText(m[group]), nil
			}},
		{Name: "regexp_replace", Args: "ttt?t", Result: value.TText, Doc: "what a pattern (RE2) matches replaced, everywhere with 'g'", Example: "regexp_replace('a1b2', '[0-9]', '#', 'g')", Gives: "a#b#", eval: regexpReplace},
		{Name: "regexp_like", Args: "tt", Result: value.TBool, Doc: "whether a pattern (RE2) matches", Example: "regexp_like('abc', '^a')", Gives: "true",
			eval: func(e *Env, a []value.Value) (value.Value, error) { return matches(e, a[0].S, a[1].S) }},
		{Name: "like_escape", Args: "ttt", Result: value.TBool, Doc: "LIKE with an ESCAPE character", Example: "'a%' LIKE 'a!%' ESCAPE '!'", Gives: "true",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				return value.OfBool(like(a[0].S, a[1].S, a[2].S, false)), nil
			}},
		{Name: "quote_ident", Args: "t", Result: value.TText, Doc: "a name as SQL writes it", Example: "quote_ident('a b')", Gives: `"a b"`,
			eval: text(func(s string) string {
				if strings.IndexFunc(s, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r == '_' || r >= '0' && r <= '9') }) < 0 && s != "" {
					return s
				}
				return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
			})},
		{Name: "quote_literal", Args: "t", Result: value.TText, Doc: "a text as SQL writes it", Example: "quote_literal('it''s')", Gives: "'it''s'",
			eval: text(func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" })},
	})
}

func trimmed(f func(s, cut string) string) func(*Env, []value.Value) (value.Value, error) {
	return func(_ *Env, a []value.Value) (value.Value, error) {
		cut := " "
		if len(a) > 1 {
			cut = a[1].S
		}
		return value.OfText(f(a[0].S, cut)), nil
	}
}

func position(s, sub string) value.Value {
	i := strings.Index(s, sub)
	if i < 0 {
		return value.OfInt(0)
	}
	return value.OfInt(int64(utf8.RuneCountInString(s[:i]) + 1))
}

func substring(_ *Env, a []value.Value) (value.Value, error) {
	r := []rune(a[0].S)
	from := a[1].N - 1
	to := int64(len(r))
	if len(a) > 2 {
		if a[2].N < 0 {
			return value.Value{}, value.Errorf("22011", "negative substring length not allowed")
		}
		if end := from + a[2].N; end < to {
			to = end
		}
	}
	from = max(from, 0)
	if from >= to {
		return value.OfText(""), nil
	}
	return value.OfText(string(r[from:to])), nil
}

func splitPart(_ *Env, a []value.Value) (value.Value, error) {
	parts := strings.Split(a[0].S, a[1].S)
	n := a[2].N
	if n == 0 {
		return value.Value{}, value.Errorf(value.InvalidParameter, "field position must not be zero")
	}
	if n < 0 {
		n += int64(len(parts)) + 1
	}
	if n < 1 || n > int64(len(parts)) {
		return value.OfText(""), nil
	}
	return value.OfText(parts[n-1]), nil
}

func padded(before bool) func(*Env, []value.Value) (value.Value, error) {
	return func(_ *Env, a []value.Value) (value.Value, error) {
		fill := " "
		if len(a) > 2 {
			fill = a[2].S
		}
		r, n := []rune(a[0].S), int(min(max(a[1].N, 0), grownMax+1))
		if n > grownMax {
			return value.Value{}, value.Errorf(value.TooMany, "a text of more than %d bytes", grownMax)
		}
		if len(r) >= n || fill == "" {
			return value.OfText(string(r[:min(n, len(r))])), nil
		}
		more := []rune(strings.Repeat(fill, (n-len(r))/utf8.RuneCountInString(fill)+1))[:n-len(r)]
		if before {
			return value.OfText(string(more) + a[0].S), nil
		}
		return value.OfText(a[0].S + string(more)), nil
	}
}

func initcap(s string) string {
	inside := false
	return strings.Map(func(r rune) rune {
		c := []rune(strings.ToLower(string(r)))[0]
		if !inside {
			c = []rune(strings.ToUpper(string(r)))[0]
		}
		inside = r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z' || r > 0x7f
		return c
	}, s)
}

func regexpFirst(e *Env, a []value.Value) (value.Value, error) {
	re, err := e.pattern(a[1].S)
	if err != nil {
		return value.Value{}, err
	}
	m := re.FindStringSubmatch(a[0].S)
	if m == nil {
		return value.Value{}, nil
	}
	return value.OfText(m[min(1, len(m)-1)]), nil
}

func regexpReplace(e *Env, a []value.Value) (value.Value, error) {
	flags := ""
	if len(a) > 3 {
		flags = a[3].S
	}
	pattern := a[1].S
	if strings.Contains(flags, "i") {
		pattern = "(?i)" + pattern
	}
	re, err := e.pattern(pattern)
	if err != nil {
		return value.Value{}, err
	}
	// \1 is a group, as in PostgreSQL; $ stands for itself.
	to := strings.ReplaceAll(a[2].S, "$", "$$")
	for i := range 10 {
		d := string(rune('0' + i))
		to = strings.ReplaceAll(to, `\`+d, "${"+d+"}")
	}
	if strings.Contains(flags, "g") {
		return value.OfText(re.ReplaceAllString(a[0].S, to)), nil
	}
	at := re.FindStringSubmatchIndex(a[0].S)
	if at == nil {
		return a[0], nil
	}
	b := re.ExpandString([]byte(a[0].S[:at[0]]), to, a[0].S, at)
	return value.OfText(string(b) + a[0].S[at[1]:]), nil
}

func matches(e *Env, s, pattern string) (value.Value, error) {
	re, err := e.pattern(pattern)
	if err != nil {
		return value.Value{}, err
	}
	return value.OfBool(re.MatchString(s)), nil
}

// like matches % and _ of a pattern, by characters.
func like(s, pattern, escape string, fold bool) bool {
	if fold {
		s, pattern = strings.ToLower(s), strings.ToLower(pattern)
	}
	backS, backP := -1, -1 // where to go on after a %
	i, j := 0, 0
	for i < len(s) {
		if j < len(pattern) {
			if pattern[j] == '%' && !(escape == "%") {
				backS, backP = i, j+1
				j++
				continue
			}
			p, literal := j, false
			if escape != "" && strings.HasPrefix(pattern[j:], escape) && j+len(escape) < len(pattern) {
				p, literal = j+len(escape), true
			}
			_, n := utf8.DecodeRuneInString(s[i:])
			_, m := utf8.DecodeRuneInString(pattern[p:])
			if pattern[p] == '_' && !literal || s[i:i+n] == pattern[p:p+m] {
				i, j = i+n, p+m
				continue
			}
		}
		if backP < 0 {
			return false
		}
		_, n := utf8.DecodeRuneInString(s[backS:])
		backS += n
		i, j = backS, backP
	}
	for j < len(pattern) && pattern[j] == '%' {
		j++
	}
	return j == len(pattern)
}
