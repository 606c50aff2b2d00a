package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/auth/sasl"
	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/wire"
	"github.com/streamhouse/streamhouse/protocol"
)

// Login is how clients of a listener log in. Names in comments are Kafka's settings.
type Login struct {
	Mechanisms []string // sasl.enabled.mechanisms, in the order in which clients are told
	// Begin begins a login by one of the mechanisms.
	Begin func(mechanism string) sasl.Conversation
	// MaxReauth is connections.max.reauth.ms of a mechanism; 0: a login lasts.
	MaxReauth map[string]time.Duration
	// FailDelay is connection.failed.authentication.delay.ms.
	FailDelay time.Duration
	// MaxFrame is sasl.server.max.receive.size.
	MaxFrame int
}

// reauthMin is how far apart the beginnings of two logins of a connection are.
const reauthMin = time.Second

var (
	// errLogin: the client has not proved who it is.
	errLogin = errors.New("login failed")
	// errSession: the client has not logged in anew in time.
	errSession = errors.New("the session is over")
)

// loginState is what a connection that logs in may send next.
type loginState int

const (
	loginBegins    loginState = iota // ApiVersions, SaslHandshake
	loginHandshake                   // SaslHandshake: ApiVersions was answered
	loginToken                       // a token of its mechanism
	loginDone                        // everything
)

// login is the login of one connection. The connection's reader alone uses it.
type login struct {
	cfg   *Login
	state loginState

	mechanism string
	bare      bool // tokens come without a header: after a handshake of version 0
	steps     sasl.Conversation
	// badMechanism: a second login wanted another mechanism than the first; its next frame
	// is answered with that.
	badMechanism string

	again   bool      // it was logged in before
	began   time.Time // the last login after the first
	expires time.Time // zero: never
}

// loginNext reads one frame of a login and sees to its answer. Requests that do not belong
// to one close the connection, and so does everything after a failure.
func (c *conn) loginNext() error {
	if err := c.frame(min(c.login.cfg.MaxFrame, c.srv.cfg.MaxRequestBytes)); err != nil {
		return err
	}
	start := time.Now()
	if c.login.state == loginToken && c.login.bare {
		return c.bareToken(start)
	}
	r, err := c.header()
	if err != nil {
		return err
	}
	if err := c.loginRequest(r, start); err != nil {
		r.Bill.Release()
		return err
	}
	return c.in.End()
}

// loginRequest serves a request before the login is done.
func (c *conn) loginRequest(r *api.Request, start time.Time) error {
	l := c.login
	switch {
	case l.state == loginToken && r.Key == protocol.KeySaslAuthenticate:
		return c.token(r, start)
	case l.state != loginToken && r.Key == protocol.KeySaslHandshake:
		return c.saslHandshake(r, start)
	case l.state == loginBegins && r.Key == protocol.KeyApiVersions:
		code, err := c.serve(r, start)
		if err == nil && code == protocol.None {
			l.state = loginHandshake
		}
		return err
	}
	return fmt.Errorf("%w: %s before the login is done", errProtocol, protocol.Name(r.Key))
}

// saslHandshake takes the mechanism that the client has chosen.
func (c *conn) saslHandshake(r *api.Request, start time.Time) error {
	l := c.login
	if protocol.CheckVersion(r.Key, r.Version) != nil {
		return fmt.Errorf("%w: SaslHandshake version %d is not served", errProtocol, r.Version)
	}
	if err := c.body(r); err != nil {
		return err
	}
	mechanism := r.Body.(*kmsg.SASLHandshakeRequest).Mechanism
	resp := kmsg.NewPtrSASLHandshakeResponse()
	resp.SupportedMechanisms = l.cfg.Mechanisms
	if !slices.Contains(l.cfg.Mechanisms, mechanism) {
		resp.ErrorCode = int16(protocol.UnsupportedSASLMechanism)
		return c.refuse(r, resp, start, fmt.Errorf("mechanism %.64q is not among those of the listener", mechanism))
	}
	switch {
	case l.again && mechanism != l.mechanism:
		l.badMechanism = fmt.Sprintf("SASL mechanism '%s' requested by client is not supported for re-authentication of mechanism '%s'", mechanism, l.mechanism)
	default:
		l.mechanism = mechanism
		l.steps = l.cfg.Begin(mechanism)
	}
	l.bare, l.state = r.Version == 0, loginToken
	return c.push(r, api.Encode(r, resp), protocol.None, start)
}

