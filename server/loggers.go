package server

// loggerNames are the loggers whose levels can be changed while the broker runs: the
// names that this package gives to the parts it assembles.
var loggerNames = []string{"api", "broker", "catalog", "groups", "http", "journal", "log", "transactions", "upkeep"}
