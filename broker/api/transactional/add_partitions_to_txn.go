package transactional

// AddPartitionsToTxn (key 24): versions 0-5.
//
//	v0     partitions of one transaction, an error for each
//	v1     throttling after the answer (KIP-219)
//	v2     PRODUCER_FENCED (KIP-588)
//	v3     flexible
//	v4     several transactions, and verification without adding: from brokers (KIP-890)
//	v5     error code TRANSACTION_ABORTABLE (KIP-890)
//
// All partitions are added or none: if one does not exist, or belongs to an internal
// topic, the others get OPERATION_NOT_ATTEMPTED.

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/coordinator/transactions"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/protocol"
)

// addsBatched is the version from which on brokers send transactions together.
const addsBatched = 4

// addToTxn is one transaction of the request.
type addToTxn struct {
	id       string
	producer transactions.Producer
	verify   bool
	topics   []kmsg.AddPartitionsToTxnRequestTopic
}

// AddPartitionsToTxn makes partitions part of transactions.
func (x *Handlers) AddPartitionsToTxn(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.AddPartitionsToTxnRequest)
	resp := kmsg.NewPtrAddPartitionsToTxnResponse()
	resp.Topics = []kmsg.AddPartitionsToTxnResponseTopic{}
	resp.Transactions = []kmsg.AddPartitionsToTxnResponseTransaction{}
	if r.Version < addsBatched {
		t := &addToTxn{req.TransactionalID, transactions.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch}, false, req.Topics}
		resp.Topics = x.addPartitions(ctx, r, t)
		return resp, nil
	}
	if code := r.Cluster(kmsg.ACLOperationClusterAction); code != protocol.None {
		resp.ErrorCode = int16(code)
		return resp, nil
	}
	for i := range req.Transactions {
		in := &req.Transactions[i]
		t := &addToTxn{id: in.TransactionalID, producer: transactions.Producer{ID: in.ProducerID, Epoch: in.ProducerEpoch}, verify: in.VerifyOnly}
		t.topics = onceEach(in.Topics)
		out := kmsg.NewAddPartitionsToTxnResponseTransaction()
		out.TransactionalID = in.TransactionalID
		out.Topics = []kmsg.AddPartitionsToTxnResponseTransactionTopic{}
		for _, topic := range x.addPartitions(ctx, r, t) {
			added := kmsg.AddPartitionsToTxnResponseTransactionTopic{Topic: topic.Topic}
			for _, p := range topic.Partitions {
				added.Partitions = append(added.Partitions, kmsg.AddPartitionsToTxnResponseTransactionTopicPartition(p))
			}
			out.Topics = append(out.Topics, added)
		}
		resp.Transactions = append(resp.Transactions, out)
	}
	return resp, nil
}

// onceEach names each topic and each of its partitions once, and no topic without any.
func onceEach(topics []kmsg.AddPartitionsToTxnRequestTransactionTopic) (out []kmsg.AddPartitionsToTxnRequestTopic) {
	at, seen := make(map[string]int, len(topics)), make(map[txn.TopicPartition]bool)
	for _, t := range topics {
		for _, p := range t.Partitions {
			tp := txn.TopicPartition{Topic: t.Topic, Partition: p}
			if seen[tp] {
				continue
			}
			seen[tp] = true
			if _, again := at[t.Topic]; !again {
				at[t.Topic] = len(out)
				out = append(out, kmsg.AddPartitionsToTxnRequestTopic{Topic: t.Topic})
			}
			entry := &out[at[t.Topic]]
			entry.Partitions = append(entry.Partitions, p)
		}
	}
	return out
}

// addPartitions answers for one transaction.
func (x *Handlers) addPartitions(ctx context.Context, r *api.Request, t *addToTxn) []kmsg.AddPartitionsToTxnResponseTopic {
	var parts []txn.TopicPartition
	var codes []protocol.Code
	refused, whole := false, protocol.None
	if r.Version < addsBatched {
		whole = r.TransactionalID(t.id, kmsg.ACLOperationWrite)
	}
	for i := range t.topics {
		for _, p := range t.topics[i].Partitions {
			code := whole
			if code == protocol.None {
				code = x.addable(r, t.topics[i].Topic, p)
			}
			refused = refused || code != protocol.None
			parts = append(parts, txn.TopicPartition{Topic: t.topics[i].Topic, Partition: p})
			codes = append(codes, code)
		}
	}
	switch {
	case refused:
		for i := range codes {
			if codes[i] == protocol.None {
				codes[i] = protocol.OperationNotAttempted
			}
		}
	case t.verify:
		codes = x.Coordinator.Verify(ctx, t.id, t.producer, parts)
	default:
		protocolVersion := txn.Version0
		if r.Version >= addsBatched {
			protocolVersion = txn.Version2
		}
		code := txn.RequestCode(x.Coordinator.AddPartitions(ctx, t.id, t.producer, protocolVersion, parts), r.Version)
		for i := range codes {
			codes[i] = code
		}
	}
	return addAnswer(t.topics, codes)
}

// addable says whether a client may add a partition to its transaction. Brokers add
// those of internal topics, too.
func (x *Handlers) addable(r *api.Request, topic string, partition int32) protocol.Code {
	switch {
	case r.Version < addsBatched && catalog.IsInternal(topic):
		return protocol.TopicAuthorizationFailed
	case r.Version < addsBatched:
		_, code := r.TopicPartition(x.Topics, api.Named(topic), partition, kmsg.ACLOperationWrite)
		return code
	}
	t, code := api.Find(x.Topics, api.Named(topic)) // a broker's right is the cluster's
	if code == protocol.None && !api.HasPartition(t, partition) {
		return protocol.UnknownTopicOrPartition
	}
	return code
}

// addAnswer gives the partitions of the request their codes, in order.
func addAnswer(topics []kmsg.AddPartitionsToTxnRequestTopic, codes []protocol.Code) []kmsg.AddPartitionsToTxnResponseTopic {
	answer := []kmsg.AddPartitionsToTxnResponseTopic{}
	for i := range topics {
		out := kmsg.AddPartitionsToTxnResponseTopic{Topic: topics[i].Topic, Partitions: []kmsg.AddPartitionsToTxnResponseTopicPartition{}}
		for _, p := range topics[i].Partitions {
			e := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
			e.Partition, e.ErrorCode = p, int16(codes[0])
			codes = codes[1:]
			out.Partitions = append(out.Partitions, e)
		}
		answer = append(answer, out)
	}
	return answer
}
