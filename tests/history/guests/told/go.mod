module github.com/streamhouse/streamhouse/tests/history/guests/told

go 1.26.0
