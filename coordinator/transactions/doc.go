// Package transactions is the transaction coordinator: it owns the transactional ids of
// this broker, runs the rules of coordinator/txn, and keeps their outcome as Kafka's own
// records in __transaction_state.
package transactions
