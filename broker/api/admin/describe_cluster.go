package admin

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// DescribeCluster (key 60), versions 0 to 2 (KIP-700).
//
//	1  the kind of endpoints (KIP-919): brokers only, there are no controllers
//	2  fenced brokers (KIP-1073), of which there are none

const (
	endpointBrokers     = 1
	endpointControllers = 2
)

// DescribeCluster shows the brokers.
func (c *Handlers) DescribeCluster(_ context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.DescribeClusterRequest)
	resp := kmsg.NewPtrDescribeClusterResponse()
	view := c.Leaders.View()
	resp.EndpointType, resp.ClusterID = endpointBrokers, c.Node.ClusterID
	resp.ControllerID, _ = view.Controller()
	resp.Brokers = []kmsg.DescribeClusterResponseBroker{}
	if r.Version >= 1 && req.EndpointType != endpointBrokers {
		err := protocol.Errorf(protocol.UnsupportedEndpointType, "Unsupported endpoint type %d", req.EndpointType)
		if req.EndpointType == endpointControllers {
			err = protocol.Errorf(protocol.MismatchedEndpointType, "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER")
		}
		resp.ClusterID, resp.ControllerID = "", -1
		c.refuse(&resp.ErrorCode, &resp.ErrorMessage, err)
		return resp, nil
	}
	if req.IncludeClusterAuthorizedOperations {
		resp.ClusterAuthorizedOperations = r.ClusterOperations()
	}
	for _, n := range view.Nodes() {
		at, b := n.Endpoint(r.Conn.Listener), kmsg.NewDescribeClusterResponseBroker()
		b.NodeID, b.Host, b.Port, b.Rack = n.ID, at.Host, at.Port, n.Rack
		resp.Brokers = append(resp.Brokers, b)
	}
	return resp, nil
}
