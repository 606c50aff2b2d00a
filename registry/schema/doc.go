// Package schema has the words of the schema registry that all its parts share: what a
// schema is and how its content is told from another, its metadata and rules and how
// they merge, compatibility levels and the frame of a check, the framing of records, and
// two ports: Language, which a schema type implements, and Schemas, which everybody asks
// who reads records. It is pure; its types keep to the names of Confluent's API.
package schema
