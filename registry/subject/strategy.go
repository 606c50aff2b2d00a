package subject

import (
	"fmt"
	"strings"
)

// Strategy says which subject the schema of a record belongs to.
type Strategy uint8

// The strategies of Confluent's serializers.
const (
	TopicName       Strategy = iota // T-key, T-value
	RecordName                      // the record's full name
	TopicRecordName                 // T-record
)

const strategyPackage = "io.confluent.kafka.serializers.subject."

var strategies = []string{"TopicNameStrategy", "RecordNameStrategy", "TopicRecordNameStrategy"}

// ParseStrategy reads the name of a strategy's class, with or without its package.
func ParseStrategy(text string) (Strategy, error) {
	short := strings.TrimPrefix(text, strategyPackage)
	for i, s := range strategies {
		if short == s {
			return Strategy(i), nil
		}
	}
	return 0, fmt.Errorf("%q is none of %s", text, strings.Join(strategies, ", "))
}

// String is the full name of the class.
func (s Strategy) String() string { return strategyPackage + strategies[s] }

// ByRecord says whether the record's name is needed.
func (s Strategy) ByRecord() bool { return s != TopicName }

// Subject is the subject for a topic's keys or values.
func (s Strategy) Subject(topic string, key bool, record string) string {
	switch s {
	case RecordName:
		return record
	case TopicRecordName:
		return topic + "-" + record
	}
	if key {
		return topic + "-key"
	}
	return topic + "-value"
}
