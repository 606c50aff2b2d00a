package transactional_test

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/coordinator/transactions"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/metadata/features"
	"github.com/streamhouse/streamhouse/protocol"
)

// startTransactional is a broker with the topic a of two partitions.
func startTransactional(t *testing.T) (*apitest.Broker, *apitest.Coordinator) {
	x := &apitest.Coordinator{}
	b := apitest.Start(t, apitest.Options{Coordinator: x})
	b.Topic("a", 2, nil)
	return b, x
}

func asked(t *testing.T, x *apitest.Coordinator, want string) {
	t.Helper()
	if got := x.Last(); got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
}

func TestAddPartitionsToTxn(t *testing.T) {
	b, x := startTransactional(t)
	type parts map[string][]int32
	apitest.Versions(t, protocol.KeyAddPartitionsToTxn, func(t *testing.T, version int16) {
		c := b.Dial()
		// ask returns "topic-partition code" of everything, in order.
		ask := func(verify bool, names []string, p parts) string {
			req := kmsg.NewPtrAddPartitionsToTxnRequest()
			req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch = version, "tx", 5, 6
			in := kmsg.NewAddPartitionsToTxnRequestTransaction()
			in.TransactionalID, in.ProducerID, in.ProducerEpoch, in.VerifyOnly = "tx", 5, 6, verify
			for _, n := range names {
				req.Topics = append(req.Topics, kmsg.AddPartitionsToTxnRequestTopic{Topic: n, Partitions: p[n]})
				in.Topics = append(in.Topics, kmsg.AddPartitionsToTxnRequestTransactionTopic{Topic: n, Partitions: p[n]})
			}
			req.Transactions = []kmsg.AddPartitionsToTxnRequestTransaction{in}
			resp := c.Call(req).(*kmsg.AddPartitionsToTxnResponse)
			got := ""
			for _, topic := range resp.Topics {
				for _, p := range topic.Partitions {
					got += fmt.Sprintf("%s-%d %d,", topic.Topic, p.Partition, p.ErrorCode)
				}
			}
			for _, out := range resp.Transactions {
				if out.TransactionalID != "tx" {
					t.Error(out.TransactionalID)
				}
				for _, topic := range out.Topics {
					for _, p := range topic.Partitions {
						got += fmt.Sprintf("%s-%d %d,", topic.Topic, p.Partition, p.ErrorCode)
					}
				}
			}
			return got
		}
		check := func(got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		x.Code = protocol.None
		check(ask(false, []string{"a"}, parts{"a": {1, 0}}), "a-1 0,a-0 0,")
		rules := 0
		if version >= 4 {
			rules = 2
		}
		asked(t, x, fmt.Sprintf("add tx {5 6} v%d [{a 1} {a 0}]", rules))
		x.Code = protocol.ProducerFenced
		fenced := map[bool]int{true: 47, false: 90}[version < 2]
		check(ask(false, []string{"a"}, parts{"a": {1}}), fmt.Sprintf("a-1 %d,", fenced))
		x.Last()
		check(ask(false, []string{"a", "none"}, parts{"a": {1, 2}, "none": {0}}), "a-1 55,a-2 3,none-0 3,")
		asked(t, x, "")
		internal := map[bool]int{true: 29, false: 3}[version < 4] // it does not exist here
		check(ask(false, []string{"__consumer_offsets", "a"}, parts{"a": {1}, "__consumer_offsets": {0}}),
			fmt.Sprintf("__consumer_offsets-0 %d,a-1 55,", internal))
		if version >= 4 {
			x.Codes = []protocol.Code{protocol.None, protocol.TransactionAbortable}
			check(ask(true, []string{"a"}, parts{"a": {1, 0}}), "a-1 0,a-0 120,")
			asked(t, x, "verify tx {5 6} [{a 1} {a 0}]")
		}
	})
}

func TestAddOffsetsToTxn(t *testing.T) {
	b, x := startTransactional(t)
	apitest.Versions(t, protocol.KeyAddOffsetsToTxn, func(t *testing.T, version int16) {
		c := b.Dial()
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = version, "tx", 5, 6, "g"
		x.Code = protocol.None
		apitest.Is(t, "added", c.Call(req).(*kmsg.AddOffsetsToTxnResponse).ErrorCode, protocol.None)
		asked(t, x, "offsets tx {5 6} g")
		x.Code = protocol.ProducerFenced
		want := protocol.ProducerFenced
		if version < 2 {
			want = protocol.InvalidProducerEpoch
		}
		apitest.Is(t, "fenced", c.Call(req).(*kmsg.AddOffsetsToTxnResponse).ErrorCode, want)
	})
}

func TestEndTxn(t *testing.T) {
	b, x := startTransactional(t)
	apitest.Versions(t, protocol.KeyEndTxn, func(t *testing.T, version int16) {
		c := b.Dial()
		req := kmsg.NewPtrEndTxnRequest()
		req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = version, "tx", 5, 6, true
		x.Code, x.Next = protocol.None, transactions.Producer{ID: 5, Epoch: 7}
		r := c.Call(req).(*kmsg.EndTxnResponse)
		apitest.Is(t, "ended", r.ErrorCode, protocol.None)
		rules, id, epoch := 0, int64(-1), int16(-1)
		if version >= 5 {
			rules, id, epoch = 2, 5, 7
		}
		if r.ProducerID != id && version >= 5 || r.ProducerEpoch != epoch && version >= 5 {
			t.Errorf("%+v", r)
		}
		asked(t, x, fmt.Sprintf("end tx {5 6} true v%d", rules))
		x.Code = protocol.ProducerFenced
		want := protocol.ProducerFenced
		if version < 2 {
			want = protocol.InvalidProducerEpoch
		}
		r = c.Call(req).(*kmsg.EndTxnResponse)
		apitest.Is(t, "fenced", r.ErrorCode, want)
		if version >= 5 && (r.ProducerID != -1 || r.ProducerEpoch != -1) {
			t.Errorf("%+v", r)
		}
	})
}

func TestWriteTxnMarkers(t *testing.T) {
	b, x := startTransactional(t)
	apitest.Versions(t, protocol.KeyWriteTxnMarkers, func(t *testing.T, version int16) {
		req := kmsg.NewPtrWriteTxnMarkersRequest()
		req.Version = version
		m := kmsg.NewWriteTxnMarkersRequestMarker()
		m.ProducerID, m.ProducerEpoch, m.Committed, m.CoordinatorEpoch, m.TransactionVersion = 5, 6, true, 7, 2
		m.Topics = []kmsg.WriteTxnMarkersRequestMarkerTopic{{Topic: "a", Partitions: []int32{1, 0}}, {Topic: "b", Partitions: []int32{4}}}
		req.Markers = []kmsg.WriteTxnMarkersRequestMarker{m}
		x.Codes = []protocol.Code{protocol.None, protocol.InvalidProducerEpoch, protocol.UnknownTopicOrPartition}
		r := b.Dial().Call(req).(*kmsg.WriteTxnMarkersResponse)
		got := ""
		for _, m := range r.Markers {
			got += fmt.Sprintf("producer %d:", m.ProducerID)
			for _, topic := range m.Topics {
				for _, p := range topic.Partitions {
					got += fmt.Sprintf(" %s-%d %d", topic.Topic, p.Partition, p.ErrorCode)
				}
			}
		}
		if want := "producer 5: a-1 0 a-0 47 b-4 3"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		rules := map[bool]int{true: 2, false: 0}[version >= 2]
		asked(t, x, fmt.Sprintf("mark {Producer:{ID:5 Epoch:6} Commit:true CoordinatorEpoch:7 Version:%d Partitions:[{Topic:a Partition:1} {Topic:a Partition:0} {Topic:b Partition:4}]}", rules))
	})
}

func TestDescribeTransactions(t *testing.T) {
	b, x := startTransactional(t)
	req := kmsg.NewPtrDescribeTransactionsRequest()
	req.TransactionalIDs = []string{"tx"}
	x.State = &txn.State{
		ProducerID: 5, Epoch: 6, TimeoutMs: 7, Status: txn.Ongoing, StartMs: 8,
		Partitions: []txn.TopicPartition{{Topic: "a", Partition: 0}, {Topic: "a", Partition: 1}, {Topic: "b", Partition: 4}},
	}
	c := b.Dial()
	s := c.Call(req).(*kmsg.DescribeTransactionsResponse).TransactionStates[0]
	if s.ErrorCode != 0 || s.TransactionalID != "tx" || s.State != "Ongoing" || s.TimeoutMillis != 7 || s.StartTimestamp != 8 ||
		s.ProducerID != 5 || s.ProducerEpoch != 6 || fmt.Sprintf("%+v", s.Topics[0].Partitions) != "[0 1]" || s.Topics[1].Topic != "b" || s.Topics[1].Partitions[0] != 4 {
		t.Errorf("%+v", s)
	}
	asked(t, x, "describe tx")
	x.Code = protocol.TransactionalIDNotFound
	s = c.Call(req).(*kmsg.DescribeTransactionsResponse).TransactionStates[0]
	apitest.Is(t, "unknown", s.ErrorCode, protocol.TransactionalIDNotFound)
	if s.TransactionalID != "tx" || s.State != "" || len(s.Topics) != 0 {
		t.Errorf("%+v", s)
	}
}

func TestListTransactions(t *testing.T) {
	b, x := startTransactional(t)
	apitest.Versions(t, protocol.KeyListTransactions, func(t *testing.T, version int16) {
		c := b.Dial()
		x.Code = protocol.None
		x.Listed = []transactions.Listed{{ID: "tx", ProducerID: 5, Status: txn.CompleteAbort}}
		req := kmsg.NewPtrListTransactionsRequest()
		req.Version = version
		r := c.Call(req).(*kmsg.ListTransactionsResponse)
		if r.ErrorCode != 0 || len(r.TransactionStates) != 1 || r.TransactionStates[0].TransactionState != "CompleteAbort" ||
			r.TransactionStates[0].TransactionalID != "tx" || r.TransactionStates[0].ProducerID != 5 {
			t.Errorf("%+v", r)
		}
		asked(t, x, "list [] [] false -1 ")
		pattern := "t.*|u"
		req.StateFilters, req.ProducerIDFilters = []string{"Ongoing", "ongoing", "Dead"}, []int64{5, 6}
		req.DurationFilterMillis, req.TransactionalIDPattern = 9, &pattern
		r = c.Call(req).(*kmsg.ListTransactionsResponse)
		if fmt.Sprint(r.UnknownStateFilters) != "[ongoing]" {
			t.Error(r.UnknownStateFilters)
		}
		duration, full := -1, ""
		if version >= 1 {
			duration = 9
		}
		if version >= 2 {
			full = `\A(?:t.*|u)\z`
		}
		asked(t, x, fmt.Sprintf("list [5 6] [Ongoing Dead] false %d %s", duration, full))
		req.StateFilters = []string{"nonsense"}
		c.Call(req)
		asked(t, x, fmt.Sprintf("list [5 6] [] true %d %s", duration, full))
		if version >= 2 {
			pattern = "("
			apitest.Is(t, "bad pattern", c.Call(req).(*kmsg.ListTransactionsResponse).ErrorCode, protocol.InvalidRegularExpression)
		}
		req.TransactionalIDPattern = nil
		x.Code, x.Listed = protocol.CoordinatorLoadInProgress, nil
		apitest.Is(t, "loading", c.Call(req).(*kmsg.ListTransactionsResponse).ErrorCode, protocol.CoordinatorLoadInProgress)
	})
}

func TestTransactionVersionIsLowered(t *testing.T) {
	b, _ := startTransactional(t)
	apitest.Versions(t, protocol.KeyUpdateFeatures, func(t *testing.T, version int16) {
		c := b.Dial()
		shown := func() (level int16, epoch int64) {
			req := kmsg.NewPtrApiVersionsRequest()
			req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = 4, "x", "1"
			r := c.Call(req).(*kmsg.ApiVersionsResponse)
			for _, f := range r.FinalizedFeatures {
				if f.Name == features.Transaction {
					level = f.MaxVersionLevel
				}
			}
			return level, r.FinalizedFeaturesEpoch
		}
		update := func(level int16, kind int8) kmsg.UpdateFeaturesRequestFeatureUpdate {
			u := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
			u.Feature, u.MaxVersionLevel, u.UpgradeType = features.Transaction, level, kind
			return u
		}
		ask := func(dry bool, updates ...kmsg.UpdateFeaturesRequestFeatureUpdate) protocol.Code {
			req := kmsg.NewPtrUpdateFeaturesRequest()
			req.Version, req.ValidateOnly, req.FeatureUpdates = version, dry, updates
			return protocol.Code(c.Call(req).(*kmsg.UpdateFeaturesResponse).ErrorCode)
		}
		set := func(level int16, kind int8, dry bool) protocol.Code { return ask(dry, update(level, kind)) }
		if level, _ := shown(); level != 2 {
			t.Fatal(level)
		}
		_, before := shown()
		if code := set(1, 1, false); code != protocol.InvalidUpdateVersion {
			t.Error("lowered by an upgrade:", code)
		}
		if code := set(3, 1, false); code != protocol.InvalidUpdateVersion {
			t.Error("above what is supported:", code)
		}
		if code := ask(false, update(1, 1), update(2, 1)); code != protocol.None {
			t.Error("named twice, and the last change is none:", code)
		}
		if version == 0 {
			return // knows upgrades only
		}
		if code := set(1, 2, true); code != protocol.None {
			t.Error("validated:", code)
		}
		if level, epoch := shown(); level != 2 || epoch != before {
			t.Error("validation alone has changed it:", level, epoch)
		}
		for _, next := range []struct {
			level int16
			kind  int8
		}{{1, 2}, {0, 3}, {2, 1}} {
			if code := set(next.level, next.kind, false); code != protocol.None {
				t.Error(code)
			}
			level, epoch := shown()
			if level != next.level || epoch <= before {
				t.Errorf("level %d in epoch %d, want %d above %d", level, epoch, next.level, before)
			}
			before = epoch
		}
		if code := set(1, 2, false); code != protocol.None {
			t.Error(code)
		}
		if code := set(2, 2, false); code != protocol.InvalidUpdateVersion {
			t.Error("raised by a downgrade:", code)
		}
		if code := set(2, 1, false); code != protocol.None {
			t.Error(code)
		}
	})
}
