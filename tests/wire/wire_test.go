package wire

import (
	"hash/crc32"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A batch made here must read back with an independent decoder.
func TestBatchIsWhatKmsgReads(t *testing.T) {
	long := strings.Repeat("x", 300)
	raw := IdempotentBatch(1234, 7, 2, 40, []byte("a"), []byte(long))
	var b kmsg.RecordBatch
	if err := b.ReadFrom(raw); err != nil {
		t.Fatal(err)
	}
	if b.Magic != 2 || int(b.Length) != len(raw)-12 || b.NumRecords != 2 || b.LastOffsetDelta != 1 ||
		b.FirstTimestamp != 1234 || b.ProducerID != 7 || b.ProducerEpoch != 2 || b.FirstSequence != 40 {
		t.Errorf("read back as %+v", b)
	}
	if want := int32(crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli))); b.CRC != want {
		t.Errorf("CRC %x, want %x", b.CRC, want)
	}
	records := b.Records
	for i, want := range []string{"a", long} {
		var r kmsg.Record
		if err := r.ReadFrom(records); err != nil {
			t.Fatal(err)
		}
		if string(r.Value) != want || r.Key != nil || int(r.OffsetDelta) != i {
			t.Errorf("record %d reads back as %+v", i, r)
		}
		records = records[int(r.Length)+len(kmsgVarint(r.Length)):]
	}
}

func kmsgVarint(n int32) []byte {
	var b []byte
	for u := uint32(n<<1) ^ uint32(n>>31); ; u >>= 7 {
		if u < 0x80 {
			return append(b, byte(u))
		}
		b = append(b, byte(u)|0x80)
	}
}

// A reply to another request, or of a broken length, is an error and never a reply.
func TestForeignRepliesAreErrors(t *testing.T) {
	for name, reply := range map[string][]byte{
		"another correlation id": {0, 0, 0, 8, 0, 0, 0, 99, 0, 0, 0, 0},
		"a giant length":         {0x7f, 0, 0, 0, 0, 0, 0, 1},
		"a negative length":      {0x80, 0, 0, 0, 0, 0, 0, 1},
		"half a frame":           {0, 0, 0, 50, 0, 0, 0, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				_, _ = c.Read(make([]byte, 1000))
				_, _ = c.Write(reply)
			}()
			c, err := Dial(l.Addr().String(), "test", time.Second)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			req := kmsg.NewPtrHeartbeatRequest()
			if resp, err := c.Call(req, 5*time.Second); err == nil {
				t.Errorf("took it for %+v", resp)
			}
		})
	}
}
