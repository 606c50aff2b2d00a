package metadatatest

import (
	"errors"
	"testing"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// volume makes a volume whose nonce follows from its number.
func volume(number uint64) metadata.Volume {
	return metadata.Volume{Number: number, Nonce: pack.Nonce{byte(number), 15: 1}}
}

func testVolumesRegistered(t *testing.T, h *Harness) {
	const big = 1<<63 + 5
	if begun, registered, err := h.Store.NewestVolumes(t.Context()); err != nil || begun.Number != 0 || registered != 0 {
		t.Fatalf("at first: %+v, %d, %v", begun, registered, err)
	}
	register(t, h.Store, "a", metadata.Registration{Volumes: []metadata.Volume{volume(7), volume(9), volume(7)}})
	if _, registered, err := h.Store.NewestVolumes(t.Context()); err != nil || registered != 9 {
		t.Errorf("the highest registered: %d, %v", registered, err)
	}
	register(t, h.Store, "b", metadata.Registration{Volumes: []metadata.Volume{volume(big)}})
	other := volume(7)
	other.Nonce[3]++
	for s := range beforeAndAfter(t, h) {
		for v, want := range map[metadata.Volume]bool{
			volume(7): true, volume(9): true, volume(big): true,
			volume(8): false, volume(0): false, volume(5): false, other: false,
		} {
			if got, err := s.Registered(t.Context(), v); err != nil || got != want {
				t.Errorf("volume %d: %v, %v", v.Number, got, err)
			}
		}
		if _, registered, err := s.NewestVolumes(t.Context()); err != nil || registered != big {
			t.Errorf("the highest registered: %d, %v", registered, err)
		}
		if err := s.ForgetNameless(t.Context()); err != nil {
			t.Error(err)
		}
	}
	// A number that was counted out again, with a nonce of its own.
	register(t, h.Store, "c", metadata.Registration{Volumes: []metadata.Volume{other}})
	if got, err := h.Store.Registered(t.Context(), other); err != nil || !got {
		t.Errorf("the second volume 7: %v, %v", got, err)
	}
}

func testVolumesBegun(t *testing.T, h *Harness) {
	const big = 1<<63 + 5
	ctx := t.Context()
	for _, v := range []metadata.Volume{volume(3), volume(3), volume(8), volume(big)} {
		if err := h.Store.BeginVolume(ctx, v); err != nil {
			t.Fatalf("volume %d: %v", v.Number, err)
		}
		for s := range beforeAndAfter(t, h) {
			if begun, _, err := s.NewestVolumes(ctx); err != nil || begun != v {
				t.Errorf("%+v, %v, want %+v", begun, err, v)
			}
			h.Store = s
		}
	}
	other := volume(big)
	other.Nonce[3]++
	for _, v := range []metadata.Volume{volume(8), volume(0), other} {
		if err := h.Store.BeginVolume(ctx, v); !errors.Is(err, metadata.ErrConflict) {
			t.Errorf("volume %d after %d: %v", v.Number, uint64(big), err)
		}
	}
}
