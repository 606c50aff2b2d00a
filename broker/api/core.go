package api

// Core has the handlers of the APIs that need topics, configs and the log, one
// method per key, each in a file of its own.
type Core struct {
	Node   *Node
	Routes *Routes
	Topics Directory
	Log    Log
}
