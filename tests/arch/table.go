// Package arch holds the tree to its architecture: who may import whom, with the reason,
// and which packages are pure. The tables are this package; its tests read the sources.
package arch

// Rule says what a package may import of this module. Paths are relative to the module;
// a trailing /... stands for the path and everything below it.
type Rule struct {
	Package string
	Imports []string
	Why     string
}

// Rules are tried in order: the first whose Package matches holds. A package without a
// rule is a fault, so that a new folder is a decision. Test files are not held to it:
// they bring twins and suites.
var Rules = []Rule{
	// Vocabulary: everybody may import it, it imports nearly nothing.
	{"protocol", nil,
		"error codes and limits are the words that all layers share; a word needs no other"},
	{"protocol/record", []string{"protocol"},
		"the batch format is pure; what is wrong with a batch is a protocol error"},
	{"config/properties", nil,
		"the form of Java's settings files, for server and clients: text in, names and values out"},
	{"config", []string{"protocol", "protocol/record"},
		"Kafka's setting definitions are data; codecs and error codes are all they name"},
	{"storage/buffer", nil,
		"memory with holders has no idea what it holds"},
	{"storage/pack", []string{"protocol", "protocol/record"},
		"the atom's format: an index of batches knows batches and nothing that stores them"},
	{"metadata", []string{"auth", "storage/pack"},
		"types and ports; partitions are named as packs name them, and rights as the rules of auth do"},
	{"storage/bucket", nil,
		"the port to object storage: keys and bytes, no idea of Kafka"},
	{"storage/journal", []string{"storage/pack", "storage/buffer"},
		"the port of the ack path: packs go in, packs come out"},

	// Rules: pure, they are handed bytes, events and the time.
	{"auth/jaas", nil,
		"lines of Java's login settings: text in, options out"},
	{"auth/sasl", []string{"auth"},
		"logins as steps: messages, nonces and verifiers are handed to it"},
	{"auth", nil,
		"who a client is and what it may do: names and rules, away from wire and storage"},
	{"storage/segment", []string{"metadata", "protocol", "protocol/record", "storage/pack"},
		"a format: what lies where in sealed objects, over the metadata's names for them"},
	{"storage/partition", []string{"protocol", "protocol/record", "storage/pack"},
		"Kafka's rules for one partition live once, away from all storage"},
	{"storage/merge", []string{"metadata", "storage/pack"},
		"rules of merging: slices and the time in, runs out"},
	{"storage/compact", []string{"protocol/record", "storage/pack"},
		"rules of key compaction: batches and times in, batches out"},
	{"coordinator/group", []string{"protocol"},
		"group rules are steps from state and event to effects: no log, no network"},
	{"coordinator/txn", []string{"protocol"},
		"rules of transactions are steps from state and request to state, record and answer"},

	// The schema registry: formats and rules are pure, the service keeps its state in a topic.
	{"registry/schema", nil,
		"identity, levels, framing and the ports of the registry are words for everybody who reads records"},
	{"registry/schema/...", []string{"registry/schema"},
		"a schema type: text, normal form and differences; it has its library to itself"},

	{"registry/subject", nil,
		"names and contexts: words, without the escaping of any transport"},
	{"registry/entry", []string{"registry/schema", "registry/subject"},
		"the format of the registry's topic: keys and values, no idea of a log"},
	{"registry/state", []string{"registry/entry", "registry/schema", "registry/subject"},
		"the registry's rules: fold of entries, decisions; types of schemas are behind a port"},

	// Adapters: each implements one port. Only the server knows them.
	{"storage/bucket/...", []string{"protocol", "storage/bucket/...", "storage/buffer"},
		"adapters and wrappers of the bucket port, and their suite"},
	{"storage/journal/object", []string{"protocol/record", "storage/bucket", "storage/buffer", "storage/journal/...", "storage/pack"},
		"the journal whose packs are objects: the only one that needs a bucket"},
	{"storage/journal/...", []string{"protocol/record", "storage/buffer", "storage/journal/...", "storage/pack"},
		"adapters of the journal port and their suite; the file journal knows no bucket"},
	{"metadata/catalog", []string{"config", "metadata", "protocol", "storage/pack"},
		"topics and their settings in memory, over the store's port and not over a store"},
	{"metadata/users", []string{"auth/sasl", "metadata"},
		"who may log in, in memory, over the store's port and not over a store"},
	{"metadata/leaders", []string{"metadata/catalog", "storage/pack"},
		"who leads what, for all who ask; whoever knows it (a broker on its own, or a cluster) stands behind the port"},
	{"metadata/features", []string{"metadata"},
		"finalised levels, over the store's port and not over a store"},
	{"metadata/access", []string{"auth", "metadata", "protocol"},
		"who may do what in memory, over the store's port and not over a store"},
	{"metadata/...", []string{"auth", "metadata/...", "protocol", "storage/pack"},
		"adapters of the store's port and their suite"},

	// The log and its keepers: ports below, rules inside.
	{"storage/cache", []string{"storage/bucket", "storage/buffer", "storage/pack", "storage/segment"},
		"blocks of sealed objects, over the bucket's port"},
	{"storage/log", []string{"config", "metadata", "protocol", "protocol/record", "storage/bucket", "storage/buffer", "storage/cache", "storage/journal", "storage/pack", "storage/partition", "storage/segment"},
		"joins rules and ports into the broker's log; adapters would tie it to one kind of storage"},
	{"storage/topic", []string{"protocol", "protocol/record", "storage/buffer", "storage/log", "storage/pack"},
		"the log for parts inside the broker: append and wait, follow, the latest per key; over the log, as clients are"},
	{"storage/upkeep", []string{"config", "metadata", "metadata/catalog", "protocol", "protocol/record", "storage/bucket", "storage/buffer", "storage/cache", "storage/compact", "storage/journal", "storage/log", "storage/merge", "storage/pack", "storage/partition", "storage/segment"},
		"seals and deletes behind the log, through the same ports"},
	{"coordinator", []string{"config", "coordinator/group", "coordinator/shards", "metadata", "metadata/catalog", "metadata/leaders", "protocol", "protocol/record", "storage/log", "storage/pack", "storage/partition"},
		"the groups' shards: runs the pure rules and keeps their records in the log"},
	{"coordinator/shards", []string{"protocol", "protocol/record", "storage/buffer", "storage/log", "storage/pack"},
		"what coordinators share: which shard owns a key, how its partition is loaded and written"},
	{"coordinator/transactions", []string{"config", "coordinator/shards", "coordinator/txn", "protocol", "protocol/record", "storage/buffer", "storage/log", "storage/pack"},
		"the transactions' shards: runs the pure rules and keeps records and end markers in the log"},

	{"registry", []string{"protocol", "protocol/record", "registry/entry", "registry/schema", "registry/state", "registry/subject", "storage/log", "storage/topic"},
		"runs the registry's rules over a topic; which types of schemas there are it is told"},
	{"registry/rest", []string{"registry", "registry/entry", "registry/schema", "registry/state", "registry/subject", "web"},
		"Confluent's API: paths and bodies become calls of the registry"},
	// SQL: from text to rows, each step by itself; the log is behind scan, doors are before sql.
	{"sql/value", nil,
		"values of SQL: kinds, arithmetic, order and forms"},
	{"sql/jsonpath", []string{"sql/value"},
		"several paths of a piece of JSON in one pass"},
	{"sql/parse", []string{"sql/value"},
		"text to trees and back; an error of SQL is all that it needs of others"},
	{"sql/plan", []string{"sql/jsonpath", "sql/parse", "sql/value"},
		"trees to plans and expressions that can be worked out; no topic but by name"},
	{"sql/exec", []string{"sql/parse", "sql/plan", "sql/value"},
		"operators over batches of rows: what they read is handed in"},
	{"sql/scan", []string{"protocol", "protocol/record", "sql/exec", "sql/jsonpath", "sql/plan", "sql/value", "storage/log", "storage/topic"},
		"the only part of SQL that reads the log, as clients that read committed do"},
	{"sql", []string{"sql/exec", "sql/parse", "sql/plan", "sql/scan", "sql/value"},
		"sessions, budgets and turns; it knows no door"},
	{"sql/httpapi", []string{"auth", "sql", "sql/parse", "sql/plan", "sql/value", "web"},
		"a door: requests become statements, rows become JSON"},

	{"sql/pgwire", []string{"auth", "sql", "sql/exec", "sql/parse", "sql/plan", "sql/value"},
		"a door: PostgreSQL's messages become statements, rows become messages"},

	// Services: from the wire to the log, never to where bytes lie.
	{"broker/wire", []string{"protocol", "protocol/record", "storage/buffer"},
		"frames: how requests are read and replies written, before anybody acts on them"},
	{"broker/api", []string{"auth", "broker/wire", "coordinator/txn", "metadata/catalog", "metadata/leaders", "protocol", "protocol/record", "storage/log", "storage/pack"},
		"what all handlers share: requests, the route table, the ports to log, topics and transactions"},
	{"broker/api/produce", []string{"broker/api", "broker/wire", "coordinator/txn", "metadata/catalog", "metadata/leaders", "protocol", "protocol/record", "storage/buffer", "storage/log", "storage/pack"},
		"Produce parses records as they arrive: no other handler sees them, and it sees no coordinator but through a port"},
	{"broker/api/fetch", []string{"broker/api", "broker/wire", "metadata/catalog", "metadata/leaders", "protocol", "storage/log", "storage/pack"},
		"what readers of partitions ask: the log and topics, nothing that changes them"},
	{"broker/api/groups", []string{"broker/api", "coordinator", "coordinator/group", "coordinator/txn", "metadata/leaders", "protocol"},
		"requests of groups become calls of their coordinator; no log, no catalog"},
	{"broker/api/transactional", []string{"broker/api", "coordinator/transactions", "coordinator/txn", "metadata/catalog", "protocol"},
		"requests of transactions become calls of their coordinator; no log"},
	{"broker/api/admin", []string{"auth", "auth/sasl", "broker/api", "config", "metadata", "metadata/access", "metadata/catalog", "metadata/features", "metadata/leaders", "metadata/users", "protocol", "storage/pack"},
		"topics, settings and what is told about the cluster: the catalog and the features, no coordinator"},
	{"broker/api/routes", []string{"broker/api", "broker/api/admin", "broker/api/fetch", "broker/api/groups", "broker/api/produce", "broker/api/transactional", "protocol"},
		"the one table of what is answered: it names every handler, and no handler names it"},
	{"broker", []string{"auth", "auth/sasl", "broker/api", "broker/wire", "config", "protocol", "protocol/record", "storage/buffer", "storage/log"},
		"listeners and connections: they route requests and know no storage behind the log"},
	{"broker/api/apitest", []string{"broker/...", "config", "coordinator/transactions", "coordinator/txn", "metadata/...", "protocol", "protocol/record", "storage/buffer", "storage/log", "storage/pack"},
		"a broker over a log in memory, for tests of handlers on the wire"},
	{"server/settings", []string{"auth", "config", "config/properties", "storage/bucket"},
		"flags, variables and file become settings; a bucket's URL is checked by its own rules"},
	{"web", []string{"auth"},
		"who may ask over HTTP, before every part that is served: it knows names of clients and nothing of what they ask for"},
	{"server/httpd", nil, "health and metrics over HTTP: it is told what to show"},
	{"server/lag", []string{"coordinator", "metadata/catalog", "protocol", "storage/log", "storage/pack"},
		"how far groups are behind: offsets that are committed, held against the log's"},
	{"server/series", []string{"coordinator", "server/lag"},
		"what lag knows, as series for scrapes"},
	{"server/logging", nil, "makes the logger"},
	{"server/memory", nil, "divides a number of bytes; what the parts are called is all it knows"},
	{"server/secure", nil, "stores of keys and what TLS speaks: it is told where they are"},
	{"server", []string{"auth/...", "broker/...", "config", "coordinator/...", "metadata/...", "protocol/...", "registry/...", "server/...", "sql/...", "storage/...", "web"},
		"assembly: the only place that knows every adapter"},
	{"client/...", []string{"auth/jaas", "client/...", "config", "config/properties", "protocol"},
		"what is asked of a cluster, over Kafka's protocol: with the broker's insides it would serve ours only"},
	{"cli/...", []string{"cli/...", "client/...", "config", "protocol"},
		"the command line says what client does; what only our server can do is hung in by cmd/streamhouse"},
	{"cmd/streamhouse", []string{"cli", "client", "server", "server/logging", "server/settings"},
		"turns the server's arguments into settings and hangs it into the command line, and does nothing else"},

	// Tests from outside see what a user sees.
	{"tests/arch", nil, "reads sources, runs none"},
	{"tests/wire", nil, "a client of its own: sharing the broker's framing would share its faults"},
	{"tests/peers", []string{"tests/wire"}, "starts real programs and ours; ours is a binary like theirs"},
	{"tests/s3gateway", []string{"storage/bucket"}, "starts a store and says where it is in the bucket's own terms"},
	{"tests/...", []string{"protocol/...", "tests/..."},
		"black boxes: they may use the batch format to build input, never the broker's insides"},
	{"", nil, "the module's root only pins tools and dependencies"},
}

