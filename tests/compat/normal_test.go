package compat

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ignored fields are not compared.
var ignored = map[string]string{
	"Version":                "the case's own",
	"UnknownTags":            "no broker sends any",
	"ThrottleMillis":         "a time",
	"LogAppendTime":          "a time",
	"TimestampMillis":        "a time",
	"ClusterID":              "each cluster's own",
	"NodeID":                 "each cluster's own",
	"ControllerID":           "each cluster's own",
	"Host":                   "each broker's own",
	"Port":                   "each broker's own",
	"LeaderEpoch":            "counts the leaders there were",
	"OfflineReplicas":        "node ids",
	"SupportedFeatures":      "versions of the broker itself",
	"FinalizedFeatures":      "versions of the broker itself",
	"FinalizedFeaturesEpoch": "versions of the broker itself",
	"ApiKeys":                "what is served is compared elsewhere",
	"Documentation":          "prose",
}

// present fields are compared by whether they are there: set or unset.
var present = map[string]bool{
	"TopicID": true, "MemberID": true, "LeaderID": true, "SessionID": true, "ProducerID": true,
	"Leader": true, "Coordinator": true,
}

// counted fields are lists of node ids or opaque bytes: compared by length.
var counted = map[string]bool{
	"Replicas": true, "ISR": true, "RecordBatches": true,
}

// normal turns a response into plain data without what differs by nature. version is
// how the case spelled its version in names; it becomes vN.
func normal(resp kmsg.Response, version string) (any, error) {
	text, err := json.Marshal(resp)
	if err != nil {
		return nil, err
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, err
	}
	return walk("", tree, version), nil
}

func walk(name string, v any, version string) any {
	switch {
	case present[name]:
		return shown(v)
	case counted[name]:
		return length(v)
	}
	switch v := v.(type) {
	case map[string]any:
		for k, field := range v {
			if _, ok := ignored[k]; ok {
				delete(v, k)
				continue
			}
			v[k] = walk(k, field, version)
		}
		return v
	case []any:
		for i := range v {
			v[i] = walk("", v[i], version)
		}
		// The order of topics and the like is that of a hash map in Kafka.
		slices.SortFunc(v, func(a, b any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		return v
	case string:
		return strings.ReplaceAll(v, "-"+version+"-", "-vN-")
	}
	return v
}

// shown is set or unset: nothing, zero, minus one and empty are unset.
func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return "unset"
	case string:
		if v == "" {
			return "unset"
		}
	case float64:
		if v < 0 || v == 0 {
			return "unset"
		}
	case []any:
		if !slices.ContainsFunc(v, func(b any) bool { return b != 0.0 }) {
			return "unset"
		}
	}
	return "set"
}

// length keeps null and empty apart.
func length(v any) any {
	switch v := v.(type) {
	case []any:
		return len(v)
	case string:
		return len(v)
	}
	return nil
}
