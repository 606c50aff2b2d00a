package object

import (
	"testing"

	"go.uber.org/zap"
)

// What is to stay free of the disk is not taken by packs that are kept: they are read from
// the bucket instead.
func TestKeepLeavesRoom(t *testing.T) {
	room := int64(99)
	k := keep{dir: t.TempDir(), logger: zap.NewNop(), room: func() (int64, error) { return room, nil }}
	pack := make([]byte, 100)
	k.put(1, 1, pack)
	k.writing.Wait()
	if k.get(1, 1) != nil || k.bytes != 0 {
		t.Errorf("kept though %d bytes may be used", room)
	}
	room = 100
	k.put(1, 2, pack)
	k.writing.Wait()
	if k.get(1, 2) == nil || k.bytes != 100 || k.queued != 0 {
		t.Errorf("not kept though there is room: %d bytes, %d wait", k.bytes, k.queued)
	}
	k.close()
}
