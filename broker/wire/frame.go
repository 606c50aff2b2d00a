package wire

import (
	"encoding/binary"
	"os"
	"sync"
)

// Data is a run of record data: either in memory (Mem), or Len bytes at Pos of a
// local file.
type Data struct {
	Mem  []byte
	File *os.File
	Pos  int64
	Len  int64 // bytes, in both cases
}

// Releaser is what holds a frame's data in place until it is sent or dropped.
type Releaser interface{ Release() }

// Frame is an encoded answer: bytes in Meta, and record data, which is never copied
// into it, at the places where Attach was called.
type Frame struct {
	// Meta is everything but record data, from the length on, which Finish fills in.
	Meta []byte
	cuts []cut
	body int64 // bytes of attached data
	held []Releaser
}

// cut is data that goes out before the byte at of Meta.
type cut struct {
	at   int
	data Data
}

// Larger frames are left to the garbage collector.
const (
	keepMeta = 64 << 10
	keepCuts = 1024
)

var frames = sync.Pool{New: func() any { return &Frame{Meta: make([]byte, 0, 512)} }}

// NewFrame starts an answer with room for its length.
func NewFrame() *Frame {
	f := frames.Get().(*Frame)
	f.Meta = append(f.Meta[:0], 0, 0, 0, 0)
	return f
}

// Attach puts data behind what Meta holds now.
func (f *Frame) Attach(d Data) {
	f.cuts = append(f.cuts, cut{at: len(f.Meta), data: d})
	f.body += d.Len
}

// Hold makes the frame release r when it is released itself.
func (f *Frame) Hold(r Releaser) { f.held = append(f.held, r) }

// Len is the frame's size in bytes, its length field included.
func (f *Frame) Len() int64 { return int64(len(f.Meta)) + f.body }

// Finish fills in the length.
func (f *Frame) Finish() *Frame {
	binary.BigEndian.PutUint32(f.Meta, uint32(f.Len()-4))
	return f
}

// Release gives up the frame and what it holds, sent or not.
func (f *Frame) Release() {
	for i, r := range f.held {
		r.Release()
		f.held[i] = nil
	}
	clear(f.cuts)
	f.cuts, f.held, f.body = f.cuts[:0], f.held[:0], 0
	if cap(f.Meta) <= keepMeta && cap(f.cuts) <= keepCuts {
		frames.Put(f)
	}
}
