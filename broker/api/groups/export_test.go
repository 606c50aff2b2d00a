package groups

// What tests of the package look at from outside.

// JoinRequest is how a request reaches the rules.
var JoinRequest = (*Handlers).joinRequest
