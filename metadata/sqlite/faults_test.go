package sqlite_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/sqlite"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// childEnv names the store that a child process writes to until it is killed.
const childEnv = "STREAMHOUSE_TEST_SQLITE_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		fmt.Fprintln(os.Stderr, child(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// child counts for ever and says each number once the store has it.
func child(path string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, sqlite.Options{Path: path})
	if err != nil {
		return err
	}
	start, err := s.Begin(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("epoch %d\n", start.Epoch)
	for {
		first, err := s.AllocateProducerIDs(ctx, 10)
		if err != nil {
			return err
		}
		fmt.Printf("ids %d\n", first)
		key := fmt.Sprintf("k%d", first)
		if err := s.Intend(ctx, key); err != nil {
			return err
		}
		id, err := s.Register(ctx, metadata.Registration{
			Segment: metadata.Segment{Key: key, Bytes: 1},
			Slices:  []metadata.Slice{{ID: pack.PartitionID{Partition: 1}, BaseOffset: first, LastOffset: first + 9}},
			States:  []metadata.State{{ID: pack.PartitionID{Partition: 1}, NextOffset: first + 10, BlockLen: 1}},
		})
		if err != nil {
			return err
		}
		fmt.Printf("segment %d next %d\n", id, first+10)
	}
}

// TestKill kills a writer at random moments: no counter goes back, and what was said
// to be stored is.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "meta.db")
	var epoch, ids, segment, next int64
	const kills = 15
	said := 0
	for i := range kills {
		lines := runAndKill(t, path, 3+i*7%20)
		said += len(lines)
		for _, line := range lines {
			var a, b int64
			switch {
			case scan(line, "epoch %d", &a):
				if a <= epoch {
					t.Fatalf("epoch %d after %d", a, epoch)
				}
				epoch = a
			case scan(line, "ids %d", &a):
				if a < ids {
					t.Fatalf("ids from %d after those up to %d", a, ids)
				}
				ids = a + 10
			case scan(line, "segment %d next %d", &a, &b):
				if a <= segment {
					t.Fatalf("segment %d after %d", a, segment)
				}
				segment, next = a, b
			default:
				t.Fatalf("child says %q", line)
			}
		}
		s := open(t, sqlite.Options{Path: path})
		if err := s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, state, err := s.Partition(t.Context(), pack.PartitionID{Partition: 1})
		if err != nil || state.NextOffset < next || int64(state.Block) < segment {
			t.Fatalf("%+v, %v, want at least %d in segment %d", state, err, next, segment)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills, %d facts, %d ids, %d segments", kills, said, ids, segment)
	if epoch < kills || segment < kills {
		t.Fatalf("too little was done: epoch %d, %d segments", epoch, segment)
	}
}

func scan(line, format string, into ...any) bool {
	n, err := fmt.Sscanf(line, format, into...)
	return err == nil && n == len(into)
}

// runAndKill starts a child and kills it while it does what comes after so many facts
// that it said. It returns the whole lines that it said.
func runAndKill(t *testing.T, path string, facts int) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	var text string
	for range facts {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("child: %v", err)
		}
		text += line
	}
	time.Sleep(rand.N(2 * time.Millisecond)) // somewhere within the next commits
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("child ended by itself")
	}
	text += string(rest)
	return strings.Split(text[:strings.LastIndexByte(text, '\n')], "\n")
}

// TestDamage: a file that is not whole is refused, and left as it is.
func TestDamage(t *testing.T) {
	for name, harm := range map[string]func([]byte) []byte{
		"another file": func([]byte) []byte { return []byte(strings.Repeat("not a database ", 1000)) },
		"header": func(b []byte) []byte {
			copy(b[16:], "\xff\xff\xff\xff\xff\xff\xff\xff")
			return b
		},
		"topics' page": func(b []byte) []byte {
			i := strings.LastIndex(string(b), "a-name-to-look-for")
			page := i / 4096 * 4096
			copy(b[page:page+200], strings.Repeat("\xee", 200))
			return b
		},
		"cut short": func(b []byte) []byte { return b[:len(b)/2/4096*4096] },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "meta.db")
			s := open(t, sqlite.Options{Path: path})
			for i := range byte(50) {
				topic := metadata.Topic{ID: metadata.TopicID{i, 1}, Name: fmt.Sprint("a-name-to-look-for-", i)}
				if err := s.CreateTopic(t.Context(), topic); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, harm(b), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err = sqlite.Open(t.Context(), sqlite.Options{Path: path})
			if err == nil {
				s.Close()
				t.Fatal("opened")
			}
			t.Log(err)
			if !errors.Is(err, sqlite.ErrDamaged) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestForeign: a database of another program, or of a later version, is refused.
func TestForeign(t *testing.T) {
	for name, c := range map[string]struct{ statement, want string }{
		"another program": {"CREATE TABLE t (a); PRAGMA application_id = 7", "not a StreamHouse metadata store"},
		"no program":      {"CREATE TABLE t (a)", "not a StreamHouse metadata store"},
		"later version":   {"PRAGMA application_id = 0x53486d64; PRAGMA user_version = 99", "schema version 99 is newer"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "meta.db")
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(c.statement); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestRegisterSpeed: a seal that touches 10,000 partitions is one short transaction.
func TestRegisterSpeed(t *testing.T) {
	if raceEnabled {
		t.Skip("times mean nothing under the race detector")
	}
	s := open(t, sqlite.Options{Path: filepath.Join(t.TempDir(), "meta.db")})
	if _, err := s.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	best := time.Hour
	for round := range int64(5) {
		r := metadata.Registration{Segment: metadata.Segment{Key: fmt.Sprint(round), Bytes: 1}}
		for i := range int32(10000) {
			id := pack.PartitionID{Topic: pack.TopicID{byte(i), byte(i >> 8)}, Partition: i % 7}
			r.Slices = append(r.Slices, metadata.Slice{ID: id, BaseOffset: round * 10, LastOffset: round*10 + 9})
		}
		if err := s.Intend(t.Context(), r.Segment.Key); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := s.Register(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(began))
	}
	t.Logf("10,000 slices in %v", best)
	if best > 2*time.Second { // 200 ms on a quiet machine; this only notices a wrong plan
		t.Errorf("10,000 slices took %v", best)
	}
}
