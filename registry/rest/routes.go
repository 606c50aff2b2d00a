package rest

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/streamhouse/streamhouse/registry/subject"
)

// route is a path of the API. {s} is a subject, {v} a version, {id}, {g} and {c} an id, a
// GUID and a context.
type route struct {
	name    string
	parts   []string
	methods map[string]func(*request) (any, error)
	// looks: its POST changes nothing.
	looks bool
	// always: it is answered before the topic was read.
	always bool
}

var routes []*route

func init() { // the table and its handlers know one another
	add := func(path string, methods map[string]func(*request) (any, error)) *route {
		r := &route{name: path, parts: strings.Split(path, "/")[1:], methods: methods}
		routes = append(routes, r)
		return r
	}
	type on = map[string]func(*request) (any, error)
	const get, put, post, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete
	root := add("/", on{get: nothing, post: nothing})
	root.looks, root.always = true, true
	add("/subjects", on{get: listSubjects})
	add("/subjects/{s}", on{post: lookup, del: deleteSubject}).looks = true
	add("/subjects/{s}/versions", on{get: listVersions, post: register})
	add("/subjects/{s}/metadata", on{get: latestWithMetadata})
	add("/subjects/{s}/versions/{v}", on{get: getVersion, del: deleteVersion})
	add("/subjects/{s}/versions/{v}/schema", on{get: getVersionText})
	add("/subjects/{s}/versions/{v}/referencedby", on{get: referencedBy})
	add("/schemas", on{get: listSchemas})
	add("/schemas/types", on{get: types}).always = true
	add("/schemas/ids/{id}", on{get: getID})
	add("/schemas/ids/{id}/schema", on{get: getIDText})
	add("/schemas/ids/{id}/subjects", on{get: subjectsOfID})
	add("/schemas/ids/{id}/versions", on{get: versionsOfID})
	add("/schemas/guids/{g}", on{get: getGUID})
	add("/schemas/guids/{g}/ids", on{get: idsOfGUID})
	add("/contexts", on{get: listContexts})
	add("/contexts/{c}", on{del: deleteContext})
	add("/compatibility/subjects/{s}/versions", on{post: compatibleAll}).looks = true
	add("/compatibility/subjects/{s}/versions/{v}", on{post: compatibleOne}).looks = true
	add("/config", on{get: getConfig, put: putConfig, del: deleteConfig})
	add("/config/{s}", on{get: getConfig, put: putConfig, del: deleteConfig})
	add("/mode", on{get: getMode, put: putMode, del: deleteMode})
	add("/mode/{s}", on{get: getMode, put: putMode, del: deleteMode})
	add("/v1/metadata/id", on{get: clusterID}).always = true
	add("/v1/metadata/version", on{get: serverVersion}).always = true
	add("/v1/metadata/deployment", on{get: deployment}).always = true
}

func nothing(*request) (any, error) { return struct{}{}, nil }

// match finds the route of an escaped path, the context that it is under, and its parts.
func match(escaped string) (*route, string, map[string]string) {
	parts := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	for i := range parts {
		text, err := url.PathUnescape(parts[i])
		if err != nil {
			return nil, "", nil
		}
		parts[i] = text
	}
	if n := len(parts); n > 1 && parts[n-1] == "" {
		parts = parts[:n-1]
	}
	if len(parts) > 2 && parts[0] == "contexts" {
		context := subject.ParseContext(parts[1])
		parts = parts[2:]
		if parts[0] != "subjects" && parts[0] != "schemas" && parts[0] != "config" && parts[0] != "mode" && parts[0] != "compatibility" {
			return nil, "", nil
		}
		r, path := find(parts)
		return r, context, path
	}
	r, path := find(parts)
	return r, subject.Default, path
}

func find(parts []string) (*route, map[string]string) {
	for _, r := range routes {
		if path, ok := r.fits(parts); ok {
			return r, path
		}
	}
	return nil, nil
}

func (r *route) fits(parts []string) (map[string]string, bool) {
	if len(parts) != len(r.parts) {
		return nil, false
	}
	var path map[string]string
	for i, want := range r.parts {
		if strings.HasPrefix(want, "{") {
			if path == nil {
				path = map[string]string{}
			}
			path[strings.Trim(want, "{}")] = parts[i]
		} else if want != parts[i] {
			return nil, false
		}
	}
	return path, true
}
