package peers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/wire"
)

// freePorts finds ports that nobody listens on. They lie below the range from which the
// kernel takes the ports of outgoing connections: while a broker is down, a client's
// next attempt could otherwise get the broker's own port.
func freePorts(n int) ([]int, error) {
	const first, count, tries = 15000, 15000, 200
	var ports []int
	for range tries {
		port := first + rand.IntN(count)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		defer l.Close() // held until all are found, so that they differ
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, errors.New("no free ports between 15000 and 30000")
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
