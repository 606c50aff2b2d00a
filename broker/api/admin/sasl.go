package admin

// SaslHandshake (key 17, versions 0-1) and SaslAuthenticate (key 36, versions 0-2) of
// clients that are logged in, or need no login. What comes before is broker/login.go.

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// SaslHandshake says that there is no login to begin.
func (c *Handlers) SaslHandshake(context.Context, *api.Request) (kmsg.Response, error) {
	resp := kmsg.NewPtrSASLHandshakeResponse()
	resp.ErrorCode, resp.SupportedMechanisms = int16(protocol.IllegalSASLState), []string{}
	return resp, nil
}

// SaslAuthenticate says that there is no login to go on with, in Kafka's words.
func (c *Handlers) SaslAuthenticate(context.Context, *api.Request) (kmsg.Response, error) {
	resp := kmsg.NewPtrSASLAuthenticateResponse()
	resp.SASLAuthBytes = []byte{}
	c.refuse(&resp.ErrorCode, &resp.ErrorMessage,
		protocol.Errorf(protocol.IllegalSASLState, "SaslAuthenticate request received after successful authentication"))
	return resp, nil
}
