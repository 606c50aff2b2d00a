module github.com/streamhouse/streamhouse/tests/history/guests/confluentgo

go 1.26.0

require (
	github.com/confluentinc/confluent-kafka-go/v2 v2.11.1
	github.com/streamhouse/streamhouse/tests/history/guests/told v0.0.0
)

replace github.com/streamhouse/streamhouse/tests/history/guests/told => ../told
