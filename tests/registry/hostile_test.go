package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// hostile are schemas that want to take time or memory, with their types.
func hostile() map[string][2]string {
	deep := strings.Repeat(`{"type":"array","items":`, 50_000) + `"int"` + strings.Repeat("}", 50_000)
	wide := `["null"` + strings.Repeat(`,{"type":"array","items":"int"}`, 30_000) + `]`
	var fields strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&fields, `,{"name":"f%d","type":"int"}`, i)
	}
	return map[string][2]string{
		"brackets":            {"AVRO", strings.Repeat("[", 900_000)},
		"deep":                {"AVRO", deep[:min(len(deep), 1_000_000)]},
		"wide union":          {"AVRO", wide},
		"many fields":         {"AVRO", `{"type":"record","name":"r","fields":[` + fields.String()[1:] + `]}`},
		"json brackets":       {"JSON", strings.Repeat(`{"not":`, 140_000)},
		"oneOf of oneOf":      {"JSON", strings.Repeat(`{"oneOf":[`, 150) + `{}` + strings.Repeat(`]}`, 150)},
		"recursive reference": {"JSON", `{"$ref":"#/definitions/a","definitions":{"a":{"$ref":"#/definitions/b"},"b":{"$ref":"#/definitions/a"}}}`},
		"remote reference":    {"JSON", `{"$ref":"http://127.0.0.1:1/schema.json"}`},
		"pattern":             {"JSON", `{"patternProperties":{"(a+)+$":{"type":"string"}},"additionalProperties":false}`},
		"nested messages":     {"PROTOBUF", `syntax = "proto3";` + strings.Repeat("message A {", 20_000) + strings.Repeat("}", 20_000)},
		"open brackets":       {"PROTOBUF", `syntax = "proto3"; option a = ` + strings.Repeat("{", 500_000)},
		"nothing of it":       {"PROTOBUF", strings.Repeat("\x00", 10_000)},
	}
}

// TestHostileSchemas: schemas that want much are answered within a bound, most of them with
// 422; bodies that are too large, cut or slow end; a hundred at once leave the broker small,
// nothing registered of what was refused, and a good schema is taken right after.
func TestHostileSchemas(t *testing.T) {
	b := peers.Start(t, peers.Options{Kind: peers.StreamHouse, Env: []string{"GOMEMLIMIT=512MiB"}})
	url := b.HTTP() + "/schema-registry"
	ctx := peers.Context(t, 3*time.Minute)
	register := func(subject, kind, text string) (int, string) {
		body, err := json.Marshal(map[string]string{"schemaType": kind, "schema": text})
		if err != nil {
			t.Error(err)
		}
		bounded, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		req, err := http.NewRequestWithContext(bounded, http.MethodPost, url+"/subjects/"+subject+"/versions", bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		req.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		answer, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(answer)
	}
	taken := map[string]bool{"many fields": true, "oneOf of oneOf": true, "pattern": true, "recursive reference": true} // what is legal
	var refused int
	for name, s := range hostile() {
		status, text := register("alone-"+strings.ReplaceAll(name, " ", "-"), s[0], s[1])
		if status == http.StatusUnprocessableEntity || status == http.StatusRequestEntityTooLarge {
			refused++
			continue
		}
		if status != http.StatusOK || !taken[name] {
			t.Errorf("%s: %d %.200s", name, status, text)
		}
	}
	if refused < 7 {
		t.Errorf("%d were refused", refused)
	}
	if status, text := register("large", "AVRO", strings.Repeat(" ", 2<<20)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("2 MiB: %d %.200s", status, text)
	}
	// Bodies that do not come to an end hold nobody up.
	address := strings.TrimPrefix(b.HTTP(), "http://")
	for range 20 {
		c, err := net.DialTimeout("tcp", address, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /schema-registry/subjects/half/versions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{\"schema\":")
	}
	var wait sync.WaitGroup
	for i := range 100 {
		wait.Go(func() {
			n := 0
			for name, s := range hostile() {
				if n++; n > 3 {
					break
				}
				if status, text := register(fmt.Sprintf("crowd-%d", i), s[0], s[1]); status == http.StatusInternalServerError && !strings.Contains(text, "50002") {
					t.Errorf("%s: %d %.200s", name, status, text)
				}
			}
		})
	}
	wait.Wait()
	if status, text := register("good", "AVRO", `"string"`); status != http.StatusOK {
		t.Errorf("a good schema: %d %s", status, text)
	}
	if peak := b.MemoryMiB(t, peers.ResidentMost); peak > 512 {
		t.Errorf("%d MiB were resident", peak)
	}
}
