// Package cli types at the binary as a user does: lines for a shell, and what they print.
package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

var broker = flag.String("broker", string(peers.StreamHouse), "which broker to start: streamhouse or kafka")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(peers.Main(m))
}

// patience bounds a line, with room for a loaded machine.
const patience = 60 * time.Second

// shell runs lines as they stand, with the binary on PATH and the broker in a variable.
type shell struct {
	t   *testing.T
	env []string
}

func start(t *testing.T) (*peers.Broker, *shell) {
	t.Helper()
	b := peers.Start(t, peers.Options{Kind: peers.Kind(*broker)})
	binary, err := peers.Build(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(binary, filepath.Join(dir, "streamhouse")); err != nil {
		t.Fatal(err)
	}
	return b, &shell{t, append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "STREAMHOUSE_CLI_BOOTSTRAP_SERVERS="+b.Addr())}
}

// result is what a line left behind.
type result struct {
	out, err string
	code     int
}

// run runs a line. Once it has printed until ("": never) it is interrupted, as Ctrl-C does.
func (s *shell) run(line, until string) result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	// A shell at a terminal survives Ctrl-C and knows what its command ended with; this one has
	// to be told to.
	cmd := exec.CommandContext(ctx, "sh", "-c", "trap : INT\n"+line+"\n")
	cmd.Env = s.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C goes to a group
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var errs bytes.Buffer
	cmd.Stderr = &errs
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	var out strings.Builder
	for buf := make([]byte, 4096); ; {
		n, err := stdout.Read(buf)
		out.Write(buf[:n])
		if until != "" && strings.Contains(out.String(), until) {
			until = ""
			if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
				s.t.Fatal(err)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	err = cmd.Wait()
	if ctx.Err() != nil {
		s.t.Fatalf("%s: did not end; stdout: %s stderr: %s", line, out.String(), errs.String())
	}
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		s.t.Fatalf("%s: %v", line, err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// want runs a line and holds what it prints to out and, on stderr, to what errs contain.
func (s *shell) want(line, until, out string, code int, errs ...string) {
	s.t.Helper()
	got := s.run(line, until)
	if got.out != out || got.code != code {
		s.t.Errorf("%s\nprints %q and ends with %d, want %q and %d; stderr: %s", line, got.out, got.code, out, code, got.err)
	}
	for _, e := range errs {
		if !strings.Contains(got.err, e) {
			s.t.Errorf("%s\nsays %q, want %q in it", line, got.err, e)
		}
	}
	if len(errs) == 0 && got.err != "" {
		s.t.Errorf("%s\nsays %q, want nothing", line, got.err)
	}
}

// TestFourLines: what a newcomer types first, as it stands.
func TestFourLines(t *testing.T) {
	_, sh := start(t)
	sh.want(`streamhouse topics create orders --partitions 16`, "", "created topic \"orders\" with 16 partitions\n", 0)
	sh.want(`echo "hello" | streamhouse produce orders --key user123`, "", "", 0, `1 record written to "orders"`)
	sh.want(`streamhouse consume orders --group analytics --from earliest`, "hello\n", "hello\n", 130, `1 record read and committed; left group "analytics"`)
	// A member that had not left would be named in the last column.
	got := sh.run(`streamhouse lag show --group analytics`, "")
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	if got.code != 0 || len(lines) != 1+16 {
		t.Fatalf("exit code %d, %q, %q", got.code, got.out, got.err)
	}
	committed := 0
	for _, line := range lines[1:] {
		row := strings.Fields(line)
		if len(row) != 7 || row[0] != "analytics" || row[1] != "orders" || row[5] != "0" || row[6] != "-" {
			t.Errorf("lag is %q", line)
		} else if row[3] == "1" && row[4] == "1" {
			committed++
		}
	}
	if committed != 1 {
		t.Errorf("%d partitions are committed, want that of the key: %s", committed, got.out)
	}
}

// TestLinesThatFail: one line with what, why and what next, and the code of the kind.
func TestLinesThatFail(t *testing.T) {
	b, sh := start(t)
	sh.want(`streamhouse topic create orders`, "", "created topic \"orders\" with 1 partition\n", 0)
	for _, c := range []struct {
		line string
		code int
		says string
	}{
		{`streamhouse topic create orders`, 5, `streamhouse: topic "orders" exists already; `},
		{`streamhouse topic describe ordres`, 3, `streamhouse: topic "ordres" does not exist; did you mean "orders"?`},
		{`echo x | streamhouse produce ordres`, 3, `did you mean "orders"?`},
		{`streamhouse consume ordres`, 3, `did you mean "orders"?`},
		{`streamhouse lag show --group nobody`, 3, `streamhouse: group "nobody" does not exist; `},
		{`streamhouse topic create 'a b'`, 2, `streamhouse: cannot create topic "a b": `},
		{`streamhouse topic create x --config retention.mss=1`, 2, `retention.mss`},
		{`streamhouse topic create x --partition 3`, 2, `did you mean --partitions?`},
		{`streamhouse topic lst`, 2, `did you mean "list"?`},
		{`streamhouse tpic list`, 2, `did you mean "topic"?`},
		{`streamhouse topic delete orders </dev/null`, 2, `give --yes`},
	} {
		got := sh.run(c.line, "")
		if got.code != c.code || got.out != "" || !strings.Contains(got.err, c.says) {
			t.Errorf("%s\nends with %d and says %q (stdout %q), want %d and %q", c.line, got.code, got.err, got.out, c.code, c.says)
		}
	}
	// More than a pipe holds, so that a write is sure to find it closed.
	sh.want(`yes | head -n 100000 | streamhouse produce orders`, "", "", 0, "100000 records written")
	sh.want(`streamhouse consume orders --group g | head -n 1`, "", "y\n", 0, "")
	sh.want(`streamhouse topic delete orders --yes`, "", "deleted topic \"orders\"\n", 0, "delete topic")
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	sh.want(`streamhouse topic list`, "", "", 6, "no broker answers at", "connection refused", `start one with "streamhouse server"`)
}
