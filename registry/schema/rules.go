package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// RuleSet are rules that serializers run; a registry checks, merges and stores them.
type RuleSet struct {
	Migration []Rule `json:"migrationRules,omitempty"`
	Domain    []Rule `json:"domainRules,omitempty"`
	Encoding  []Rule `json:"encodingRules,omitempty"`
	EnableAt  string `json:"enableAt,omitempty"`
}

// Rule is one rule. Tags are a set: Tidy sorts them.
type Rule struct {
	Name      string            `json:"name,omitempty"`
	Doc       string            `json:"doc,omitempty"`
	Kind      string            `json:"kind,omitempty"` // TRANSFORM or CONDITION
	Mode      string            `json:"mode,omitempty"`
	Type      string            `json:"type,omitempty"`
	Tags      []string          `json:"tags,omitempty"`
	Params    map[string]string `json:"params,omitempty"`
	Expr      string            `json:"expr,omitempty"`
	OnSuccess string            `json:"onSuccess,omitempty"`
	OnFailure string            `json:"onFailure,omitempty"`
	Disabled  bool              `json:"disabled"`
}

func (r *RuleSet) sets() []*[]Rule { return []*[]Rule{&r.Migration, &r.Domain, &r.Encoding} }

// Tidy sorts tags. nil stays nil.
func (r *RuleSet) Tidy() {
	if r == nil {
		return
	}
	for _, rules := range r.sets() {
		for i := range *rules {
			(*rules)[i].Tags = set((*rules)[i].Tags)
		}
	}
}

// Equal compares contents; nil is not the empty value.
func (r *RuleSet) Equal(o *RuleSet) bool {
	if r == nil || o == nil {
		return r == o
	}
	return slices.EqualFunc(r.Migration, o.Migration, equalRules) && slices.EqualFunc(r.Domain, o.Domain, equalRules) &&
		slices.EqualFunc(r.Encoding, o.Encoding, equalRules) && r.EnableAt == o.EnableAt
}

func equalRules(a, b Rule) bool {
	return a.Name == b.Name && a.Doc == b.Doc && a.Kind == b.Kind && a.Mode == b.Mode && a.Type == b.Type &&
		slices.Equal(a.Tags, b.Tags) && maps.Equal(a.Params, b.Params) &&
		a.Expr == b.Expr && a.OnSuccess == b.OnSuccess && a.OnFailure == b.OnFailure && a.Disabled == b.Disabled
}

// MergeRules lays over on top of under: a rule replaces that of the same name, and others
// come first. Either may be nil, and what is returned may share with them.
func MergeRules(under, over *RuleSet) *RuleSet {
	if under == nil {
		return over
	}
	if over == nil {
		return under
	}
	out := &RuleSet{
		Migration: mergeRules(under.Migration, over.Migration),
		Domain:    mergeRules(under.Domain, over.Domain),
		Encoding:  mergeRules(under.Encoding, over.Encoding),
		EnableAt:  over.EnableAt,
	}
	if out.EnableAt == "" {
		out.EnableAt = under.EnableAt
	}
	return out
}

func mergeRules(under, over []Rule) []Rule {
	if len(under) == 0 {
		return over
	}
	out := slices.DeleteFunc(slices.Clone(under), func(r Rule) bool {
		return slices.ContainsFunc(over, func(o Rule) bool { return o.Name == r.Name })
	})
	return append(out, over...)
}

// ruleNameMax bounds the name of a rule, in bytes.
const ruleNameMax = 256

var (
	migrationModes = []string{"UPGRADE", "DOWNGRADE", "UPDOWN"}
	domainModes    = []string{"WRITE", "READ", "WRITEREAD"}
	pairModes      = []string{"UPDOWN", "WRITEREAD"}
)

// Validate returns an error of code InvalidRuleSet for the first rule that breaks a rule
// of rules. nil is valid.
func (r *RuleSet) Validate() error {
	if r == nil {
		return nil
	}
	for i, rules := range r.sets() {
		modes := domainModes
		if i == 0 {
			modes = migrationModes
		}
		names := map[string]bool{}
		for j := range *rules {
			rule := &(*rules)[j]
			if err := rule.validate(modes); err != nil {
				return Errorf(InvalidRuleSet, "Invalid ruleSet: %v", err)
			}
			if names[rule.Name] {
				return Errorf(InvalidRuleSet, "Invalid ruleSet: rule name '%s' is there twice", rule.Name)
			}
			names[rule.Name] = true
		}
	}
	return nil
}

func (r *Rule) validate(modes []string) error {
	switch {
	case !ruleName(r.Name):
		return fmt.Errorf("rule name '%s': it takes a letter or '_', then letters, digits, '_' and '-', at most %d", r.Name, ruleNameMax)
	case r.Kind != "" && r.Kind != "TRANSFORM" && r.Kind != "CONDITION":
		return fmt.Errorf("rule '%s': kind '%s' is not TRANSFORM or CONDITION", r.Name, r.Kind)
	case r.Mode != "" && !slices.Contains(modes, r.Mode):
		return fmt.Errorf("rule '%s': mode '%s' is not one of %s", r.Name, r.Mode, strings.Join(modes, ", "))
	case r.Type == "":
		return fmt.Errorf("rule '%s': it has no type", r.Name)
	}
	for _, action := range []string{r.OnSuccess, r.OnFailure} {
		if parts := strings.Count(action, ","); parts > 1 || parts == 1 && !slices.Contains(pairModes, r.Mode) {
			return fmt.Errorf("rule '%s': action '%s' does not fit mode '%s'", r.Name, action, r.Mode)
		}
	}
	return nil
}

func ruleName(name string) bool {
	if name == "" || len(name) > ruleNameMax {
		return false
	}
	for i := range len(name) {
		c := name[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return true
}
