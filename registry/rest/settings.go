package rest

import (
	"encoding/json"

	"github.com/streamhouse/streamhouse/registry/entry"
	"github.com/streamhouse/streamhouse/registry/schema"
	"github.com/streamhouse/streamhouse/registry/state"
)

func getConfig(r *request) (any, error) {
	c, err := r.look().GetConfig(r.name(r.path["s"]), r.flag("defaultToGlobal"))
	if err != nil {
		return nil, err
	}
	return configAnswer(c), nil
}

// configBody is a config as it is put: what is not named stays, null clears.
type configBody struct {
	Alias               *string          `json:"alias,omitempty"`
	AliasForDeks        *string          `json:"aliasForDeks,omitempty"`
	Normalize           *bool            `json:"normalize,omitempty"`
	ValidateFields      *bool            `json:"validateFields,omitempty"`
	ValidateNewSchemas  *bool            `json:"validateNewSchemas,omitempty"`
	ValidateRules       *bool            `json:"validateRules,omitempty"`
	Compatibility       *string          `json:"compatibility,omitempty"`
	CompatibilityLevel  *string          `json:"compatibilityLevel,omitempty"`
	CompatibilityPolicy *string          `json:"compatibilityPolicy,omitempty"`
	CompatibilityGroup  *string          `json:"compatibilityGroup,omitempty"`
	DefaultMetadata     *schema.Metadata `json:"defaultMetadata,omitempty"`
	OverrideMetadata    *schema.Metadata `json:"overrideMetadata,omitempty"`
	DefaultRuleSet      *schema.RuleSet  `json:"defaultRuleSet,omitempty"`
	OverrideRuleSet     *schema.RuleSet  `json:"overrideRuleSet,omitempty"`
}

// change is what a body makes of a config. given has the names of its members.
func (b *configBody) change(given map[string]json.RawMessage) (func(*entry.ConfigValue), error) {
	if b.Compatibility == nil {
		b.Compatibility = b.CompatibilityLevel
	}
	b.CompatibilityLevel = nil
	var level schema.Level
	var policy schema.Policy
	var err error
	if b.Compatibility != nil {
		if level, err = schema.ParseLevel(*b.Compatibility); err != nil {
			return nil, err
		}
		*b.Compatibility = string(level)
	}
	if b.CompatibilityPolicy != nil {
		if policy, err = schema.ParsePolicy(*b.CompatibilityPolicy); err != nil {
			return nil, err
		}
		*b.CompatibilityPolicy = string(policy)
	}
	for _, m := range []*schema.Metadata{b.DefaultMetadata, b.OverrideMetadata} {
		m.Tidy()
	}
	for _, rules := range []*schema.RuleSet{b.DefaultRuleSet, b.OverrideRuleSet} {
		rules.Tidy()
	}
	return func(c *entry.ConfigValue) {
		text := func(v *string) string {
			if v == nil {
				return ""
			}
			return *v
		}
		for name, set := range map[string]func(){
			"alias": func() { c.Alias = text(b.Alias) }, "aliasForDeks": func() { c.AliasForDeks = text(b.AliasForDeks) },
			"normalize": func() { c.Normalize = b.Normalize }, "validateFields": func() { c.ValidateFields = b.ValidateFields },
			"validateNewSchemas": func() { c.ValidateNewSchemas = b.ValidateNewSchemas },
			"validateRules":      func() { c.ValidateRules = b.ValidateRules },
			"compatibility":      func() { c.CompatibilityLevel = level }, "compatibilityLevel": func() { c.CompatibilityLevel = level },
			"compatibilityPolicy": func() { c.CompatibilityPolicy = policy },
			"compatibilityGroup":  func() { c.CompatibilityGroup = text(b.CompatibilityGroup) },
			"defaultMetadata":     func() { c.DefaultMetadata = b.DefaultMetadata }, "overrideMetadata": func() { c.OverrideMetadata = b.OverrideMetadata },
			"defaultRuleSet": func() { c.DefaultRuleSet = b.DefaultRuleSet }, "overrideRuleSet": func() { c.OverrideRuleSet = b.OverrideRuleSet },
		} {
			if _, ok := given[name]; ok {
				set()
			}
		}
	}, nil
}

func putConfig(r *request) (any, error) {
	var raw json.RawMessage
	if err := r.body(&raw); err != nil {
		return nil, err
	}
	var b configBody
	var given map[string]json.RawMessage
	if err := json.Unmarshal(raw, &given); err != nil {
		return nil, schema.Errorf(400, "the body is not the JSON that it should be: %v", err)
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, schema.Errorf(400, "the body is not the JSON that it should be: %v", err)
	}
	change, err := b.change(given)
	if err != nil {
		return nil, err
	}
	n := r.name(r.path["s"])
	if _, err := r.h.o.Registry.Decide(r.Context(), func(t *state.Tx) (state.Commit, error) { return t.SetConfig(n, change) }); err != nil {
		return nil, err
	}
	return b, nil
}

func deleteConfig(r *request) (any, error) {
	n := r.name(r.path["s"])
	was, err := r.h.o.Registry.Decide(r.Context(), func(t *state.Tx) (state.Commit, error) { return t.DeleteConfig(n) })
	if err != nil {
		return nil, err
	}
	return configAnswer(was.(*entry.ConfigValue)), nil
}

type modeBody struct {
	Mode *string `json:"mode"`
}

func modeAnswer(mode string) modeBody { return modeBody{&mode} }

func getMode(r *request) (any, error) {
	mode, err := r.look().GetMode(r.name(r.path["s"]), r.flag("defaultToGlobal"))
	if err != nil {
		return nil, err
	}
	return modeAnswer(mode), nil
}

func putMode(r *request) (any, error) {
	var b modeBody
	if err := r.body(&b); err != nil {
		return nil, err
	}
	if b.Mode == nil { // null clears
		return deleteMode(r)
	}
	mode, err := state.ParseMode(*b.Mode)
	if err != nil {
		return nil, err
	}
	n := r.name(r.path["s"])
	if _, err := r.h.o.Registry.Decide(r.Context(), func(t *state.Tx) (state.Commit, error) {
		return t.SetMode(n, mode, r.flag("force"))
	}); err != nil {
		return nil, err
	}
	return modeAnswer(mode), nil
}

func deleteMode(r *request) (any, error) {
	n := r.name(r.path["s"])
	was, err := r.h.o.Registry.Decide(r.Context(), func(t *state.Tx) (state.Commit, error) {
		return t.DeleteMode(n, r.flag("recursive"))
	})
	if err != nil {
		return nil, err
	}
	return modeAnswer(was.(string)), nil
}

func clusterID(r *request) (any, error) {
	type clusters struct {
		Kafka    string `json:"kafka-cluster"`
		Registry string `json:"schema-registry-cluster"`
	}
	type scope struct {
		Path     []string `json:"path"`
		Clusters clusters `json:"clusters"`
	}
	return struct {
		ID    string `json:"id"`
		Scope scope  `json:"scope"`
	}{"", scope{[]string{}, clusters{r.h.o.ClusterID, r.h.o.GroupID}}}, nil
}

func serverVersion(r *request) (any, error) {
	return struct {
		Version string `json:"version"`
		Commit  string `json:"commitId"`
	}{r.h.o.Version, r.h.o.Commit}, nil
}

func deployment(*request) (any, error) {
	return struct {
		Attributes []string `json:"attributes"`
	}{[]string{}}, nil
}
