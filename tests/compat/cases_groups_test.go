package compat

import "github.com/twmb/franz-go/pkg/kmsg"

func findCoordinator(kind int8, keys ...string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorType, req.CoordinatorKeys = kind, keys
		if len(keys) > 0 {
			req.CoordinatorKey = keys[0]
		}
		return req
	}
}

// found says that the coordinator is there, which Kafka makes on the first request.
func found(r kmsg.Response) bool {
	resp := r.(*kmsg.FindCoordinatorResponse)
	for _, c := range resp.Coordinators {
		if c.ErrorCode == 15 {
			return false
		}
	}
	return resp.ErrorCode != 15
}

// ready makes the coordinator and waits until it has loaded what the group of the
// suite needs: until then Kafka finds every heartbeat good.
var ready = []testCase{
	testCase{name: "coordinator", request: findCoordinator(0, "g")}.asking(found),
	testCase{name: "loaded", request: heartbeat("g", "nobody", 1)}.in(4, 4).asking(func(r kmsg.Response) bool {
		return r.(*kmsg.HeartbeatResponse).ErrorCode == 25
	}),
}

var coordinatorCases = append(ready[:len(ready):len(ready)],
	testCase{name: "empty group", request: findCoordinator(0, "")}.asking(found),
	testCase{name: "two groups", request: findCoordinator(0, "g", "h")}.since(4),
	testCase{name: "group twice", request: findCoordinator(0, "g", "g")}.since(4),
	testCase{name: "no keys", request: findCoordinator(0)}.since(4),
	testCase{name: "null key", request: findCoordinator(0, null)},
	testCase{name: "type 2", request: findCoordinator(2, "g")}.since(1),
	testCase{name: "type 3", request: findCoordinator(3, "g")}.since(1),
	testCase{name: "type -1", request: findCoordinator(-1, "g")}.since(1),
	testCase{name: "long group", request: findCoordinator(0, string(make([]byte, 1000)))}.asking(found),
)

func describeGroup(groups ...string) func(*world, int16) kmsg.Request {
	return func(_ *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrDescribeGroupsRequest()
		for _, g := range groups {
			req.Groups = append(req.Groups, named(g, lane))
		}
		return req
	}
}

func deleteGroups(groups ...string) func(*world, int16) kmsg.Request {
	return func(_ *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrDeleteGroupsRequest()
		for _, g := range groups {
			req.Groups = append(req.Groups, named(g, lane))
		}
		return req
	}
}

func listGroups(states, types []string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrListGroupsRequest()
		req.StatesFilter, req.TypesFilter = states, types
		return req
	}
}

var groupCases = append(ready[:len(ready):len(ready)],
	setup(topic("log", 1, 1)),
	testCase{name: "nobody lists", request: listGroups(nil, nil)},
	testCase{name: "joins", request: join("joined.", "", protocols("consumer", "range", "roundrobin"))}.in(3, 3).keeping("a"),
	testCase{name: "commits", request: commit("simple", "", -1, committing("log", 0, 5))}.in(3, 3),
	testCase{name: "list", request: listGroups(nil, nil)},
	testCase{name: "list empty ones", request: listGroups([]string{"Empty"}, nil)}.since(4),
	testCase{name: "list in another case", request: listGroups([]string{"empty", "COMPLETINGREBALANCE"}, nil)}.since(4),
	testCase{name: "list stable ones", request: listGroups([]string{"Stable"}, nil)}.since(4),
	testCase{name: "list by an unknown state", request: listGroups([]string{"Odd"}, nil)}.since(4),
	testCase{name: "list by an empty state", request: listGroups([]string{""}, nil)}.since(4),
	testCase{name: "list classic ones", request: listGroups(nil, []string{"classic"})}.since(5),
	testCase{name: "list by type in capitals", request: listGroups(nil, []string{"CLASSIC"})}.since(5),
	testCase{name: "list consumer ones", request: listGroups(nil, []string{"consumer"})}.since(5),
	testCase{name: "list by an unknown type", request: listGroups(nil, []string{"odd"})}.since(5),
	testCase{name: "list by state and type", request: listGroups([]string{"Empty"}, []string{"classic", "share"})}.since(5),
	testCase{name: "describe unknown", request: describeGroup("g", "")},
	testCase{name: "describe none", request: describeGroup()},
	testCase{name: "describe null", request: describeGroup(null)},
	testCase{name: "describe twice", request: describeGroup("g", "g")},
	testCase{name: "describe with operations", request: func(w *world, lane int16) kmsg.Request {
		req := describeGroup("g")(w, lane).(*kmsg.DescribeGroupsRequest)
		req.Groups = append(req.Groups, each("simple", 3))
		req.IncludeAuthorizedOperations = true
		return req
	}}.since(3),
	testCase{name: "delete unknown", request: deleteGroups("g", "")},
	testCase{name: "delete none", request: deleteGroups()},
	testCase{name: "delete null", request: deleteGroups(null)},
	testCase{name: "delete twice", request: deleteGroups("g", "g")},
	testCase{name: "delete one with a member", request: func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Groups = []string{each("joined.", 3)}
		return req
	}},
	testCase{name: "delete one with offsets", request: deleteGroups("simple")}.in(3, 3),
	testCase{name: "delete it again", request: deleteGroups("simple")}.in(3, 3),
)