// External says which packages may import a module from outside. What is not named here
// is free.
type External struct {
	Path    string // prefix of the import path
	Allowed []string
	Why     string
}

// Externals are checked for test files too, except under tests/.
var Externals = []External{
	{"software.sslmate.com/src/go-pkcs12", []string{"server/secure"}, "stores of keys become crypto/tls's values in one place"},
	{"github.com/pavlo-v-chernykh/keystore-go", []string{"server/secure"}, "as above"},
	{"github.com/youmark/pkcs8", []string{"server/secure"}, "as above"},
	{"github.com/xdg-go/scram", []string{"auth/sasl"}, "SCRAM's messages are read in one place"},
	{"modernc.org/sqlite", []string{"metadata/sqlite", "sql"},
		"the database is one adapter; its dialect stays there. In sql it is an oracle of tests"},
	{"github.com/minio/minio-go", []string{"storage/bucket/s3"},
		"S3 is one kind of bucket"},
	{"go.yaml.in/yaml", []string{"server/..."},
		"settings reach components as values"},
	{"github.com/twmb/franz-go/pkg/kgo", []string{"broker/...", "client/...", "protocol/record"},
		"client is where Kafka is spoken to; in a broker it is there for tests only: batches as a real client makes them"},
	{"github.com/twmb/franz-go/pkg/kadm", []string{"broker/...", "client/..."},
		"as kgo"},
	{"github.com/jackc/pgx", []string{"sql/pgwire"},
		"PostgreSQL is spoken at one door"},
	{"github.com/spf13", []string{"cli/..."},
		"the tree of commands is in one place"},
}

