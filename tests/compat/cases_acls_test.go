package compat

import "github.com/twmb/franz-go/pkg/kmsg"

// ACLs where there is no authorizer: nothing can be asked or changed. What the request
// holds is looked at first, and a connection that sends what does not exist is closed.

type aclFilter struct {
	resource  kmsg.ACLResourceType
	pattern   kmsg.ACLResourcePatternType
	operation kmsg.ACLOperation
	effect    kmsg.ACLPermissionType
	// name is any if it is nil.
	name *string
}

// anyACL matches every one, reader is one that can be created.
var (
	anyACL = aclFilter{kmsg.ACLResourceTypeAny, kmsg.ACLResourcePatternTypeAny, kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny, nil}
	reader = aclFilter{kmsg.ACLResourceTypeTopic, kmsg.ACLResourcePatternTypeLiteral, kmsg.ACLOperationRead, kmsg.ACLPermissionTypeAllow, ptr("log")}
)

// but changes a filter.
func (f aclFilter) but(change func(*aclFilter)) aclFilter {
	change(&f)
	return f
}

func describeACLs(f aclFilter) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDescribeACLsRequest()
		req.ResourceType, req.ResourcePatternType, req.ResourceName = f.resource, f.pattern, f.name
		req.Operation, req.PermissionType = f.operation, f.effect
		return req
	}
}

func createACLs(list ...aclFilter) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrCreateACLsRequest()
		for _, f := range list {
			c := kmsg.NewCreateACLsRequestCreation()
			c.ResourceType, c.ResourcePatternType = f.resource, f.pattern
			c.Operation, c.PermissionType = f.operation, f.effect
			c.Principal, c.Host = "User:a", "*"
			if f.name != nil {
				c.ResourceName = *f.name
			}
			req.Creations = append(req.Creations, c)
		}
		return req
	}
}

func deleteACLs(list ...aclFilter) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDeleteACLsRequest()
		for _, f := range list {
			c := kmsg.NewDeleteACLsRequestFilter()
			c.ResourceType, c.ResourcePatternType, c.ResourceName = f.resource, f.pattern, f.name
			c.Operation, c.PermissionType = f.operation, f.effect
			req.Filters = append(req.Filters, c)
		}
		return req
	}
}

// aclShapes are what each of the three is asked with.
var aclShapes = []struct {
	name string
	with aclFilter
}{
	{"any", anyACL},
	{"one", reader},
	{"no name", reader.but(func(f *aclFilter) { f.name = nil })},
	{"empty name", reader.but(func(f *aclFilter) { f.name = ptr("") })},
	{"unknown resource", reader.but(func(f *aclFilter) { f.resource = 0 })},
	{"resource 99", reader.but(func(f *aclFilter) { f.resource = 99 })},
	{"resource -1", reader.but(func(f *aclFilter) { f.resource = -1 })},
	{"any resource", reader.but(func(f *aclFilter) { f.resource = kmsg.ACLResourceTypeAny })},
	{"unknown pattern", reader.but(func(f *aclFilter) { f.pattern = 0 })},
	{"any pattern", reader.but(func(f *aclFilter) { f.pattern = kmsg.ACLResourcePatternTypeAny })},
	{"matching pattern", reader.but(func(f *aclFilter) { f.pattern = kmsg.ACLResourcePatternTypeMatch })},
	{"prefixes", reader.but(func(f *aclFilter) { f.pattern = kmsg.ACLResourcePatternTypePrefixed })},
	{"pattern 99", reader.but(func(f *aclFilter) { f.pattern = 99 })},
	{"unknown operation", reader.but(func(f *aclFilter) { f.operation = 0 })},
	{"any operation", reader.but(func(f *aclFilter) { f.operation = kmsg.ACLOperationAny })},
	{"operation 15", reader.but(func(f *aclFilter) { f.operation = 15 })},
	{"operation 16", reader.but(func(f *aclFilter) { f.operation = 16 })},
	{"unknown permission", reader.but(func(f *aclFilter) { f.effect = 0 })},
	{"any permission", reader.but(func(f *aclFilter) { f.effect = kmsg.ACLPermissionTypeAny })},
	{"permission 99", reader.but(func(f *aclFilter) { f.effect = 99 })},
	{"users", reader.but(func(f *aclFilter) { f.resource = kmsg.ACLResourceTypeUser })},
	{"resource 8", reader.but(func(f *aclFilter) { f.resource = 8 })},
}

var aclCases = cases(aclShapesOf(), []testCase{
	{name: "describe, empty principal and host", request: func(w *world, lane int16) kmsg.Request {
		req := describeACLs(reader)(w, lane).(*kmsg.DescribeACLsRequest)
		req.Principal, req.Host = ptr(""), ptr("")
		return req
	}},
	{name: "create nothing", request: createACLs()},
	{name: "create two", request: createACLs(reader, reader)},
	{name: "create good and bad", request: createACLs(reader, reader.but(func(f *aclFilter) { f.operation = 0 })), on: "good and bad"},
	{name: "create for a null principal", request: func(w *world, lane int16) kmsg.Request {
		req := createACLs(reader)(w, lane).(*kmsg.CreateACLsRequest)
		req.Creations[0].Principal = null
		return req
	}, on: "null principal"},
	{name: "delete nothing", request: deleteACLs()},
	{name: "delete two", request: deleteACLs(reader, anyACL)},
	{name: "delete good and bad", request: deleteACLs(reader, reader.but(func(f *aclFilter) { f.resource = 0 })), on: "good and bad"},
})

func aclShapesOf() (all []testCase) {
	for _, s := range aclShapes {
		all = append(all, testCase{name: "describe " + s.name, request: describeACLs(s.with)},
			testCase{name: "create " + s.name, request: createACLs(s.with)},
			testCase{name: "delete " + s.name, request: deleteACLs(s.with)})
	}
	return all
}
