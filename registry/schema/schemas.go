package schema

import "context"

// Found is a schema that a registry knows.
type Found struct {
	ID     int32
	GUID   GUID
	Schema *Schema
	// Subject and Version are set where the schema was asked for by subject.
	Subject string
	Version int32
	// Parsed is the schema with its references.
	Parsed Parsed
}

// Schemas is the port for everybody who reads or writes records: SQL, the console, tables,
// the REST proxy. Implementations are the registry inside the broker and a client of one
// somewhere else; they keep what they found, so that asking again is cheap.
type Schemas interface {
	// ByID returns what an id names in a context ("." is the default). Errors:
	// SchemaNotFound, StoreFailed, TimedOut.
	ByID(ctx context.Context, in string, id int32) (*Found, error)
	// ByGUID is ByID for a content.
	ByGUID(ctx context.Context, guid GUID) (*Found, error)
	// Latest returns the newest live version of a subject, by its qualified name. Errors:
	// SubjectNotFound, StoreFailed, TimedOut.
	Latest(ctx context.Context, subject string) (*Found, error)
}
