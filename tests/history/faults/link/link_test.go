package link

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// bound is how long a test waits for what must come.
const bound = 20 * time.Second

// quiet is how long it waits for what must not come.
const quiet = 50 * time.Millisecond

// echo runs a server that answers each line with itself, and a link in front of it.
func echo(t *testing.T) *Link {
	t.Helper()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := New(server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var group errgroup.Group
	group.Go(func() error { return l.Run(ctx) })
	group.Go(func() error {
		for {
			c, err := server.Accept()
			if err != nil {
				return nil
			}
			group.Go(func() error {
				defer c.Close()
				// A reset ends it, and is the link's business.
				_, _ = io.Copy(c, c)
				return nil
			})
		}
	})
	t.Cleanup(func() {
		stop()
		server.Close()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
	return l
}

type conn struct {
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, l *Link) *conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", l.Addr(), bound)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &conn{c, bufio.NewReader(c)}
}

func (c *conn) say(t *testing.T, line string) {
	t.Helper()
	if _, err := c.Write([]byte(line + "\n")); err != nil {
		t.Fatal(err)
	}
}

func (c *conn) hear(wait time.Duration) (string, error) {
	if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return "", err
	}
	return c.in.ReadString('\n')
}

func (c *conn) mustHear(t *testing.T, line string) {
	t.Helper()
	if got, err := c.hear(bound); err != nil || got != line+"\n" {
		t.Fatalf("heard %q (%v), not %q", got, err, line)
	}
}

// A link that swallows leaves the sockets open, loses what passes, and resets the
// connections that lost something, and only those, when it heals.
func TestSwallowed(t *testing.T) {
	for name, d := range map[string]Direction{"towards the server": Up, "towards the client": Down} {
		t.Run(name, func(t *testing.T) {
			l := echo(t)
			c, idle := dial(t, l), dial(t, l)
			for _, each := range []*conn{c, idle} {
				each.say(t, "one")
				each.mustHear(t, "one")
			}
			var s State
			s.Swallow[d] = true
			l.Set(s)
			c.say(t, "two")
			if got, err := c.hear(quiet); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("heard %q, %v", got, err)
			}
			if n := l.Heal(); n != 1 {
				t.Fatalf("%d connections were reset", n)
			}
			if got, err := c.hear(bound); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("after the reset: heard %q, %v", got, err)
			}
			idle.say(t, "three")
			idle.mustHear(t, "three")
		})
	}
}

func TestHeldBytesArriveAfterHealing(t *testing.T) {
	for name, d := range map[string]Direction{"towards the server": Up, "towards the client": Down} {
		t.Run(name, func(t *testing.T) {
			l := echo(t)
			c := dial(t, l)
			var s State
			s.Hold[d] = true
			l.Set(s)
			c.say(t, "one")
			if got, err := c.hear(quiet); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("heard %q, %v", got, err)
			}
			if n := l.Heal(); n != 0 {
				t.Fatalf("%d connections were reset", n)
			}
			c.mustHear(t, "one")
		})
	}
}

func TestCutAndSlow(t *testing.T) {
	l := echo(t)
	c := dial(t, l)
	l.Set(State{Delay: 20 * time.Millisecond})
	began := time.Now()
	c.say(t, "one")
	c.mustHear(t, "one")
	if took := time.Since(began); took < 40*time.Millisecond {
		t.Errorf("there and back in %v over a link of 20 ms", took)
	}
	if n := l.Cut(); n != 1 {
		t.Fatalf("%d connections were cut", n)
	}
	if _, err := c.hear(bound); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("after the cut: %v", err)
	}
	again := dial(t, l)
	again.say(t, "two")
	again.mustHear(t, "two")
}
