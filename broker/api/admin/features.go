package admin

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/metadata/features"
)

// A feature has levels that a cluster agrees on (KIP-584). ApiVersions shows those in
// this table, and UpdateFeatures judges changes by it.
type feature struct {
	name     string
	min, max int16 // what this broker supports
	// level is what is finalised, if that is fixed; at level 0 a feature is not shown as
	// finalised. movable: it is in the metadata store.
	level   int16
	movable bool
}

const featureMetadata = "metadata.version"

// featureTable has what is built, and metadata.version: tools take it for the broker's
// version, so it is shown at the level of Kafka 4.4, 3.3-IV3 to 4.4-IV2, and that is
// fixed. Kafka's other features (group.version, share.version, streams.version) belong to
// machinery that is added here when it is built.
var featureTable = []feature{
	{name: featureMetadata, min: 7, max: 33, level: 33},
	{name: features.Transaction, min: 0, max: 2, movable: true},
}

func findFeature(name string) *feature {
	for i := range featureTable {
		if featureTable[i].name == name {
			return &featureTable[i]
		}
	}
	return nil
}

// level is the finalised level of a feature.
func (c *Handlers) level(f *feature) int16 {
	if f.movable {
		return c.Features.Level(f.name)
	}
	return f.level
}

// addFeatures fills in the features of an ApiVersions answer. Before version 4 one that
// begins at level 0 must not be shown (KAFKA-17011).
func (c *Handlers) addFeatures(resp *kmsg.ApiVersionsResponse, version int16) {
	for i := range featureTable {
		f := &featureTable[i]
		if f.min > 0 || version >= 4 {
			supported := kmsg.NewApiVersionsResponseSupportedFeature()
			supported.Name, supported.MinVersion, supported.MaxVersion = f.name, f.min, f.max
			resp.SupportedFeatures = append(resp.SupportedFeatures, supported)
		}
		if level := c.level(f); level > 0 {
			finalized := kmsg.NewApiVersionsResponseFinalizedFeature()
			finalized.Name, finalized.MinVersionLevel, finalized.MaxVersionLevel = f.name, level, level
			resp.FinalizedFeatures = append(resp.FinalizedFeatures, finalized)
		}
	}
	// Java takes features only from an epoch above its last, which begins at -1.
	resp.FinalizedFeaturesEpoch = c.Features.Epoch()
}
