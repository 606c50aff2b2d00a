module github.com/streamhouse/streamhouse/tests/history/guests/kafkago

go 1.26.0

require (
	github.com/segmentio/kafka-go v0.4.51
	github.com/streamhouse/streamhouse/tests/history/guests/told v0.0.0
)

require (
	github.com/klauspost/compress v1.15.9 // indirect
	github.com/pierrec/lz4/v4 v4.1.15 // indirect
)

replace github.com/streamhouse/streamhouse/tests/history/guests/told => ../told
