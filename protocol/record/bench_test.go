package record

import (
	"fmt"
	"testing"
)

// BenchmarkValidate measures what a batch costs on its way in. s/GiB is over the bytes
// of the batch as the client compressed it; raw-s/GiB over what comes out of it.
func BenchmarkValidate(b *testing.B) {
	for _, size := range []int{100, 1024} {
		for _, codec := range allCodecs {
			b.Run(fmt.Sprintf("%s/%d", codec, size), func(b *testing.B) {
				records := someRecords(900_000/size, size-10)
				for i := range records {
					records[i].Headers = nil
				}
				batch := encodeBatch(b, spec{records: records, codec: codec})
				rules := testRules()
				info, err := Validate(batch, rules, nil)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(batch)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := Validate(batch, rules, nil); err != nil {
						b.Fatal(err)
					}
				}
				perOp := b.Elapsed().Seconds() / float64(b.N)
				b.ReportMetric(perOp/float64(len(batch))*(1<<30), "s/GiB")
				b.ReportMetric(perOp/float64(info.RecordBytes)*(1<<30), "raw-s/GiB")
			})
		}
	}
}
