package peers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"

	"github.com/streamhouse/streamhouse/tests/wire"
)

// Ports that tests give to brokers lie below the range from which the kernel takes the
// ports of outgoing connections: while a broker is down, a client's next attempt could
// otherwise get the broker's own port.
const (
	portsFirst  = 15000
	portsBlocks = 50
	portsBlock  = 300 // ports in each
)

// block is the first of the ports that this process alone chooses from, as long as it
// lives. Tests of several packages run at once, and a port whose broker is down for a
// moment looks free.
var block = sync.OnceValues(func() (int, error) {
	first := rand.IntN(portsBlocks)
	for i := range portsBlocks {
		n := (first + i) % portsBlocks
		f, err := os.OpenFile(filepath.Join(os.TempDir(), fmt.Sprintf("streamhouse-ports-%d", n)), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			continue // another user's
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			held = f
			return portsFirst + n*portsBlock, nil
		}
		f.Close()
	}
	return 0, errors.New("all blocks of ports are taken by other tests")
})

// held keeps the block's lock until the process ends.
var held *os.File

// freePorts finds ports that nobody listens on and nobody else is given.
func freePorts(n int) ([]int, error) {
	const tries = 200
	first, err := block()
	if err != nil {
		return nil, err
	}
	var ports []int
	for range tries {
		port := first + rand.IntN(portsBlock)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		defer l.Close() // held until all are found, so that they differ
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("no %d free ports from %d to %d", n, first, first+portsBlock-1)
}

// FreeAddress is host:port of one.
func FreeAddress() (string, error) {
	ports, err := freePorts(1)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0]), nil
}

// serves asks a broker for its metadata and says what is wrong with the answer.
func serves(addr string) error {
	const timeout = 2 * time.Second
	c, err := wire.Dial(addr, "ready", timeout)
	if err != nil {
		return err
	}
	defer c.Close()
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 9
	req.Topics = []kmsg.MetadataRequestTopic{} // none: only the brokers
	resp, err := c.Call(req, timeout)
	if err != nil {
		return err
	}
	meta := resp.(*kmsg.MetadataResponse)
	if len(meta.Brokers) == 0 || meta.ControllerID < 0 {
		return fmt.Errorf("metadata: %d brokers, controller %d", len(meta.Brokers), meta.ControllerID)
	}
	return nil
}
