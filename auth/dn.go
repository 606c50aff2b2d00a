package auth

import (
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
)

// keywords are the attribute types that RFC 2253 has names for. Java writes all others as
// numbers.
var keywords = map[string]string{
	"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "STREET", "2.5.4.10": "O", "2.5.4.11": "OU",
	"0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
}

// DNMax bounds a subject in bytes.
const DNMax = 16 << 10

// attribute is an AttributeTypeAndValue of X.501.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// DN writes a certificate's subject as Java's X500Principal does by RFC 2253, which is how
// Kafka names who shows it: the last part first. raw is the DER of the name.
func DN(raw []byte) (string, error) {
	if len(raw) > DNMax {
		return "", fmt.Errorf("a subject of %d bytes, at most %d are read", len(raw), DNMax)
	}
	var rdns []asn1.RawValue
	if rest, err := asn1.Unmarshal(raw, &rdns); err != nil || len(rest) > 0 {
		return "", fmt.Errorf("a subject that cannot be read: %w", err)
	}
	parts := make([]string, len(rdns))
	for i := range rdns {
		part, err := rdn(rdns[i].Bytes)
		if err != nil {
			return "", err
		}
		parts[len(rdns)-1-i] = part
	}
	return strings.Join(parts, ","), nil
}

// rdn writes one part: mostly one attribute, several with + between them.
func rdn(set []byte) (string, error) {
	var out []string
	for len(set) > 0 {
		var a attribute
		rest, err := asn1.Unmarshal(set, &a)
		if err != nil {
			return "", fmt.Errorf("a subject that cannot be read: %w", err)
		}
		set = rest
		keyword, known := keywords[a.Type.String()]
		if !known {
			keyword = a.Type.String()
		}
		if known && isText(a.Value) {
			out = append(out, keyword+"="+escapeDN(string(a.Value.Bytes)))
		} else {
			out = append(out, keyword+"=#"+hex.EncodeToString(a.Value.FullBytes))
		}
	}
	return strings.Join(out, "+"), nil
}

// isText says whether Java takes a value for a text. UniversalString is none.
func isText(v asn1.RawValue) bool {
	if v.Class != asn1.ClassUniversal {
		return false
	}
	switch v.Tag {
	case asn1.TagPrintableString, asn1.TagT61String, asn1.TagIA5String, asn1.TagGeneralString, asn1.TagBMPString, asn1.TagUTF8String:
		return true
	}
	return false
}

// escapeDN puts a backslash before what has a meaning in a name, and before blanks at both
// ends. The bytes are read as UTF-8 whatever the type of the text is.
func escapeDN(value string) string {
	var b strings.Builder
	for i := 0; i < len(value); {
		r, n := utf8.DecodeRuneInString(value[i:])
		i += n
		switch {
		case r == 0:
			b.WriteString(`\00`)
		case strings.ContainsRune(",=+<>#;\"\\", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r) // U+FFFD for what is none
		}
	}
	text := b.String()
	const blanks = " \r"
	inner := strings.Trim(text, blanks)
	if len(inner) == len(text) {
		return text
	}
	lead := len(text) - len(strings.TrimLeft(text, blanks))
	if inner == "" {
		return backslashed(text)
	}
	return backslashed(text[:lead]) + inner + backslashed(text[lead+len(inner):])
}

// backslashed has a backslash before each byte.
func backslashed(blanks string) string {
	var b strings.Builder
	for i := range len(blanks) {
		b.WriteByte('\\')
		b.WriteByte(blanks[i])
	}
	return b.String()
}
