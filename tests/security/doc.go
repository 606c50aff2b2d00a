// Package security holds who may connect, as a real broker's clients see it: TLS and
// certificates, logins, and what is said when they fail.
package security
