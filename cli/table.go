package cli

import (
	"strconv"
	"strings"
	"text/tabwriter"
)

// table lays out rows below their headings. What a broker tells may hold anything, so what
// does not print is shown escaped.
func table(headings []string, rows [][]string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{headings}, rows...) {
		line := make([]string, len(row))
		for i, cell := range row {
			line[i] = printable(cell)
		}
		// A builder takes all that is written to it.
		_, _ = w.Write([]byte(strings.Join(line, "\t") + "\n"))
	}
	_ = w.Flush()
	return b.String()
}

// printable returns a text as it is, or escaped if a terminal would act on it.
func printable(s string) string {
	for _, r := range s {
		if !strconv.IsPrint(r) {
			return strconv.QuoteToASCII(s)
		}
	}
	if s == "" {
		return "-"
	}
	return s
}

// plural returns a number with its noun: "1 topic", "2 topics".
func plural[N int | int32 | int64](n N, noun string) string {
	s := strconv.FormatInt(int64(n), 10) + " " + noun
	if n != 1 {
		s += "s"
	}
	return s
}
