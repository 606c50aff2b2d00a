module github.com/streamhouse/streamhouse/tests/clients/program

go 1.26.0
