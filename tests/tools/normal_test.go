package tools

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// never are the parts of a line that are not the same twice, and what stands for them.
// Records of the sessions have times of the year 2001, which stay.
var never = []struct {
	part *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`127\.0\.0\.1([: ]+)\d+`), "HOST${1}PORT"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`(TopicId: |Cluster ID: |ClusterId: +|DirectoryId: |topicId=|"topicId":")[A-Za-z0-9_-]{22}`), "${1}ID"},
	{regexp.MustCompile(`\b1[7-9]\d{11}\b`), "TIME"},
	{regexp.MustCompile(`20[2-9]\d-\d\d-\d\d[ T]\d\d:\d\d:\d\d([.:,]\d+)?Z?`), "DATE"},
	{regexp.MustCompile(`console-consumer-\d+`), "console-consumer-N"},
	{regexp.MustCompile(`perf-consumer-\d+`), "perf-consumer-N"},
	// kafka-producer-perf-test, kafka-consumer-perf-test, kafka-e2e-latency
	{regexp.MustCompile(`^(\d+ (steady state )?records sent), .*`), "$1, RATES"},
	{regexp.MustCompile(`^DATE, DATE, ([0-9.]+), [0-9.]+, (\d+), .*`), "DATE, DATE, $1, RATE, $2, RATES"},
	{regexp.MustCompile(`^(Avg latency|Percentiles): .*`), "$1: TIMES"},
	{regexp.MustCompile(`^\d+\t[0-9.]+$`), "N TIME"},
	{regexp.MustCompile(`"avg_throughput":[0-9.]+`), `"avg_throughput":RATE`},
	{regexp.MustCompile(`\[B@[0-9a-f]+`), "[B@HASH"}, // Java's bytes
	{regexp.MustCompile(`(client metrics config for )[A-Za-z0-9_-]{22}\.`), "${1}ID."},
	{regexp.MustCompile(regexp.QuoteMeta(filepath.Join(os.TempDir(), "streamhouse-test-")) + `\d+`), "DIR"},
	{regexp.MustCompile(`adminclient-\d+`), "adminclient-N"},
	{regexp.MustCompile(`(TIME *\t)\d+( *\t)`), "${1}MS$2"}, // kafka-transactions: since when
	// kafka-metadata-quorum
	{regexp.MustCompile(`^(HighWatermark|LeaderEpoch|MaxFollowerLagTimeMs): +\d+`), "$1: N"},
	{regexp.MustCompile(`^(1 +\t[A-Za-z0-9_-]{22}\t)\d+`), "${1}N"},
	{regexp.MustCompile(`Epoch: \d+$`), "Epoch: N"}, // kafka-features: of the metadata log
	// a set, in no order
	{regexp.MustCompile(`(Valid states are|takes the following options): .*`), "$1: SET"},
	{regexp.MustCompile(`topicPartitions=[^)]*`), "topicPartitions=SET"},
	{regexp.MustCompile(`\d+ ms ago`), "N ms ago"},
}

// normal takes what is never the same twice out of what a tool printed, and what says
// nothing about the broker: frames of stack traces, the description of options. Columns
// are as wide as what they hold, so runs of blanks become one.
func normal(lines []string) []string {
	out := []string{}
	for _, line := range oneByOne(withoutUsage(lines)) {
		if strings.HasPrefix(line, "! \tat ") || strings.HasPrefix(line, "! \t...") || strings.HasPrefix(line, "\tat ") ||
			strings.Contains(line, retentionDelay+"=") {
			continue
		}
		for _, n := range never {
			line = n.part.ReplaceAllString(line, n.with)
		}
		out = append(out, strings.TrimRight(blanks.ReplaceAllString(line, " "), " "))
	}
	return out
}

var blanks = regexp.MustCompile(` {2,}`)

// withoutUsage leaves out the table of options that a tool prints when it is called the
// wrong way; the last line, which says what is wrong, stays.
func withoutUsage(lines []string) []string {
	for i, line := range lines {
		if usage.MatchString(line) {
			return append(slices.Clone(lines[:i]), "! [usage]", lines[len(lines)-1])
		}
	}
	return lines
}

var usage = regexp.MustCompile(`^! Option( \(\* = required\))? +Description`)

// oneByOne breaks up what the formatters of internal topics print without line ends.
func oneByOne(lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	return strings.Split(strings.ReplaceAll(strings.Join(lines, "\n"), `}{"key":`, "}\n{\"key\":"), "\n")
}
