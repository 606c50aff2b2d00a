// Package transactions tests from outside what transactions promise and what takes a
// broker of a test's own to see: timeouts, expiry, epochs that are used up, ends that
// were begun before a kill, hanging transactions and what an administrator does to them.
// Most of it is asked of Apache Kafka too (-broker kafka), answer for answer.
package transactions
