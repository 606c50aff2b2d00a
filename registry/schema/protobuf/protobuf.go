// Package protobuf is the schema type PROTOBUF: it writes texts as the elements that
// Square's Wire reads are written, resolves imports by the names of references alone, and
// compares messages by field numbers.
package protobuf

import (
	"encoding/base64"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/bufbuild/protocompile/ast"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"

	"github.com/streamhouse/streamhouse/registry/schema"
)

// Language is the port's implementation.
type Language struct{}

var _ schema.Language = Language{}

// Type is PROTOBUF.
func (Language) Type() schema.Type { return schema.Protobuf }

// Parse reads a text, or a FileDescriptorProto in base64. A new schema is linked as protoc
// does it; a stored one has only to be read, and its names are resolved as far as they are
// known.
func (Language) Parse(src *schema.Source) (schema.Parsed, error) {
	text, err := source(src.Text, protoregistry.GlobalFiles)
	if err != nil {
		return nil, err
	}
	syntax, err := tree(root, text)
	if err != nil {
		return nil, err
	}
	p := &parsed{file: read(syntax), lib: &library{map[string]string{}, map[string]*ast.FileNode{root: syntax}}}
	files := []*file{p.file}
	for i := range src.References {
		r := &src.References[i]
		text, err := source(r.Text, protoregistry.GlobalFiles)
		if err != nil {
			return nil, schema.Invalidf("reference '%s': %v", r.Name, err)
		}
		p.lib.texts[r.Name] = text
		p.bytes += 2 * len(text)
		t, err := tree(r.Name, text)
		if err != nil {
			return nil, schema.Invalidf("reference '%s': %v", r.Name, err)
		}
		files = append(files, read(t))
	}
	p.types = index(files)
	if len(p.types) > schema.NamedMax {
		return nil, schema.Invalidf("the schema has more than %d types, with its references", schema.NamedMax)
	}
	if crowded(p.types) {
		return nil, schema.Invalidf("a message has more than %d oneofs and optional fields", oneofsMax)
	}
	if src.Strict {
		if _, err := p.lib.link(); err != nil {
			return nil, err
		}
	}
	p.text = p.file.print(style{})
	p.lib = &library{texts: p.lib.texts}
	p.bytes += 6*len(p.text) + 256*len(p.types)
	return p, nil
}

// parsed is a schema of this package.
type parsed struct {
	file  *file
	types map[string]*typ // by full name, those of references too
	lib   *library
	text  string
	bytes int
}

// Text is the elements, printed.
func (p *parsed) Text() string { return p.text }

// Normal has full names of types, and imports, options and fields sorted. The order of
// messages stays, since message indexes are made of it.
func (p *parsed) Normal() string {
	return p.file.print(style{sorted: true, name: p.fullName})
}

func (p *parsed) fullName(scope, name string) string {
	if t := p.resolve(scope, name); t != nil {
		return "." + t.full
	}
	return name
}

// Format knows "serialized", the FileDescriptorProto in base64, and "ignore_extensions",
// the text without extensions and the options that they define.
func (p *parsed) Format(name string) string {
	switch name {
	case "serialized":
		fd, err := p.descriptor()
		if err != nil {
			return p.text
		}
		data, err := (proto.MarshalOptions{Deterministic: true}).Marshal(fd)
		if err != nil {
			return p.text
		}
		return base64.StdEncoding.EncodeToString(data)
	case "ignore_extensions":
		return p.file.print(style{plain: true})
	}
	return p.text
}

// descriptor is the file as protoc makes it; if it can not be linked, with names and
// options as they are written.
func (p *parsed) descriptor() (*descriptorpb.FileDescriptorProto, error) {
	syntax, err := tree(root, p.text)
	if err != nil {
		return nil, err
	}
	lib := &library{p.lib.texts, map[string]*ast.FileNode{root: syntax}}
	linked, err := lib.link()
	if err == nil {
		if r, ok := linked.(linker.Result); ok {
			return r.FileDescriptorProto(), nil
		}
		return protodesc.ToFileDescriptorProto(linked), nil
	}
	result, err := parser.ResultFromAST(syntax, false, reporter.NewHandler(nil))
	if err != nil {
		return nil, err
	}
	return result.FileDescriptorProto(), nil
}

// RecordName goes down the messages by indexes; none are the first message.
func (p *parsed) RecordName(indexes []int) (string, bool) {
	if len(indexes) == 0 {
		indexes = []int{0}
	}
	name, messages := p.file.pkg, p.file.messages
	for _, i := range indexes {
		if i < 0 || i >= len(messages) {
			return "", false
		}
		name, messages = join(name, messages[i].name), messages[i].messages
	}
	return name, true
}

// Fields are those of the first message.
func (p *parsed) Fields() []string {
	if len(p.file.messages) == 0 {
		return nil
	}
	var out []string
	for _, f := range p.file.messages[0].all() {
		out = append(out, f.name)
	}
	return out
}

// Bytes is an estimate.
func (p *parsed) Bytes() int { return p.bytes }

// Differences compares by the rules of compare.go.
func (p *parsed) Differences(old schema.Parsed, _ schema.Policy, w *schema.Work) ([]schema.Difference, error) {
	found, err := compare(old.(*parsed), p, w)
	var out []schema.Difference
	for i := range found {
		if !compatible[found[i].kind] {
			out = append(out, found[i].public())
		}
	}
	return out, err
}