// token takes a token in its request.
func (c *conn) token(r *api.Request, start time.Time) error {
	if protocol.CheckVersion(r.Key, r.Version) != nil {
		return fmt.Errorf("%w: SaslAuthenticate version %d is not served", errProtocol, r.Version)
	}
	if err := c.body(r); err != nil {
		return err
	}
	resp := kmsg.NewPtrSASLAuthenticateResponse()
	resp.SASLAuthBytes = []byte{}
	answer, err := c.step(r.Body.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes)
	if err != nil {
		text := c.login.told(err)
		resp.ErrorCode, resp.ErrorMessage = int16(protocol.SASLAuthenticationFailed), &text
		return c.refuse(r, resp, start, err)
	}
	if answer != nil {
		resp.SASLAuthBytes = answer
	}
	if c.login.state == loginDone && !c.login.expires.IsZero() {
		resp.SessionLifetimeMillis = c.login.cfg.MaxReauth[c.login.mechanism].Milliseconds()
	}
	return c.push(r, api.Encode(r, resp), protocol.None, start)
}

// bareToken takes a token that is a frame of its own. One that fails closes the connection.
func (c *conn) bareToken(start time.Time) error {
	message, err := c.in.Rest(c.present)
	if err != nil {
		return err
	}
	answer, err := c.step(message)
	if err != nil {
		c.wait(c.login.cfg.FailDelay)
		c.srv.metrics.byKey[protocol.KeySaslAuthenticate].Observe(protocol.SASLAuthenticationFailed, time.Since(start))
		return fmt.Errorf("%w by %s: %w", errLogin, c.login.mechanism, err)
	}
	if answer != nil || c.login.state == loginDone {
		f := wire.NewFrame()
		f.Meta = append(f.Meta, answer...)
		if err := c.out.Push(c.ctx, &wire.Slot{Ready: f.Finish()}); err != nil {
			return err
		}
	}
	return c.in.End()
}

// step hands a token to the mechanism, and finishes the login if it is done.
func (c *conn) step(message []byte) ([]byte, error) {
	l := c.login
	if l.badMechanism != "" {
		return nil, &sasl.Refusal{Text: l.badMechanism}
	}
	o, err := l.steps.Step(message)
	if err != nil || !o.Done {
		return o.Answer, err
	}
	if l.again && o.Principal != c.info.Principal {
		return nil, &sasl.Refusal{Text: fmt.Sprintf("Cannot change principals during re-authentication from %s: %s",
			dotted(c.info.Principal), dotted(o.Principal))}
	}
	c.info.Principal = o.Principal
	l.steps, l.state, l.again = nil, loginDone, true
	l.expires = time.Time{}
	if lasts := l.cfg.MaxReauth[l.mechanism]; lasts > 0 {
		l.expires = time.Now().Add(lasts)
	}
	c.in.SetIdle(c.srv.cfg.MaxIdle)
	c.srv.metrics.logins.WithLabelValues(l.mechanism, "success").Inc()
	return o.Answer, nil
}

// dotted is a principal in Kafka's text about two of them.
func dotted(p auth.Principal) string { return p.Type + "." + p.Name }

// told is what a client is told about an error: nothing that it could learn from, whatever
// was wrong, but for what Kafka tells.
func (l *login) told(err error) string {
	var refusal *sasl.Refusal
	if errors.As(err, &refusal) {
		return refusal.Text
	}
	what := "authentication"
	if l.again {
		what = "re-authentication"
	}
	return fmt.Sprintf("Authentication failed during %s due to invalid credentials with SASL mechanism %s", what, l.mechanism)
}

// refuse answers a login that failed, after a while, and ends the connection. Nothing more
// is read from it.
func (c *conn) refuse(r *api.Request, resp kmsg.Response, start time.Time, reason error) error {
	c.wait(c.login.cfg.FailDelay)
	if err := c.push(r, api.Encode(r, resp), api.FirstError(resp), start); err != nil {
		return err
	}
	mechanism := c.login.mechanism
	if mechanism == "" {
		return fmt.Errorf("%w: %w", errLogin, reason)
	}
	c.srv.metrics.logins.WithLabelValues(mechanism, "failure").Inc()
	return fmt.Errorf("%w by %s: %w", errLogin, mechanism, reason)
}

// wait holds back the answer to a failure, so that guessing takes time. A client that
// leaves, and a broker that stops, end it.
func (c *conn) wait(delay time.Duration) {
	ctx, cancel := context.WithTimeout(c.present, delay)
	defer cancel()
	<-ctx.Done()
}

// session looks at a request of a client that is logged in: whether it begins a login
// anew, in which case that was seen to, and whether it comes too late.
func (c *conn) session(r *api.Request, start time.Time) (done bool, err error) {
	l := c.login
	if l.expires.IsZero() {
		return false, nil
	}
	now := time.Now()
	if r.Key == protocol.KeySaslHandshake && now.Sub(l.began) >= reauthMin {
		// Earlier produces are settled first: they are those of the login before.
		if err := c.out.Quiet(c.ctx); err != nil {
			return true, err
		}
		l.began = now
		return true, c.saslHandshake(r, start)
	}
	if now.After(l.expires) {
		return true, fmt.Errorf("%w: %s has not logged in anew", errSession, c.info.Principal)
	}
	return false, nil
}
