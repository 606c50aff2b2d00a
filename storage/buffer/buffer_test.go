package buffer

import (
	"bytes"
	"sync"
	"testing"
)

func TestHoldersAndSizes(t *testing.T) {
	before := InUse()
	for _, n := range []int{0, 1, 4096, 4097, 1 << 20, 2 << 20, 2<<20 + 1, 5 << 20} {
		b := Get(n)
		if len(b.Bytes()) != n {
			t.Fatalf("%d bytes, want %d", len(b.Bytes()), n)
		}
		if InUse() < before+int64(n) {
			t.Fatalf("%d bytes are held and not counted", n)
		}
		b.Retain().Release()
		copy(b.Bytes(), bytes.Repeat([]byte{7}, n)) // still ours
		b.Release()
	}
	if InUse() != before {
		t.Fatalf("%d bytes are left in use", InUse()-before)
	}
}

// Memory that was released is overwritten in test builds, so that a reader that held
// on too long cannot pass its test.
func TestReleasedMemoryIsPoisoned(t *testing.T) {
	old := Poison
	Poison = true
	defer func() { Poison = old }()
	b := Get(100)
	view := b.Bytes()
	view[50] = 1
	b.Release()
	if view[50] != 0xDB {
		t.Fatal("released memory kept its bytes")
	}
}

func TestMisuseIsNoticed(t *testing.T) {
	for name, misuse := range map[string]func(*Buf){
		"released twice":         func(b *Buf) { b.Release() },
		"retained after the end": func(b *Buf) { b.Retain() },
	} {
		b := Get(3 << 20) // not pooled: nobody else gets it
		b.Release()
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: not noticed", name)
				}
			}()
			misuse(b)
		}()
	}
}

func TestManyHolders(t *testing.T) {
	b := Get(8192)
	var all sync.WaitGroup
	for range 16 {
		b.Retain()
		all.Go(func() {
			for range 1000 {
				b.Retain().Release()
			}
			b.Release()
		})
	}
	all.Wait()
	b.Release()
}