// Pure lists the packages without clock, randomness, input, output or goroutines:
// the same arguments give the same result, so they can be tested exhaustively and
// replayed from a seed.
var Pure = []string{
	"auth",
	"auth/jaas",
	"auth/sasl",
	"protocol",
	"protocol/record",
	"config",
	"config/properties",
	"storage/pack",
	"storage/segment",
	"storage/partition",
	"storage/compact",
	"storage/merge",
	"coordinator/group",
	"coordinator/txn",
	"registry/entry",
	"registry/schema",
	"registry/schema/jsonschema",
	"registry/schema/protobuf",
	"registry/schema/avro",
	"registry/state",
	"registry/subject",
	"sql/value",
	"sql/jsonpath",
	"sql/parse",
	"sql/plan",
	"tests/history/check",
}

// impureImports can not appear in a pure package.
var impureImports = []string{
	"os", "os/...", "net", "net/...", "syscall", "golang.org/x/sys/...", "io/ioutil",
	"math/rand/...", "crypto/rand", "log", "log/slog", "go.uber.org/zap/...",
	"github.com/prometheus/...",
}

// pureImports are free all the same: values and arithmetic.
var pureImports = []string{"net/netip"}

// impureTime are the functions of package time that read a clock or wait for one.
// Durations and the arithmetic of given times are free.
var impureTime = []string{
	"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker",
}
