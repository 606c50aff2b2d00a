package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// Postgres is a PostgreSQL server of a test's own.
type Postgres struct {
	dir     string
	port    int
	bin     string
	user    *user.User // whom its programs run as, if root started the test
	started bool
}

// StartPostgres installs PostgreSQL if need be, makes a cluster of databases in dir, a folder of
// its own, and starts its server with the given settings. It listens on loopback and trusts
// everybody there.
func StartPostgres(ctx context.Context, dir string, settings ...string) (*Postgres, error) {
	p := &Postgres{dir: dir}
	if err := p.find(ctx); err != nil {
		return nil, err
	}
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	p.port = ports[0]
	if os.Geteuid() == 0 {
		// PostgreSQL refuses to be run by root.
		if p.user, err = user.Lookup("postgres"); err != nil {
			return nil, err
		}
		if err := p.own(); err != nil {
			return nil, err
		}
	}
	if _, err := p.run(ctx, "initdb", "-A", "trust", "-U", "postgres", "-N", "-D", filepath.Join(dir, "data")); err != nil {
		return nil, err
	}
	options := fmt.Sprintf("-c listen_addresses=127.0.0.1 -c port=%d -c unix_socket_directories=%s -c fsync=off", p.port, dir)
	for _, s := range settings {
		options += " -c " + s
	}
	if _, err := p.run(ctx, "pg_ctl", "start", "-w", "-D", filepath.Join(dir, "data"), "-l", filepath.Join(dir, "log"), "-o", options); err != nil {
		text, _ := os.ReadFile(filepath.Join(dir, "log"))
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	p.started = true
	return p, nil
}

// find looks for the server's programs, which Debian keeps out of the path.
func (p *Postgres) find(ctx context.Context) error {
	look := func() bool {
		found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
		if err == nil && len(found) > 0 {
			p.bin = filepath.Dir(slices.Max(found))
			return true
		}
		path, err := exec.LookPath("initdb")
		p.bin = filepath.Dir(path)
		return err == nil
	}
	if look() {
		return nil
	}
	if err := aptInstall(ctx, "postgresql"); err != nil {
		return err
	}
	if !look() {
		return fmt.Errorf("%w: initdb", ErrMissing)
	}
	return nil
}

// own gives the folder to PostgreSQL's user, who has to be let through to it.
func (p *Postgres) own() error {
	uid, err := strconv.Atoi(p.user.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(p.user.Gid)
	if err != nil {
		return err
	}
	return os.Chown(p.dir, uid, gid)
}

func (p *Postgres) run(ctx context.Context, program string, args ...string) (string, error) {
	name := filepath.Join(p.bin, program)
	if p.user != nil {
		args = append([]string{"-u", p.user.Username, "--", name}, args...)
		name = "runuser"
	}
	// A server that is left running keeps the pipe of a command's output open.
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.WaitDelay = p.dir, time.Second
	out, err := cmd.CombinedOutput()
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return string(out), fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return string(out), nil
}

// Port is where the server listens on loopback; user postgres has no password.
func (p *Postgres) Port() int { return p.port }

// Query runs SQL and returns what psql prints of it, rows in lines, unaligned.
func (p *Postgres) Query(ctx context.Context, sql string) (string, error) {
	return p.run(ctx, "psql", "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", strconv.Itoa(p.port), "-U", "postgres", "-c", sql)
}

// Close stops the server.
func (p *Postgres) Close() error {
	if !p.started {
		return nil
	}
	p.started = false
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := p.run(ctx, "pg_ctl", "stop", "-w", "-m", "immediate", "-D", filepath.Join(p.dir, "data"))
	return err
}
