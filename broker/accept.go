package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"go.uber.org/zap"
)

const (
	acceptPauseMin = 5 * time.Millisecond
	acceptPauseMax = time.Second
)

// accept admits connections until the listener is closed. Want of file descriptors
// and the like pass; it tries again, more and more slowly.
func (s *Server) accept(ctx context.Context, ln net.Listener, l Listener) error {
	pause, name := acceptPauseMin, l.Name
	told := !l.Local // whoever has to hear of it
	for {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			pause = acceptPauseMin
			if !told && elsewhere(nc.RemoteAddr(), nc.LocalAddr()) {
				told = true
				s.logger.Warn("a client on another machine connects, and is told to find the broker at localhost: set advertised.listeners to an address that it can reach",
					zap.String("listener", name), zap.String("client", hostOf(nc.RemoteAddr())))
			}
			time.Sleep(s.admission.pause(time.Now())) // of the rate; others wait in the kernel's queue
			s.admit(ctx, nc, &l)
		case errors.Is(err, net.ErrClosed) && s.stopping.Load():
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("listener %s: %w", name, err)
		default:
			s.complaints.log(name, "cannot accept connections", zap.Error(err))
			time.Sleep(pause)
			pause = min(2*pause, acceptPauseMax)
		}
	}
}

// admit starts serving a connection if the limits allow it.
func (s *Server) admit(ctx context.Context, nc net.Conn, l *Listener) {
	ip, listener := hostOf(nc.RemoteAddr()), l.Name
	if limit, ok := s.admission.enter(ip, listener); !ok {
		s.metrics.refused.WithLabelValues(limit).Inc()
		s.complaints.log(ip, "connection refused", zap.String("limit", limit), zap.String("listener", listener))
		_ = nc.Close()
		return
	}
	if err := s.tune(nc); err != nil {
		s.complaints.log(ip, "connection cannot be set up", zap.Error(err))
		s.admission.leave(ip, listener)
		_ = nc.Close()
		return
	}
	c := s.newConn(ctx, nc, l, ip)
	if !s.register(c) {
		s.admission.leave(ip, listener)
		_ = nc.Close()
		return
	}
	go c.run()
}

// tune sets what is asked for of a TCP connection. Answers leave at once.
func (s *Server) tune(nc net.Conn) error {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	errs := []error{tcp.SetNoDelay(true)}
	if s.cfg.SendBuffer > 0 {
		errs = append(errs, tcp.SetWriteBuffer(s.cfg.SendBuffer))
	}
	if s.cfg.ReceiveBuffer > 0 {
		errs = append(errs, tcp.SetReadBuffer(s.cfg.ReceiveBuffer))
	}
	return errors.Join(errs...)
}

func hostOf(a net.Addr) string {
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return host
}

// elsewhere says whether the client of a connection is on another machine. One on this
// machine has a loopback address, or the very one that it connected to.
func elsewhere(remote, local net.Addr) bool {
	ip := net.ParseIP(hostOf(remote))
	return ip != nil && !ip.IsLoopback() && !ip.Equal(net.ParseIP(hostOf(local)))
}
