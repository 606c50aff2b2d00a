package mutant

import (
	"encoding/binary"
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// requests passes frames from a client to the broker.
func (p *Proxy) requests(client, broker net.Conn, waiting chan<- pending) error {
	for {
		frame, err := readFrame(client)
		if err != nil {
			return err
		}
		req, clientID, id, err := readRequest(frame[4:])
		if err != nil {
			return err
		}
		if req != nil {
			p.mutating.Lock()
			changed := p.mutant.Request(p, req)
			p.mutating.Unlock()
			if changed {
				frame = formatter(clientID).AppendRequest(nil, req, id)
			}
		}
		if produce, ok := req.(*kmsg.ProduceRequest); !ok || produce.Acks != 0 {
			waiting <- pending{id, req}
		}
		if _, err := broker.Write(frame); err != nil {
			return err
		}
	}
}

func formatter(clientID *string) *kmsg.RequestFormatter {
	if clientID == nil {
		return kmsg.NewRequestFormatter()
	}
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID(*clientID))
}

// readRequest decodes a request, or returns none where the proxy has no interest.
func readRequest(frame []byte) (req kmsg.Request, clientID *string, id int32, err error) {
	r := kbin.Reader{Src: frame}
	key, version := r.Int16(), r.Int16()
	id = r.Int32()
	clientID = r.NullableString()
	if !watched(key) {
		return nil, clientID, id, nil
	}
	req = kmsg.RequestForKey(key)
	req.SetVersion(version)
	if req.IsFlexible() {
		kmsg.SkipTags(&r)
	}
	if !r.Ok() {
		return nil, nil, 0, fmt.Errorf("%w: header of %s", errFrame, kmsg.NameForKey(key))
	}
	if err := req.ReadFrom(r.Src); err != nil {
		return nil, nil, 0, fmt.Errorf("%w: %s v%d: %w", errFrame, kmsg.NameForKey(key), version, err)
	}
	return req, clientID, id, nil
}

// watched says which APIs pass decoded: those that mutants change, and those that name
// the broker's address or topics' ids.
func watched(key int16) bool {
	switch kmsg.Key(key) {
	case kmsg.Produce, kmsg.Fetch, kmsg.ListOffsets, kmsg.EndTxn, kmsg.Metadata, kmsg.FindCoordinator, kmsg.DescribeCluster, kmsg.CreateTopics, kmsg.OffsetFetch:
		return true
	}
	return false
}

// responses passes frames from the broker to a client.
func (p *Proxy) responses(broker, client net.Conn, waiting <-chan pending) error {
	for {
		frame, err := readFrame(broker)
		if err != nil {
			return err
		}
		asked, ok := <-waiting
		if id := int32(binary.BigEndian.Uint32(frame[4:])); !ok || id != asked.id {
			return fmt.Errorf("%w: answer %d, request %d", errFrame, id, asked.id)
		}
		if asked.req != nil {
			if frame, err = p.response(frame, asked); err != nil {
				return err
			}
		}
		if _, err := client.Write(frame); err != nil {
			return err
		}
	}
}

// response decodes an answer, lets the mutant change it, and encodes it again.
func (p *Proxy) response(frame []byte, asked pending) ([]byte, error) {
	resp := asked.req.ResponseKind()
	resp.SetVersion(asked.req.GetVersion())
	r := kbin.Reader{Src: frame[8:]}
	if resp.IsFlexible() {
		kmsg.SkipTags(&r)
	}
	if err := resp.ReadFrom(r.Src); err != nil {
		return nil, fmt.Errorf("%w: answer to %s v%d: %w", errFrame, kmsg.NameForKey(asked.req.Key()), asked.req.GetVersion(), err)
	}
	p.mutating.Lock()
	p.learn(resp)
	changed := p.mutant.Response(p, asked.req, resp)
	p.mutating.Unlock()
	if !p.redirect(resp) && !changed {
		return frame, nil
	}
	out := append(make([]byte, 0, len(frame)), frame[:8]...)
	if resp.IsFlexible() {
		out = append(out, 0) // no tags
	}
	out = resp.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out, nil
}

// learn notes the ids of topics.
func (p *Proxy) learn(resp kmsg.Response) {
	switch resp := resp.(type) {
	case *kmsg.MetadataResponse:
		for _, t := range resp.Topics {
			if t.Topic != nil && t.TopicID != [16]byte{} {
				p.names[t.TopicID] = *t.Topic
			}
		}
	case *kmsg.CreateTopicsResponse:
		for _, t := range resp.Topics {
			if t.TopicID != [16]byte{} {
				p.names[t.TopicID] = t.Topic
			}
		}
	}
}

// redirect puts the proxy's address where an answer names the broker's.
func (p *Proxy) redirect(resp kmsg.Response) bool {
	switch resp := resp.(type) {
	case *kmsg.MetadataResponse:
		for i := range resp.Brokers {
			resp.Brokers[i].Host, resp.Brokers[i].Port = p.host, p.port
		}
	case *kmsg.FindCoordinatorResponse:
		resp.Host, resp.Port = p.host, p.port
		for i := range resp.Coordinators {
			resp.Coordinators[i].Host, resp.Coordinators[i].Port = p.host, p.port
		}
	case *kmsg.DescribeClusterResponse:
		for i := range resp.Brokers {
			resp.Brokers[i].Host, resp.Brokers[i].Port = p.host, p.port
		}
	default:
		return false
	}
	return true
}
