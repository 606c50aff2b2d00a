package registry

import (
	"container/list"
	"context"
	"crypto/md5"
	"encoding/binary"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/streamhouse/streamhouse/registry/schema"
)

const (
	// lookAgain is the longest wait for a state that may have moved unseen.
	lookAgain = 100 * time.Millisecond
	// parseFactor is what a byte of text may come to.
	parseFactor = 48
	parseBase   = 32 << 10
	// parseWaitMax bounds the wait for the account.
	parseWaitMax = 6 * time.Second
)

// parser keeps what was parsed, and bounds what is being parsed.
type parser struct {
	languages map[schema.Type]schema.Language
	account   *semaphore.Weighted
	most      int64 // of the account
	keptMax   int   // bytes

	mu    sync.Mutex // guards the rest
	kept  map[[md5.Size]byte]*list.Element
	order *list.List // of *keptSchema, last used first
	bytes int
}

type keptSchema struct {
	key    [md5.Size]byte
	parsed schema.Parsed
}

func newParser(o *Options) *parser {
	p := &parser{
		languages: map[schema.Type]schema.Language{}, account: semaphore.NewWeighted(o.ParseBytes), most: o.ParseBytes, keptMax: o.KeptBytes,
		kept: map[[md5.Size]byte]*list.Element{}, order: list.New(),
	}
	for _, l := range o.Languages {
		p.languages[l.Type()] = l
	}
	return p
}

// types are those that there is a language for, in the order of the API.
func (p *parser) types() []schema.Type {
	var out []schema.Type
	for _, t := range schema.Types() {
		if p.languages[t] != nil {
			out = append(out, t)
		}
	}
	return out
}

// key names a source: all that a parser is given.
func key(t schema.Type, src *schema.Source) [md5.Size]byte {
	h := md5.New()
	write := func(s string) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
		h.Write([]byte(s))
	}
	write(string(t))
	write(src.Text)
	for _, r := range src.References {
		write(r.Name)
		write(r.Text)
		if r.Direct {
			h.Write([]byte{1})
		}
	}
	if src.Strict {
		h.Write([]byte{2})
	}
	return [md5.Size]byte(h.Sum(nil))
}

// parse reads a schema, or finds it. Errors: *schema.Invalid, InvalidSchema for a type
// that there is no language for, TimedOut.
func (p *parser) parse(ctx context.Context, t schema.Type, src *schema.Source) (schema.Parsed, error) {
	language := p.languages[t]
	if language == nil {
		return nil, schema.Errorf(schema.InvalidSchema, "Invalid schema type %s", t)
	}
	k := key(t, src)
	if kept := p.find(k); kept != nil {
		return kept, nil
	}
	bytes := len(src.Text)
	for i := range src.References {
		bytes += len(src.References[i].Text)
	}
	cost := min(int64(parseBase+parseFactor*bytes), p.most)
	wait, cancel := context.WithTimeout(ctx, parseWaitMax)
	defer cancel()
	if err := p.account.Acquire(wait, cost); err != nil {
		return nil, schema.Errorf(schema.TimedOut, "Too many schemas are being parsed")
	}
	defer p.account.Release(cost)
	parsed, err := language.Parse(src)
	if err != nil {
		return nil, err
	}
	p.keep(k, parsed)
	return parsed, nil
}

func (p *parser) find(k [md5.Size]byte) schema.Parsed {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.kept[k]
	if e == nil {
		return nil
	}
	p.order.MoveToFront(e)
	return e.Value.(*keptSchema).parsed
}

func (p *parser) keep(k [md5.Size]byte, s schema.Parsed) {
	bytes := s.Bytes()
	if bytes > p.keptMax/4 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept[k] != nil {
		return
	}
	p.kept[k] = p.order.PushFront(&keptSchema{k, s})
	for p.bytes += bytes; p.bytes > p.keptMax; {
		last := p.order.Back()
		gone := p.order.Remove(last).(*keptSchema)
		delete(p.kept, gone.key)
		p.bytes -= gone.parsed.Bytes()
	}
}

// Types are the schema types that the registry takes, in the order of the API's list.
func (r *Registry) Types() []schema.Type { return r.parser.types() }
