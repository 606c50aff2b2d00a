package upkeep

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamhouse/streamhouse/storage/compact"
)

// metrics are the figures that upkeep shows, under stable names.
type metrics struct {
	seals, lifts, copied  prometheus.Counter
	skipped, trimmed      prometheus.Counter
	sealBytes, liftBytes  prometheus.Counter
	sealTime, liftTime    prometheus.Histogram
	liftPending, garbage  prometheus.Gauge
	segments              prometheus.Gauge
	segmentBytes          prometheus.Gauge
	liveBytes             prometheus.Gauge
	amplification         prometheus.Gauge
	retired, deletedBytes prometheus.Counter
	future                prometheus.Gauge
	deleted               prometheus.Counter
	failures              *prometheus.CounterVec

	cleanRuns, cleanObjects         prometheus.Counter
	cleanReadings                   prometheus.Counter
	cleanRead, cleanWritten         prometheus.Counter
	cleanRemoved                    prometheus.Counter
	cleanTombstones, cleanedMarkers prometheus.Counter
	cleanLate                       prometheus.Counter
	cleanDirty, unclean             prometheus.Gauge

	mergeObjects, mergeSlices prometheus.Counter
	mergeBytes                *prometheus.CounterVec
	unmerged, deadBytes       prometheus.Gauge
}

// cleaned counts one run of a compaction.
func (m *metrics) cleaned(n *compact.Count) {
	m.cleanRuns.Inc()
	m.cleanRead.Add(float64(n.BytesRead))
	m.cleanWritten.Add(float64(n.BytesWritten))
	m.cleanRemoved.Add(float64(n.Records - n.RecordsKept))
	m.cleanTombstones.Add(float64(n.Tombstones))
	m.cleanedMarkers.Add(float64(n.Markers))
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "streamhouse_" + name, Help: help})
		register(r, c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "streamhouse_" + name, Help: help})
		register(r, g)
		return g
	}
	seconds := func(name, help string) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "streamhouse_" + name, Help: help, Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		})
		register(r, h)
		return h
	}
	m := &metrics{
		seals:         counter("seals_total", "Segments made of closed journal volumes."),
		sealBytes:     counter("seal_bytes_total", "Bytes of segments made of closed journal volumes."),
		sealTime:      seconds("seal_seconds", "Time to seal, from the first read to the release of the volume."),
		trimmed:       counter("seal_producers_forgotten_total", "Idle producers that a state block had no room for."),
		skipped:       counter("upkeep_damaged_skipped_total", "Times that a job left a damaged partition as it is."),
		copied:        counter("seal_copies_total", "Seals that had to copy because a link was not possible."),
		lifts:         counter("lifts_total", "Rewrites of internal topics to the latest record per key."),
		liftBytes:     counter("lift_bytes_total", "Bytes written by such rewrites."),
		liftTime:      seconds("lift_seconds", "Time of such a rewrite."),
		liftPending:   gauge("lift_pending_bytes", "Bytes of internal topics that are not rewritten yet."),
		segments:      gauge("segments_live", "Segments that hold live data."),
		segmentBytes:  gauge("segment_bytes", "Bytes of segments that hold live data."),
		liveBytes:     gauge("segment_live_bytes", "Live bytes in segments."),
		amplification: gauge("storage_amplification", "Bytes of segments per live byte in them."),
		garbage:       gauge("segments_garbage", "Segments that wait for their deletion."),
		retired:       counter("retention_bytes_total", "Bytes that retention took out of the log."),
		future:        gauge("retention_future_partitions", "Partitions of which retention.ms takes nothing, since their oldest records have timestamps in the future."),
		deleted:       counter("segments_deleted_total", "Segments deleted."),
		deletedBytes:  counter("segments_deleted_bytes_total", "Bytes of deleted segments."),

		cleanRuns:       counter("compactions_total", "Compactions of a partition."),
		cleanReadings:   counter("compaction_readings_total", "Readings of what is new in a partition for its keys: more than one a compaction where they do not fit into log.cleaner.dedupe.buffer.size."),
		cleanObjects:    counter("compaction_objects_total", "Objects that compactions have put in place of others."),
		cleanRead:       counter("compaction_read_bytes_total", "Bytes of batches that compactions rewrote or kept."),
		cleanWritten:    counter("compaction_written_bytes_total", "Bytes of batches that compactions have left."),
		cleanRemoved:    counter("compaction_removed_records_total", "Records that compactions have taken out."),
		cleanTombstones: counter("compaction_removed_tombstones_total", "Tombstones among them, their delete horizon passed."),
		cleanedMarkers:  counter("compaction_removed_markers_total", "End markers of transactions that compactions have taken out."),
		cleanLate:       counter("compaction_late_seconds_total", "Time for which replaced records could be read for longer than max.compaction.lag.ms and 10 s, over all partitions."),
		cleanDirty:      gauge("compaction_dirty_bytes", "Bytes of compacted topics that are not compacted yet."),
		unclean:         gauge("compaction_uncleanable_partitions", "Partitions that cannot be compacted and are left as they are."),

		mergeObjects: counter("merge_objects_total", "Objects that merges have put in place of others."),
		mergeSlices:  counter("merge_slices_total", "Pieces of partitions that merges have replaced."),
		deadBytes:    gauge("segment_dead_bytes", "Bytes of batches in segments with live data that nobody needs any more."),
		unmerged:     gauge("merge_left_partitions", "Partitions whose sealed data does not check and is not merged."),
		mergeBytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "streamhouse_merge_bytes_total", Help: "Bytes of batches that merges have moved, by why: small pieces, or mostly dead objects.",
		}, []string{"reason"}),

		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "streamhouse_upkeep_failures_total", Help: "Upkeep jobs that failed and are tried again.",
		}, []string{"job"}),
	}
	register(r, m.failures)
	register(r, m.mergeBytes)
	return m
}

// debt shows the waits of coordinators.
func (m *metrics) debts(r prometheus.Registerer, debts *Debts) {
	for name, f := range map[string]struct {
		help  string
		value func(*Debt) int64
	}{
		"lift_waits_total":  {"Appends of coordinators that waited for a rewrite of their topic.", func(d *Debt) int64 { return d.waits.Load() }},
		"lift_stalls_total": {"Times that such waits were given up, since no rewrite succeeded in time.", func(d *Debt) int64 { return d.stalls.Load() }},
	} {
		register(r, prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "streamhouse_" + name, Help: f.help},
			func() float64 {
				var sum int64
				for _, d := range debts.all() {
					sum += f.value(d)
				}
				return float64(sum)
			}))
	}
}

// register adds a collector; without a registry the figures are kept and not shown.
func register(r prometheus.Registerer, c prometheus.Collector) {
	if r != nil {
		r.MustRegister(c)
	}
}

func (m *metrics) sealed(bytes int64, took time.Duration) {
	m.seals.Inc()
	m.sealBytes.Add(float64(bytes))
	m.sealTime.Observe(took.Seconds())
}

func (m *metrics) lifted(bytes int64, took time.Duration) {
	m.lifts.Inc()
	m.liftBytes.Add(float64(bytes))
	m.liftTime.Observe(took.Seconds())
}

func (m *metrics) measured(segments int, total, live int64) {
	m.segments.Set(float64(segments))
	m.segmentBytes.Set(float64(total))
	m.liveBytes.Set(float64(live))
	if live > 0 {
		m.amplification.Set(float64(total) / float64(live))
	} else {
		m.amplification.Set(1)
	}
}
