package compat

// known lists, as suite/case, the answers that are not Kafka's, with the reason.

const (
	richer = "says what is wrong where Kafka has no message"
	words  = "the code is Kafka's, the wording and the log start beside an error are not"
)

var known = map[string]string{
	"topics/create, validate only":              "Kafka shows the id of a topic that will never be; no id is drawn here",
	"topics/create, too many replicas":          "accepted: durability does not come from copies; replication.factor.strict=true refuses it",
	"topics/partitions, unknown topic":          richer,
	"records/produce, too large":                richer,
	"records/produce, two batches":              richer,
	"records/produce, magic 0":                  richer,
	"records/produce, empty":                    richer,
	"records/produce, broken CRC":               richer,
	"records/sequence, gap":                     richer,
	"records/sequence, old epoch":               richer,
	"records/produce, base offset":              words,
	"records/produce, magic 3":                  words,
	"records/produce, no key to compact by":     words,
	"records/sequence, new epoch not from zero": richer,
}
