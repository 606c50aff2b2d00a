package auth

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
)

// ResourceType is what a right is about, with Kafka's numbers.
type ResourceType int8

// The types of resources. Any is for filters only.
const (
	AnyResource ResourceType = iota + 1
	Topic
	Group
	Cluster
	TransactionalID
	DelegationToken
	UserResource
)

// ClusterName is what the one resource of type Cluster is called.
const ClusterName = "kafka-cluster"

// Pattern says how the name of an ACL's resource is meant, with Kafka's numbers.
type Pattern int8

// The patterns. AnyPattern and Match are for filters only.
const (
	AnyPattern Pattern = iota + 1
	Match
	Literal
	Prefixed
)

// Wildcard is the literal name that stands for all names, and the host for all hosts.
const Wildcard = "*"

// Operation is what is done with a resource, with Kafka's numbers.
type Operation int8

// The operations. AnyOperation is for filters only; All is in ACLs only.
const (
	AnyOperation Operation = iota + 1
	All
	Read
	Write
	Create
	Delete
	Alter
	Describe
	ClusterAction
	DescribeConfigs
	AlterConfigs
	IdempotentWrite
	CreateTokens
	DescribeTokens
	TwoPhaseCommit
)

// Permission says what an ACL does, with Kafka's numbers.
type Permission int8

// The permissions. AnyPermission is for filters only.
const (
	AnyPermission Permission = iota + 1
	Deny
	Allow
)

// The names of the numbers, as Kafka writes them; index 0 is what a zero means to it.
var (
	resourceNames   = []string{"UNKNOWN", "ANY", "TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID", "DELEGATION_TOKEN", "USER"}
	patternNames    = []string{"UNKNOWN", "ANY", "MATCH", "LITERAL", "PREFIXED"}
	operationNames  = []string{"UNKNOWN", "ANY", "ALL", "READ", "WRITE", "CREATE", "DELETE", "ALTER", "DESCRIBE", "CLUSTER_ACTION", "DESCRIBE_CONFIGS", "ALTER_CONFIGS", "IDEMPOTENT_WRITE", "CREATE_TOKENS", "DESCRIBE_TOKENS", "TWO_PHASE_COMMIT"}
	permissionNames = []string{"UNKNOWN", "ANY", "DENY", "ALLOW"}
)

func named[N ~int8](names []string, n N) string {
	if n < 0 || int(n) >= len(names) {
		return names[0]
	}
	return names[n]
}

func (t ResourceType) String() string { return named(resourceNames, t) }
func (p Pattern) String() string      { return named(patternNames, p) }
func (o Operation) String() string    { return named(operationNames, o) }
func (p Permission) String() string   { return named(permissionNames, p) }

// KnownResource says whether ACLs can be about a type. Filters may have any as well.
func KnownResource(t ResourceType) bool { return t >= Topic && t <= UserResource }

// KnownOperation says whether an ACL can have the operation.
func KnownOperation(o Operation) bool { return o >= All && o <= TwoPhaseCommit }

// ACL allows something to somebody, or denies it. Two are the same if they are equal.
type ACL struct {
	Type       ResourceType
	Pattern    Pattern // Literal or Prefixed
	Name       string  // of the resource, or how it begins; literally "*": all names
	Principal  string  // "User:alice"; "User:*" is everybody
	Host       string  // an address, a network ("10.0.0.0/8"), or "*"
	Operation  Operation
	Permission Permission // Deny or Allow
}

// String shows an ACL in a line.
func (a *ACL) String() string {
	return fmt.Sprintf("%s %s from %s: %s on %s:%s:%s", a.Permission, a.Principal, a.Host, a.Operation, a.Type, a.Pattern, a.Name)
}

// Compare orders ACLs, by resource first.
func (a *ACL) Compare(b *ACL) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Pattern, b.Pattern),
		a.compareEntry(b))
}

// compareEntry orders the ACLs of one resource, by principal first.
func (a *ACL) compareEntry(b *ACL) int {
	return cmp.Or(cmp.Compare(a.Principal, b.Principal), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Operation, b.Operation),
		cmp.Compare(a.Permission, b.Permission))
}

// Fault is why there can be no such ACL, in Kafka's words where it has some.
type Fault struct{ What string }

func (f *Fault) Error() string { return "invalid ACL: " + f.What }

// Check says what is wrong with an ACL that is to be made, with a Fault. As in Kafka a host that is no
// address is taken, and so is an operation that the resource does not know: neither ever
// fits a request.
func (a *ACL) Check() error {
	fault := ""
	switch {
	case !KnownResource(a.Type):
		fault = fmt.Sprintf("Invalid resourceType %s", a.Type)
	case a.Pattern != Literal && a.Pattern != Prefixed:
		fault = fmt.Sprintf("Invalid patternType %s", a.Pattern)
	case a.Name == "":
		fault = "Resource name should not be empty"
	case a.Type == Cluster && a.Name != ClusterName:
		fault = "The only valid name for the CLUSTER resource is " + ClusterName
	case !KnownOperation(a.Operation):
		fault = fmt.Sprintf("Invalid operation %s", a.Operation)
	case a.Permission != Deny && a.Permission != Allow:
		fault = fmt.Sprintf("Invalid permissionType %s", a.Permission)
	case !strings.Contains(a.Principal, ":"):
		fault = fmt.Sprintf("Could not parse principal from `%s` (no colon is present separating the principal type from the principal name)", a.Principal)
	case a.Host == "":
		fault = "Host should not be empty"
	case strings.Contains(a.Host, "/"):
		if _, err := netip.ParsePrefix(a.Host); err != nil {
			fault = fmt.Sprintf("Invalid CIDR notation %s", a.Host)
		}
	}
	if fault == "" {
		return nil
	}
	return &Fault{fault}
}

// Filter chooses ACLs. A nil text fits all.
type Filter struct {
	Type       ResourceType // AnyResource fits all
	Pattern    Pattern      // AnyPattern: any of exactly this name; Match: any that covers the name
	Name       *string
	Principal  *string
	Host       *string
	Operation  Operation
	Permission Permission
}

// Fits says whether the filter chooses an ACL.
func (f *Filter) Fits(a *ACL) bool {
	return (f.Type == AnyResource || f.Type == a.Type) && f.fitsName(a) &&
		(f.Principal == nil || *f.Principal == a.Principal) && (f.Host == nil || *f.Host == a.Host) &&
		(f.Operation == AnyOperation || f.Operation == a.Operation) && (f.Permission == AnyPermission || f.Permission == a.Permission)
}

func (f *Filter) fitsName(a *ACL) bool {
	switch {
	case f.Pattern != AnyPattern && f.Pattern != Match && f.Pattern != a.Pattern:
		return false
	case f.Name == nil:
		return true
	case f.Pattern != Match:
		return *f.Name == a.Name
	case a.Pattern == Prefixed:
		return strings.HasPrefix(*f.Name, a.Name)
	}
	return *f.Name == a.Name || a.Name == Wildcard
}
