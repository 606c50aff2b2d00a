package main

import (
	"fmt"
	"slices"
	"strings"
)

// result is what one run of a case measured, by metric.
type result map[metric]float64

// metric names a figure, with its unit.
type metric string

const (
	throughput  metric = "MiB/s"
	userCPU     metric = "user s/GiB"
	systemCPU   metric = "sys s/GiB"
	peakMemory  metric = "peak MiB"
	writeFactor metric = "written/byte"
	p50         metric = "p50 ms"
	p99         metric = "p99 ms"
	turnP50     metric = "turn p50 ms"
	turnP99     metric = "turn p99 ms"
	rate        metric = "records/s"
	startEmpty  metric = "start empty ms"
	startKilled metric = "start after kill ms"
)

// metrics is the order in which figures are shown.
var metrics = []metric{throughput, rate, transactions, userCPU, systemCPU, p50, p99, turnP50, turnP99, peakMemory, writeFactor, startEmpty, startKilled}

// table prints a case as soon as it is measured.
type table struct {
	sides    []side
	judge    bool
	exceeded []string // what is worse than is allowed
}

func newTable(sides []side, judge bool) *table {
	head := []string{fmt.Sprintf("%-24s", "case"), fmt.Sprintf("%-20s", "figure")}
	for _, s := range sides {
		head = append(head, fmt.Sprintf("%12s", s.name))
	}
	if len(sides) == 2 {
		head = append(head, fmt.Sprintf("%8s", "ratio"))
	}
	fmt.Println("| " + strings.Join(head, " | ") + " |")
	fmt.Println("|" + strings.Repeat("---|", len(head)))
	return &table{sides: sides, judge: judge}
}

func (t *table) add(name string, results map[string][]result) {
	for _, m := range metrics {
		if _, ok := results[t.sides[0].name][0][m]; !ok {
			continue
		}
		row := []string{fmt.Sprintf("%-24s", name), fmt.Sprintf("%-20s", m)}
		var medians []float64
		for _, s := range t.sides {
			v := median(results[s.name], m)
			medians = append(medians, v)
			row = append(row, fmt.Sprintf("%12s", figure(v)))
		}
		if len(medians) == 2 {
			row = append(row, fmt.Sprintf("%8.3f", medians[0]/medians[1]))
			if by, exceeds := worse(m, medians[0], medians[1]); t.judge && exceeds {
				row[len(row)-1] += " !"
				t.exceeded = append(t.exceeded, fmt.Sprintf("%s, %s: by %.1f%%", name, m, 100*by))
			}
		}
		fmt.Println("| " + strings.Join(row, " | ") + " |")
	}
}

func median(results []result, m metric) float64 {
	var values []float64
	for _, r := range results {
		values = append(values, r[m])
	}
	slices.Sort(values)
	if n := len(values); n%2 == 0 {
		return (values[n/2-1] + values[n/2]) / 2
	}
	return values[len(values)/2]
}

// figure shows three significant digits.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}
