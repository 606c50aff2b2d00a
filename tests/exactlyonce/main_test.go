package exactlyonce

import (
	"flag"
	"os"
	"testing"

	"github.com/streamhouse/streamhouse/tests/peers"
)

var (
	broker     = flag.String("broker", string(peers.StreamHouse), "which broker to start: streamhouse or kafka")
	acceptance = flag.Bool("acceptance", false, "more kills, more records, every version of the protocol")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(peers.Main(m))
}
