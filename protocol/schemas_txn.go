package protocol

import (
	"unsafe"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// txnSchemas are the request bodies of transactions.
//
// Source: as for schemas.
var txnSchemas = map[int16]*layout{
	KeyAddPartitionsToTxn: {size: int(unsafe.Sizeof(kmsg.AddPartitionsToTxnRequest{})), fields: []field{
		until(3, str),    // transactional id
		until(3, int64s), // producer id
		until(3, int16s), // producer epoch
		until(3, array(unsafe.Sizeof(kmsg.AddPartitionsToTxnRequestTopic{}),
			all(str),
			all(arrayOf(int32s)),
		)),
		since(4, array(unsafe.Sizeof(kmsg.AddPartitionsToTxnRequestTransaction{}),
			all(str),     // transactional id
			all(int64s),  // producer id
			all(int16s),  // producer epoch
			all(boolean), // verify only
			all(array(unsafe.Sizeof(kmsg.AddPartitionsToTxnRequestTransactionTopic{}),
				all(str),
				all(arrayOf(int32s)),
			)),
		)),
	}},
	KeyAddOffsetsToTxn: {size: int(unsafe.Sizeof(kmsg.AddOffsetsToTxnRequest{})), fields: []field{
		all(str),    // transactional id
		all(int64s), // producer id
		all(int16s), // producer epoch
		all(str),    // group
	}},
	KeyEndTxn: {size: int(unsafe.Sizeof(kmsg.EndTxnRequest{})), fields: []field{
		all(str),     // transactional id
		all(int64s),  // producer id
		all(int16s),  // producer epoch
		all(boolean), // commit
	}},
	KeyWriteTxnMarkers: {size: int(unsafe.Sizeof(kmsg.WriteTxnMarkersRequest{})), fields: []field{
		all(array(unsafe.Sizeof(kmsg.WriteTxnMarkersRequestMarker{}),
			all(int64s),  // producer id
			all(int16s),  // producer epoch
			all(boolean), // commit
			all(array(unsafe.Sizeof(kmsg.WriteTxnMarkersRequestMarkerTopic{}),
				all(str),
				all(arrayOf(int32s)),
			)),
			all(int32s),     // coordinator epoch
			since(2, int8s), // transaction version
		)),
	}},
	KeyTxnOffsetCommit: {size: int(unsafe.Sizeof(kmsg.TxnOffsetCommitRequest{})), fields: []field{
		all(str),             // transactional id
		all(str),             // group
		all(int64s),          // producer id
		all(int16s),          // producer epoch
		since(3, int32s),     // generation
		since(3, str),        // member
		since(3, nullString), // instance
		all(array(unsafe.Sizeof(kmsg.TxnOffsetCommitRequestTopic{}),
			until(5, str),
			since(6, uuid),
			all(array(unsafe.Sizeof(kmsg.TxnOffsetCommitRequestTopicPartition{}),
				all(int32s),      // partition
				all(int64s),      // offset
				since(2, int32s), // leader epoch
				all(nullString),  // metadata
			)),
		)),
	}},
	KeyDescribeTransactions: {size: int(unsafe.Sizeof(kmsg.DescribeTransactionsRequest{})), fields: []field{
		all(arrayOf(str)), // transactional ids
	}},
	KeyListTransactions: {size: int(unsafe.Sizeof(kmsg.ListTransactionsRequest{})), fields: []field{
		all(arrayOf(str)),    // states
		all(arrayOf(int64s)), // producer ids
		since(1, int64s),     // duration
		since(2, nullString), // pattern of transactional ids
	}},
}
