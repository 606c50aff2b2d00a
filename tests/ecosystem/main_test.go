package ecosystem

import (
	"flag"
	"os"
	"testing"

	"github.com/streamhouse/streamhouse/tests/peers"
)

var (
	kind       = flag.String("broker", string(peers.StreamHouse), "which broker to start: streamhouse or kafka")
	acceptance = flag.Bool("acceptance", false, "all of them, and more of each")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(peers.Main(m))
}

// long is for a test that make acceptance runs.
func long(t *testing.T) {
	t.Helper()
	if !*acceptance {
		t.Skip("part of make acceptance: -acceptance")
	}
}
