package protobuf

// The elements of a file are what its text is written of: names and options as they were
// written, in their order within each kind, without comments. They are those of Wire, whose
// parser other registries use.
type file struct {
	syntax, edition, pkg  string
	imports, public, weak []string
	options               []option
	messages              []*message
	enums                 []*enum
	extends               []extend
	services              []service
}

type message struct {
	name       string
	reserved   []ranges
	options    []option
	fields     []field
	oneofs     []oneof
	groups     []group
	extensions []ranges
	messages   []*message
	enums      []*enum
	extends    []extend
}

// ranges is one declaration of reserved numbers, reserved names or extensions: each as it
// is written, "5 to 9".
type ranges []string

type field struct {
	label    string // "optional", "required", "repeated" or ""
	typ      string // as written; of a map "map<key, value>"
	key      string // of a map; "": none
	value    string // of a map
	name     string
	tag      int
	options  []option
	byDefVal *value // option default
	isGroup  bool
	jsonName *value
}

type oneof struct {
	name    string
	options []option
	fields  []field
	groups  []group
}

type group struct {
	label string
	body  message
	tag   int
}

type enum struct {
	name      string
	reserved  []ranges
	options   []option
	constants []constant
}

type constant struct {
	name    string
	tag     int
	options []option
}

type extend struct {
	name   string
	fields []field
	groups []group
}

type service struct {
	name    string
	options []option
	rpcs    []rpc
}

type rpc struct {
	name, request, response         string
	requestStreams, responseStreams bool
	options                         []option
}

// option has its name as written: (a.b).c, deprecated.
type option struct {
	name   string
	custom bool
	value  value
}

// value is an option's: a word, a string, a list or a map.
type value struct {
	kind  byte // 'w' '"' '[' '{'
	text  string
	items []value
	names []string // of a map
}

// add puts a field into a map; at has the places of those that are there.
func (v *value) add(at map[string]int, name string, of value) {
	i, twice := at[name]
	if !twice {
		at[name] = len(v.names)
		v.names = append(v.names, name)
		v.items = append(v.items, of)
		return
	}
	was := &v.items[i] // a field that is given twice is a list
	if was.kind != '[' {
		*was = value{kind: '[', items: []value{*was}}
	}
	if of.kind == '[' {
		was.items = append(was.items, of.items...)
	} else {
		was.items = append(was.items, of)
	}
}
