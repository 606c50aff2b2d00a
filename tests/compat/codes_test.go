package compat

import "testing"

func note(into map[int16]map[int16]map[string]bool, key, code int16, name string) {
	if into[key] == nil {
		into[key] = make(map[int16]map[string]bool)
	}
	if into[key][code] == nil {
		into[key][code] = make(map[string]bool)
	}
	into[key][code][name] = true
}

func checkCodes(t *testing.T, produced map[int16]map[int16]map[string]bool) {}
