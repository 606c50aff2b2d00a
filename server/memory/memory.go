// Package memory says how much memory the process may use, and which bound in memory gets
// which share of that when no setting says it. A broker of 400 MiB and one of 64 GiB then
// both hold what they promise.
package memory

import "fmt"

// Share is a row: a bound that grows with the memory there is.
type Share struct {
	Name     string // the setting, or what docs/sizing.md calls it
	PerMille int64  // of the limit
	Most     int64  // bytes; more serves nothing
	What     string
}

// Shares is the table. What else there is beside it and Fixed is for connections, partitions
// and groups themselves, and for what is garbage: docs/sizing.md.
var Shares = []Share{
	{"request.memory.bytes", 85, 256 << 20, "requests on their way in"},
	{Answers, 45, 256 << 20, "answers until clients have them, without record data"},
	{Records, 45, 256 << 20, "record data in memory that clients have not taken, above which answers of fetches get small"},
	{Reads, 45, 2 << 30, "partitions that fetches read, in sessions or not"},
	{Members, 65, 256 << 20, "what members of groups say and are assigned"},
	{Pending, 26, 64 << 20, "group records that are not durable yet"},
	{"cache.memory.bytes", 60, 128 << 20, "blocks of a remote bucket"},
	{Footers, 30, 64 << 20, "footers of segments"},
	{Recent, 50, 64 << 20, "youngest packs (object journal)"},
	{Extents, 30, 64 << 20, "where batches lie in the open journal"},
	{"sql.memory.bytes", 60, 256 << 20, "what SQL queries hold"},
	{Parsing, 30, 128 << 20, "schemas that the registry is parsing and comparing"},
	{Schemas, 15, 64 << 20, "parsed schemas that it keeps"},
	{StateBlock, 80, 256 << 20, "state block that a seal writes of a partition"},
}

// Names of rows that are no settings.
const (
	Answers = "answers"
	Records = "records"
	Reads   = "reads"
	Members = "members"
	Pending = "group records"
	Footers = "footers"
	Recent  = "recent packs"

	Extents    = "extents"
	StateBlock = "state block"
	Parsing    = "parsing"
	Schemas    = "schemas"
)

const (
	// Fixed is what does not depend on the limit: decompression (96 MiB on few processors)
	// and packs that are filled and written.
	Fixed = 128 << 20
	// Least is the smallest limit that shares and Fixed fit into.
	Least = 384 << 20
	// least is the smallest share.
	least = 1 << 20
)

// Plan divides a limit.
type Plan struct {
	Limit int64 // bytes
	Why   string
}

// Of returns the bytes of a row. A name that is not in the table is a mistake of the
// program and panics.
func (p Plan) Of(name string) int64 {
	for i := range Shares {
		if s := &Shares[i]; s.Name == name {
			return min(max(p.Limit/1000*s.PerMille, least), s.Most)
		}
	}
	panic(fmt.Sprintf("memory: %q has no share", name))
}
