package protobuf

import (
	"context"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/ast"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"github.com/jhump/protoreflect/v2/protoprint"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	// What schemas may import without a reference, beside google/protobuf.
	_ "google.golang.org/genproto/googleapis/type/calendarperiod"
	_ "google.golang.org/genproto/googleapis/type/color"
	_ "google.golang.org/genproto/googleapis/type/date"
	_ "google.golang.org/genproto/googleapis/type/datetime"
	_ "google.golang.org/genproto/googleapis/type/dayofweek"
	_ "google.golang.org/genproto/googleapis/type/decimal"
	_ "google.golang.org/genproto/googleapis/type/expr"
	_ "google.golang.org/genproto/googleapis/type/fraction"
	_ "google.golang.org/genproto/googleapis/type/interval"
	_ "google.golang.org/genproto/googleapis/type/latlng"
	_ "google.golang.org/genproto/googleapis/type/localized_text"
	_ "google.golang.org/genproto/googleapis/type/money"
	_ "google.golang.org/genproto/googleapis/type/month"
	_ "google.golang.org/genproto/googleapis/type/phone_number"
	_ "google.golang.org/genproto/googleapis/type/postaladdress"
	_ "google.golang.org/genproto/googleapis/type/quaternion"
	_ "google.golang.org/genproto/googleapis/type/timeofday"

	"github.com/streamhouse/streamhouse/registry/schema"
)

//go:embed known
var known embed.FS

const (
	// root is the name of a text in its compilation; references have their own.
	root = "default"
	// tokensMax is how many words, numbers, strings and signs a text may have: the syntax
	// tree keeps each.
	tokensMax = 200_000
	reasonMax = 1000
)

// tree parses a text. Errors are *schema.Invalid with the place.
func tree(name, text string) (*ast.FileNode, error) {
	if err := bound(text); err != nil {
		return nil, err
	}
	var out *ast.FileNode
	err := guarded(func() (err error) {
		out, err = parser.Parse(name, strings.NewReader(text), reporter.NewHandler(nil))
		return err
	})
	if err != nil {
		return nil, invalid(err)
	}
	return out, nil
}

// guarded makes an error of a panic: the parser's lexer has one for some ends of a text
// within a string (protocompile 0.14.1), and what a client sends may end nobody's broker.
func guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the parser fails on this text: %v", r)
		}
	}()
	return f()
}

func invalid(err error) error {
	out := &schema.Invalid{}
	var at reporter.ErrorWithPos
	if errors.As(err, &at) {
		if p := at.GetPosition(); p.Filename == root {
			out.Line, out.Column = p.Line, p.Col
		}
		err = at.Unwrap()
	}
	out.Reason = err.Error()
	if len(out.Reason) > reasonMax {
		out.Reason = strings.ToValidUTF8(out.Reason[:reasonMax], "") + "..."
	}
	return out
}

// bound counts brackets and tokens before a parser sees the text.
func bound(text string) error {
	if !utf8.ValidString(text) {
		return schema.Invalidf("the schema is not UTF-8")
	}
	depth, tokens, inWord := 0, 0, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		word := c == '_' || c == '.' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
		if word && !inWord || !word && c > ' ' {
			tokens++
		}
		inWord = word
		switch c {
		case '{', '[', '<', '(':
			depth++
		case '}', ']', '>', ')':
			depth = max(0, depth-1)
		case '"', '\'':
			i += literal(text[i:])
		case '/':
			i += comment(text[i:])
		}
		if depth > schema.DepthMax {
			return schema.Invalidf("brackets are nested more than %d deep", schema.DepthMax)
		}
		if tokens > tokensMax {
			return schema.Invalidf("the schema has more than %d words and signs", tokensMax)
		}
	}
	return nil
}

// literal is how many bytes behind its first a string has.
func literal(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[0], '\n':
			return i
		}
	}
	return len(text) - 1
}

// comment is how many bytes behind its first a comment has; 0: it is none.
func comment(text string) int {
	end, skip := "", 0
	switch {
	case strings.HasPrefix(text, "//"):
		end = "\n"
	case strings.HasPrefix(text, "/*"):
		end, skip = "*/", 2
	default:
		return 0
	}
	if i := strings.Index(text[skip:], end); i >= 0 {
		return skip + i + len(end) - 1
	}
	return len(text) - 1
}

// source is a text that may be a descriptor in base64: it comes out as a text.
func source(text string, lookup protodesc.Resolver) (string, error) {
	trimmed := strings.TrimSpace(text)
	if strings.ContainsAny(trimmed, "{};\"") || trimmed == "" {
		return text, nil
	}
	data, err := base64.StdEncoding.DecodeString(trimmed)
	if err != nil {
		return text, nil // the parser has the better reason
	}
	fd := &descriptorpb.FileDescriptorProto{}
	if err := (proto.UnmarshalOptions{RecursionLimit: schema.DepthMax}).Unmarshal(data, fd); err != nil {
		return "", schema.Invalidf("not a FileDescriptorProto: %v", err)
	}
	if fd.GetName() == "" {
		fd.Name = proto.String(root)
	}
	file, err := protodesc.FileOptions{AllowUnresolvable: true}.New(fd, lookup)
	if err != nil {
		return "", schema.Invalidf("not a FileDescriptorProto: %v", err)
	}
	printer := protoprint.Printer{OmitComments: protoprint.CommentsAll}
	out := ""
	err = guarded(func() (err error) {
		out, err = printer.PrintProtoToString(file)
		return err
	})
	if err != nil {
		return "", schema.Invalidf("%v", err)
	}
	return out, nil
}

// library finds files by the names of imports: references before those that are known.
type library struct {
	texts map[string]string
	trees map[string]*ast.FileNode
}

var _ protocompile.Resolver = (*library)(nil)

// FindFileByPath is asked for each import.
func (l *library) FindFileByPath(name string) (protocompile.SearchResult, error) {
	if t, ok := l.trees[name]; ok {
		return protocompile.SearchResult{AST: t}, nil
	}
	if text, ok := l.texts[name]; ok {
		t, err := tree(name, text)
		if err != nil {
			return protocompile.SearchResult{}, schema.Invalidf("reference '%s': %v", name, err)
		}
		l.trees[name] = t
		return protocompile.SearchResult{AST: t}, nil
	}
	if fd := knownFile(name); fd != nil {
		return protocompile.SearchResult{Desc: fd}, nil
	}
	if f, err := known.Open("known/" + name); err == nil {
		defer f.Close()
		text, err := io.ReadAll(f)
		return protocompile.SearchResult{Source: strings.NewReader(string(text))}, err
	}
	return protocompile.SearchResult{}, schema.Invalidf("'%s' is the name of no reference of the schema", name)
}

// knownFile is a file of google/protobuf or google/type.
func knownFile(name string) protoreflect.FileDescriptor {
	if !strings.HasPrefix(name, "google/protobuf/") && !strings.HasPrefix(name, "google/type/") {
		return nil
	}
	fd, err := protoregistry.GlobalFiles.FindFileByPath(name)
	if err != nil {
		return nil
	}
	return fd
}

// link resolves names and options. Errors are *schema.Invalid.
func (l *library) link() (linker.File, error) {
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(l), MaxParallelism: 1, RetainASTs: true}
	var files linker.Files
	err := guarded(func() (err error) {
		files, err = compiler.Compile(context.Background(), root)
		return err
	})
	if err != nil {
		var bad *schema.Invalid
		if errors.As(err, &bad) {
			return nil, bad
		}
		return nil, invalid(err)
	}
	return files[0], nil
}
