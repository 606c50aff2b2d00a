package compat

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// testCase is one request, sent in each lane from..to. A lane is a client's
// generation: in lane 5 every request has version 5, or the nearest one that its API
// has. For cases of one API the lanes are simply its versions.
type testCase struct {
	name string
	// from and to are the first and the last lane; both zero are all versions of the
	// request's API that Kafka 4.4 serves.
	from, to int16
	// exact says that lane 0 is meant where both are zero.
	exact bool
	// unlisted sends the request to a broker that does not advertise its API, at the
	// lane's version.
	unlisted bool
	// request is the body; the runner sets its version. A name that has to differ by
	// lane is made with each.
	request func(w *world, lane int16) kmsg.Request
	// on names the connection; each lane has its own of a name. Empty is the one
	// connection of the suite.
	on string
	// start sends the request and leaves its answer to the case that names it in await.
	start bool
	await string
	// until, if set, asks again until it is content: for what a client retries too.
	until func(kmsg.Response) bool
	// keep, if set, remembers what later cases need.
	keep func(w *world, lane int16, r kmsg.Response)
	// silent: Kafka gives no answer. One is waited for shortly, and the connection is
	// given up.
	silent bool
	// shape marks what nobody wrote by hand: Kafka may leave it without an answer.
	shape bool
	// ignore names fields that are not compared in this case, beyond those of its API.
	ignore []string
	// patch changes the encoded body, for what an encoder cannot say.
	patch func(body []byte) []byte
}

// answer is what a broker said in a run of lanes in which it said the same.
type answer struct {
	From, To int16
	Answer   any
}

// span is how a run of lanes is written: 3 or 3-13.
func span(from, to int16) string {
	if from == to {
		return strconv.Itoa(int(from))
	}
	return fmt.Sprintf("%d-%d", from, to)
}

// parseSpan reads what span writes.
func parseSpan(s string) (from, to int16, err error) {
	a, b, ranged := strings.Cut(s, "-")
	if !ranged {
		b = a
	}
	x, err := strconv.ParseInt(a, 10, 16)
	if err != nil {
		return 0, 0, err
	}
	y, err := strconv.ParseInt(b, 10, 16)
	return int16(x), int16(y), err
}

// each is a name that differs by lane, so that a case can act in each anew.
func each(name string, lane int16) string { return fmt.Sprintf("%s-v%d-", name, lane) }

// null is sent as a null string by the raw encoding, where an encoder would not have
// one; nulls as the only element of an array of strings is sent as a null array.
const (
	null  = "\x01null"
	nulls = "\x01nulls"
)

// kafkaVersions are the ranges that Kafka 4.4.0 serves; asking it checks them.
var kafkaVersions = map[int16][2]int16{
	0: {3, 13}, 1: {4, 18}, 2: {1, 11}, 3: {0, 13}, 8: {2, 10}, 9: {1, 10}, 10: {0, 6}, 11: {0, 9},
	12: {0, 4}, 13: {0, 5}, 14: {0, 5}, 15: {0, 6}, 16: {0, 5}, 17: {0, 1}, 18: {0, 5}, 19: {2, 7}, 20: {1, 6},
	21: {0, 2}, 22: {0, 5}, 23: {2, 4}, 24: {0, 5}, 25: {0, 4}, 26: {0, 5}, 27: {1, 2}, 28: {0, 6}, 29: {1, 3}, 30: {1, 3}, 31: {1, 3}, 32: {1, 4}, 33: {0, 2},
	34: {1, 2}, 35: {1, 5}, 36: {0, 2}, 37: {0, 3}, 42: {0, 3}, 43: {0, 2}, 44: {0, 1}, 45: {0, 1}, 46: {0, 0},
	47: {0, 0}, 48: {0, 1}, 49: {0, 1}, 50: {0, 0}, 51: {0, 0}, 55: {0, 2}, 57: {0, 2}, 60: {0, 2},
	61: {0, 0}, 64: {0, 0}, 65: {0, 0}, 66: {0, 2}, 68: {0, 1}, 69: {0, 1}, 74: {0, 1}, 75: {0, 0},
	80: {0, 1}, 81: {0, 0}, 94: {0, 0},
}
