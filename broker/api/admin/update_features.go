package admin

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// UpdateFeatures (key 57), versions 0 to 2 (KIP-584).
//
//	1  kinds of upgrade, validation only (KIP-778)
//	2  no result per feature: it is all or nothing
//
// The level of metadata.version is fixed: the one that is in force is accepted, any other
// is refused with the code and text that Kafka has for it.

// The kinds of upgrade.
const (
	upgradeOnly     = 1
	downgradeSafe   = 2
	downgradeUnsafe = 3
)

// UpdateFeatures judges a change of feature levels: one that fails makes all fail. Of a
// feature that is named twice the last change counts, as in Kafka.
func (c *Handlers) UpdateFeatures(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.UpdateFeaturesRequest)
	resp := kmsg.NewPtrUpdateFeaturesResponse()
	resp.Results = []kmsg.UpdateFeaturesResponseResult{}
	if err := needs(r, kmsg.ACLOperationAlter); err != nil {
		c.refuse(&resp.ErrorCode, &resp.ErrorMessage, err)
		return resp, nil
	}
	changes, last := map[string]int16{}, map[string]int{}
	for i := range req.FeatureUpdates {
		last[req.FeatureUpdates[i].Feature] = i
	}
	for i := range req.FeatureUpdates {
		u := &req.FeatureUpdates[last[req.FeatureUpdates[i].Feature]]
		kind := u.UpgradeType
		if r.Version == 0 {
			kind = upgradeOnly // Kafka does not look at version 0's "allow downgrade"
		}
		if why := c.judgeLevel(u.Feature, u.MaxVersionLevel, kind); why != "" {
			c.refuse(&resp.ErrorCode, &resp.ErrorMessage, protocol.Errorf(protocol.InvalidUpdateVersion,
				"The update failed for all features since the following feature had an error: %s", why))
			resp.Results = []kmsg.UpdateFeaturesResponseResult{}
			return resp, nil
		}
		done, none := kmsg.NewUpdateFeaturesResponseResult(), "NONE"
		done.Feature, done.ErrorMessage = u.Feature, &none
		resp.Results = append(resp.Results, done)
		if f := findFeature(u.Feature); f.movable {
			changes[u.Feature] = u.MaxVersionLevel
		}
	}
	if len(changes) == 0 || (r.Version >= 1 && req.ValidateOnly) {
		return resp, nil
	}
	ctx, cancel := api.Within(ctx, req.TimeoutMillis)
	defer cancel()
	if err := c.Features.Set(ctx, changes); err != nil {
		c.refuse(&resp.ErrorCode, &resp.ErrorMessage, err)
		resp.Results = []kmsg.UpdateFeaturesResponseResult{}
	}
	return resp, nil
}

// judgeLevel returns why a feature cannot have a level, or "".
func (c *Handlers) judgeLevel(name string, level int16, kind int8) string {
	f := findFeature(name)
	bad := func(format string, args ...any) string {
		return fmt.Sprintf("Invalid update version %d for feature %s. ", level, name) + fmt.Sprintf(format, args...)
	}
	switch {
	case kind < upgradeOnly || kind > downgradeUnsafe:
		return bad("The controller does not support the given upgrade type.")
	case level < 0:
		return bad("A feature version cannot be less than 0.")
	case f == nil && level == 0:
		return bad("Feature %s not found.", name)
	case f == nil:
		return bad("Local controller %d does not support this feature.", c.Node.ID)
	case level < f.min || level > f.max:
		return bad("Local controller %d only supports versions %d-%d", c.Node.ID, f.min, f.max)
	case level == c.level(f):
		return ""
	case level < c.level(f) && kind == upgradeOnly:
		return bad("Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.")
	case level > c.level(f) && kind != upgradeOnly:
		return bad("Can't downgrade to a newer version.")
	case f.movable:
		return ""
	case kind == downgradeSafe:
		return fmt.Sprintf("Unsupported metadata.version downgrade from %d to %d. "+
			"Refusing to perform the requested downgrade because it might delete metadata information.", f.level, level)
	}
	return fmt.Sprintf("Unsupported metadata.version downgrade from %d to %d. Unsafe metadata downgrade is not supported in this version.", f.level, level)
}
