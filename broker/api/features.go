package api

import "github.com/twmb/franz-go/pkg/kmsg"

// A feature has levels that a cluster agrees on (KIP-584). ApiVersions shows those in
// this table, and UpdateFeatures judges changes by it.
type feature struct {
	name     string
	min, max int16 // what this broker supports
	level    int16 // what is finalised; at level 0 a feature is not shown as finalised
}

const featureMetadata = "metadata.version"

// features has what is built, and metadata.version: tools take it for the broker's
// version, so it is shown at the level of Kafka 4.4, 3.3-IV3 to 4.4-IV2. Kafka's other
// features (transaction.version, group.version, share.version, streams.version) belong
// to machinery that is added here when it is built. Levels are fixed.
var features = []feature{
	{name: featureMetadata, min: 7, max: 33, level: 33},
}

func findFeature(name string) *feature {
	for i := range features {
		if features[i].name == name {
			return &features[i]
		}
	}
	return nil
}

// addFeatures fills in the features of an ApiVersions answer. Before version 4 one that
// begins at level 0 must not be shown (KAFKA-17011).
func addFeatures(resp *kmsg.ApiVersionsResponse, version int16) {
	for _, f := range features {
		if f.min > 0 || version >= 4 {
			supported := kmsg.NewApiVersionsResponseSupportedFeature()
			supported.Name, supported.MinVersion, supported.MaxVersion = f.name, f.min, f.max
			resp.SupportedFeatures = append(resp.SupportedFeatures, supported)
		}
		if f.level > 0 {
			finalized := kmsg.NewApiVersionsResponseFinalizedFeature()
			finalized.Name, finalized.MinVersionLevel, finalized.MaxVersionLevel = f.name, f.level, f.level
			resp.FinalizedFeatures = append(resp.FinalizedFeatures, finalized)
		}
	}
	// Java takes features only from an epoch above its last, which begins at -1.
	resp.FinalizedFeaturesEpoch = 0
}
