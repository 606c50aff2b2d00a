//go:build race

package sqlite_test

// raceEnabled: the detector makes SQLite, which is translated to Go, forty times slower.
const raceEnabled = true
