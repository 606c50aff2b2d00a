package bucket

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

// Location is a parsed bucket URL. It holds no secrets, so it may be logged and
// written down.
type Location struct {
	Scheme string // "file" or "s3"

	Path string // file: an absolute or relative folder

	Bucket    string // s3: the bucket's name
	Prefix    string // s3: in front of every key; empty or ends with a slash
	Endpoint  string // s3: scheme://host[:port] of the store; empty: Amazon's
	Region    string // s3: empty: us-east-1
	PathStyle bool   // s3: the bucket's name in the path, not in the host
}

// ParseLocation reads `file:///path`, `file:relative/path`, a bare path, or
// `s3://bucket[/prefix][?endpoint=http://host:port][&region=..][&path_style=true]`.
// With an endpoint of its own the path style is the default. All faults are in the
// error. Credentials are no part of the URL and refused there.
func ParseLocation(s string) (Location, error) {
	if s == "" {
		return Location{}, errors.New("bucket URL is empty; use file:///folder or s3://bucket/prefix")
	}
	scheme, _, found := strings.Cut(s, ":")
	if !found || strings.ContainsAny(scheme, "/.") {
		return Location{Scheme: "file", Path: filepath.Clean(s)}, nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return Location{}, fmt.Errorf("bucket URL: %w", errors.Unwrap(err))
	}
	switch u.Scheme {
	case "file":
		return fileLocation(u)
	case "s3":
		return s3Location(u)
	}
	return Location{}, fmt.Errorf("bucket URL: scheme %q is not known; use file:///folder or s3://bucket/prefix", u.Scheme)
}

func fileLocation(u *url.URL) (Location, error) {
	if u.Host != "" {
		return Location{}, fmt.Errorf("bucket URL: file://%s/... names a host; use three slashes for an absolute folder", u.Host)
	}
	if u.RawQuery != "" {
		return Location{}, errors.New("bucket URL: file: takes no query")
	}
	path := u.Path
	if u.Opaque != "" { // a relative folder, as it stands in the URL
		var err error
		if path, err = url.PathUnescape(u.Opaque); err != nil {
			return Location{}, fmt.Errorf("bucket URL: %w", err)
		}
	}
	if path == "" {
		return Location{}, errors.New("bucket URL: file: without a folder")
	}
	return Location{Scheme: "file", Path: filepath.Clean(path)}, nil
}

func s3Location(u *url.URL) (Location, error) {
	l := Location{Scheme: "s3", Bucket: u.Host, Prefix: strings.Trim(u.Path, "/")}
	var faults []error
	if u.User != nil {
		faults = append(faults, errors.New("credentials do not belong there; use the settings for them"))
	}
	if l.Bucket == "" {
		faults = append(faults, errors.New("the bucket's name is missing"))
	}
	if l.Prefix != "" {
		if err := CheckKey(l.Prefix); err != nil {
			faults = append(faults, fmt.Errorf("prefix: %w", err))
		}
		l.Prefix += "/"
	}
	faults = append(faults, l.query(u)...)
	if len(faults) > 0 {
		return Location{}, fmt.Errorf("bucket URL: %w", errors.Join(faults...))
	}
	return l, nil
}

// query reads the parameters of an s3 URL and returns all faults.
func (l *Location) query(u *url.URL) (faults []error) {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		faults = append(faults, fmt.Errorf("query: %w", err))
	}
	l.PathStyle = values.Has("endpoint")
	for name, v := range values {
		switch value := v[0]; {
		case len(v) > 1:
			faults = append(faults, fmt.Errorf("%s is given %d times", name, len(v)))
		case name == "endpoint":
			faults = append(faults, l.setEndpoint(value)...)
		case name == "region":
			l.Region = value
		case name == "path_style":
			if l.PathStyle, err = strconv.ParseBool(value); err != nil {
				faults = append(faults, fmt.Errorf("path_style=%q is neither true nor false", value))
			}
		default:
			faults = append(faults, fmt.Errorf("parameter %q is not known; there are endpoint, region and path_style", name))
		}
	}
	return faults
}

func (l *Location) setEndpoint(s string) []error {
	e, err := url.Parse(s)
	switch {
	case err != nil || e.Host == "" || e.Scheme != "http" && e.Scheme != "https":
		return []error{fmt.Errorf("endpoint=%q is not http://host[:port] or https://host[:port]", s)}
	case strings.Trim(e.Path, "/") != "" || e.RawQuery != "" || e.User != nil:
		return []error{fmt.Errorf("endpoint=%q may have a scheme, a host and a port only", s)}
	}
	l.Endpoint = e.Scheme + "://" + e.Host
	return nil
}

// String is the location as a URL that ParseLocation reads back to the same. Two
// locations of the same store have the same text, so it identifies a bucket.
func (l Location) String() string {
	if l.Scheme == "file" {
		return (&url.URL{Scheme: "file", Path: l.Path, OmitHost: !filepath.IsAbs(l.Path)}).String()
	}
	q := url.Values{}
	if l.Endpoint != "" {
		q.Set("endpoint", l.Endpoint)
	}
	if l.Region != "" {
		q.Set("region", l.Region)
	}
	if l.PathStyle != (l.Endpoint != "") {
		q.Set("path_style", strconv.FormatBool(l.PathStyle))
	}
	u := url.URL{Scheme: "s3", Host: l.Bucket, Path: "/" + strings.TrimSuffix(l.Prefix, "/"), RawQuery: q.Encode()}
	if l.Prefix == "" {
		u.Path = ""
	}
	return u.String()
}
