package coordinator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/mem"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/journal"
	journalfile "github.com/streamhouse/streamhouse/storage/journal/file"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// broker is a coordinator over the real log and a file journal in dir.
type broker struct {
	*Coordinator
	topics *fakeTopics
	stop   func()
}

// everyTopic leads every topic with one epoch.
type everyTopic int32

func (e everyTopic) LeaderEpoch(pack.PartitionID) (int32, bool) { return int32(e), true }

func startBroker(t *testing.T, dir string, epoch int32) *broker {
	t.Helper()
	j, err := journalfile.Open(journalfile.Config{Dir: dir, ClusterID: "cluster", VolumeBytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	none := errors.New("nothing is sealed here")
	l, err := log.Open(t.Context(), log.Config{
		Journal: j, Store: mem.New(time.Now), Topics: everyTopic(epoch),
		Segments:   segment.NewIndex(1<<20, func(context.Context, metadata.Segment, []byte, int64) error { return none }),
		OpenObject: func(context.Context, string, int64) (journal.Source, error) { return nil, none },
		Logger:     zap.NewNop(), Registry: prometheus.NewRegistry(), Now: time.Now, VolumeBytes: 8 << 20,
		ProducerExpiry: func() time.Duration { return time.Hour },
	})
	if err != nil {
		t.Fatal(err)
	}
	opts := DefaultOptions()
	opts.Group.InitialRebalanceDelay = 0
	topics := newFakeTopics("t")
	if epoch > 0 {
		topics.topics[TopicName] = Topic{ID: pack.TopicID{0xff}, Name: TopicName, Partitions: 50}
		topics.epoch = epoch
	}
	b := &broker{Coordinator: New(opts, topics, StorageLog(l), nil), topics: topics}
	ctx, cancel := context.WithCancel(context.Background())
	logCtx, cancelLog := context.WithCancel(context.Background())
	ran := make(chan error, 2)
	go func() { ran <- b.Run(ctx) }()
	logRan := make(chan error, 1)
	go func() { logRan <- l.Run(logCtx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		err := <-ran
		cancelLog()
		if err := errors.Join(err, <-logRan, j.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(b.stop)
	if code := b.Find(t.Context(), "any"); code != protocol.None {
		t.Fatal(code)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		if _, code := b.ListGroups(&Filter{}); code == protocol.None {
			return b
		}
		if time.Now().After(deadline) {
			t.Fatal("the groups do not load")
		}
		time.Sleep(time.Millisecond)
	}
}

// copyFolder is what a crash leaves: the files as they are at some moment while they
// are being written.
func copyFolder(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(filepath.Join(to, "lock"))
	return to
}

func (b *broker) offset(t *testing.T, id string, partition int32) int64 {
	t.Helper()
	f, code := b.FetchOffsets(id, []FetchTopic{{Topic: "t", Partitions: []int32{partition}}}, false)
	if code != protocol.None {
		t.Fatal(code)
	}
	if !f[0].Offsets[0].Found {
		return 0
	}
	return f[0].Offsets[0].Offset.Offset
}

func TestCrashOverTheRealLog(t *testing.T) {
	dir := t.TempDir()
	b := startBroker(t, dir, 0)
	join := b.JoinGroup(t.Context(), "live", joinRequest("a"))
	if join.Code != protocol.None {
		t.Fatal(join.Code)
	}
	sync1 := b.SyncGroup(t.Context(), "live", &group.SyncRequest{MemberID: "a", Generation: join.Generation, Assignments: map[string][]byte{"a": []byte(share("a"))}})
	if sync1.Code != protocol.None {
		t.Fatal(sync1.Code)
	}
	const clients = 8
	var mu sync.Mutex
	acked := make([]int64, clients)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for n := int64(1); ctx.Err() == nil; n++ {
				if b.CommitOffsets(ctx, simple(fmt.Sprint("g", c), at("t", 0, n), at("t", 1, n))) == protocol.None {
					mu.Lock()
					acked[c] = n
					mu.Unlock()
				}
			}
		})
	}
	total := int64(0)
	for range 3 {
		time.Sleep(200 * time.Millisecond)
		mu.Lock()
		before := append([]int64(nil), acked...)
		mu.Unlock()
		after := startBroker(t, copyFolder(t, dir), 1)
		for c, n := range before {
			id := fmt.Sprint("g", c)
			if got := after.offset(t, id, 0); got < n || got != after.offset(t, id, 1) {
				t.Errorf("%s: %d were acknowledged, after the crash there is %d and %d", id, n, got, after.offset(t, id, 1))
			}
			total += n
		}
		if code := after.Heartbeat("live", "a", nil, join.Generation); code != protocol.None {
			t.Error("the member does not resume:", code)
		}
		after.stop()
	}
	cancel()
	wg.Wait()
	if total < 100 {
		t.Fatalf("only %d commits were acknowledged", total)
	}
}

func TestLargeCommitOverTheRealLog(t *testing.T) {
	dir := t.TempDir()
	b := startBroker(t, dir, 0)
	var offsets []PartitionOffset
	for p := range int32(50_000) {
		offsets = append(offsets, at("t", p, int64(p)+1))
	}
	start := time.Now()
	if code := b.CommitOffsets(t.Context(), simple("g", offsets...)); code != protocol.None {
		t.Fatal(code)
	}
	t.Logf("50,000 partitions in %v", time.Since(start))
	b.stop()
	after := startBroker(t, dir, 1)
	for _, p := range []int32{0, 25_000, 49_999} {
		if got := after.offset(t, "g", p); got != int64(p)+1 {
			t.Errorf("partition %d is at %d", p, got)
		}
	}
}
