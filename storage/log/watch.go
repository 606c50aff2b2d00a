package log

import "sync"

// Watcher is told which of its partitions advanced. A fetch session keeps one for
// its life, so that waiting costs nothing per partition that is idle.
type Watcher struct {
	wake chan struct{}

	mu    sync.Mutex
	parts map[int]Watched
	dirty map[int]struct{}
}

// Watched is what a Watcher can watch; a Partition is.
type Watched interface {
	// Watch has w told (Mark) under tag when it advances, until Unwatch.
	Watch(w *Watcher, tag int)
	Unwatch(w *Watcher, tag int)
}

// NewWatcher is the function of the same name.
func (l *Log) NewWatcher() *Watcher { return NewWatcher() }

// NewWatcher makes a watcher of nothing.
func NewWatcher() *Watcher {
	return &Watcher{
		wake:  make(chan struct{}, 1),
		parts: make(map[int]Watched),
		dirty: make(map[int]struct{}),
	}
}

// Add watches p under tag, replacing what was there. The tag starts dirty, so that
// nothing that happened before Add is missed.
func (w *Watcher) Add(p Watched, tag int) {
	w.mu.Lock()
	old := w.parts[tag]
	w.parts[tag] = p
	w.mu.Unlock()
	if old != nil {
		old.Unwatch(w, tag)
	}
	p.Watch(w, tag)
	w.Mark(tag)
}

// Remove stops watching tag.
func (w *Watcher) Remove(tag int) {
	w.mu.Lock()
	p := w.parts[tag]
	delete(w.parts, tag)
	delete(w.dirty, tag)
	w.mu.Unlock()
	if p != nil {
		p.Unwatch(w, tag)
	}
}

// Wake is sent to when a tag became dirty since the last receive.
func (w *Watcher) Wake() <-chan struct{} { return w.wake }

// Drain appends the dirty tags to tags and cleans them. Partitions advance by high
// watermark, last stable offset, log start or deletion.
func (w *Watcher) Drain(tags []int) []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for tag := range w.dirty {
		tags = append(tags, tag)
	}
	clear(w.dirty)
	return tags
}

// Close stops watching everything.
func (w *Watcher) Close() {
	w.mu.Lock()
	parts := w.parts
	w.parts = make(map[int]Watched)
	clear(w.dirty)
	w.mu.Unlock()
	for tag, p := range parts {
		p.Unwatch(w, tag)
	}
}

// Mark makes a tag dirty.
func (w *Watcher) Mark(tag int) {
	w.mu.Lock()
	w.dirty[tag] = struct{}{}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

type watch struct {
	w   *Watcher
	tag int
}

// Watch implements Watched.
func (p *Partition) Watch(w *Watcher, tag int) {
	p.mu.Lock()
	p.watches = append(p.watches, watch{w, tag})
	p.mu.Unlock()
}

// Unwatch implements Watched.
func (p *Partition) Unwatch(w *Watcher, tag int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, x := range p.watches {
		if x.w == w && x.tag == tag {
			last := len(p.watches) - 1
			p.watches[i] = p.watches[last]
			p.watches = p.watches[:last]
			return
		}
	}
}

// advanced tells the partition's watchers.
func (p *Partition) advanced() {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, x := range p.watches {
		x.w.Mark(x.tag)
	}
}
