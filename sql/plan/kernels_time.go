package plan

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/streamhouse/streamhouse/sql/value"
)

const (
	secondMicros = 1_000_000
	dayMicros    = 86_400 * secondMicros
)

// instant is a timestamp or date in µs.
func instant(v value.Value) int64 {
	if v.K == value.Date {
		return v.N * dayMicros
	}
	return v.N
}

func clockOf(v value.Value) time.Time { return time.UnixMicro(instant(v)).UTC() }

func init() {
	part := func(name string, f func(time.Time) int) Function {
		return Function{Name: name, Args: "T", Result: value.TInt4, Doc: "the " + name + " of a timestamp",
			eval: func(_ *Env, a []value.Value) (value.Value, error) { return value.OfInt(int64(f(clockOf(a[0])))), nil }}
	}
	register("Time", []Function{
		{Name: "now", Result: value.TTimestamptz, volatile: true, Doc: "the time at which the query began",
			eval: func(e *Env, _ []value.Value) (value.Value, error) { return value.OfTime(e.Now), nil }},
		{Name: "current_date", Result: value.TDate, volatile: true, Doc: "the day on which the query began",
			eval: func(e *Env, _ []value.Value) (value.Value, error) { return value.DateOf(e.Now), nil }},
		{Name: "date_trunc", Args: "tT?t", Result: value.TTimestamptz, Doc: "the beginning of the second, minute, hour, day, week, month, quarter or year", Example: "date_trunc('hour', TIMESTAMP '2026-03-01 10:59:00')::text", Gives: "2026-03-01 10:00:00+00", eval: dateTrunc},
		{Name: "date_bin", Args: "IT?T", Result: value.TTimestamptz, Doc: "the beginning of the interval that a time is in, counted from a time", Example: "date_bin('15 minutes', TIMESTAMP '2026-03-01 10:59:00', TIMESTAMP '2026-01-01')::text", Gives: "2026-03-01 10:45:00+00",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				size, fixed := a[0].Fixed()
				if !fixed || size <= 0 {
					return value.Value{}, value.Errorf(value.InvalidParameter, "date_bin needs a length above zero, without months")
				}
				from := int64(0)
				if len(a) > 2 {
					from = instant(a[2])
				}
				return value.OfTime(value.FloorTo(instant(a[1]), size, from)), nil
			}},
		{Name: "extract", Args: "tT", Result: value.TNumeric, Doc: "a part: epoch, millisecond, second, minute, hour, day, dow, doy, week, month, quarter, year", Example: "extract(hour FROM TIMESTAMP '2026-03-01 10:59:00')", Gives: "10", eval: extract},
		{Name: "extract", Args: "tI", Result: value.TNumeric, Doc: "a part of an interval", Example: "extract(epoch FROM INTERVAL '2 minutes')", Gives: "120.000000",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				us := (int64(a[1].Scale)*30+int64(a[1].X))*dayMicros + a[1].N
				switch strings.ToLower(a[0].S) {
				case "epoch":
					return value.Decimal(us, 6), nil
				case "day":
					return value.Decimal(int64(a[1].X), 0), nil
				case "hour":
					return value.Decimal(a[1].N/3600/secondMicros, 0), nil
				case "minute":
					return value.Decimal(a[1].N/60/secondMicros%60, 0), nil
				case "second":
					return value.Decimal(a[1].N%(60*secondMicros), 6), nil
				}
				return value.Value{}, value.Errorf(value.InvalidParameter, "interval has no part %q", a[0].S)
			}},
		{Name: "to_timestamp", Args: "n", Result: value.TTimestamptz, Doc: "seconds since 1970 as a timestamp", Example: "to_timestamp(1.5)::text", Gives: "1970-01-01 00:00:01.5+00",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				f := a[0].Float() * secondMicros
				if math.Abs(f) > 9e18 {
					return value.Value{}, value.Errorf("22008", "timestamp out of range")
				}
				return value.OfTime(int64(math.Round(f))), nil
			}},
		{Name: "to_timestamp", Args: "t?t", Result: value.TTimestamptz, Doc: "a text in ISO form as a timestamp",
			eval: func(_ *Env, a []value.Value) (value.Value, error) { return value.ParseTime(a[0].S) }},
		{Name: "to_char", Args: "Tt", Result: value.TText, Doc: "a timestamp by a pattern of YYYY MM DD HH24 HH12 MI SS MS AM Mon Day", Example: "to_char(TIMESTAMP '2026-03-01 10:05:09', 'YYYY-MM-DD HH24:MI:SS')", Gives: "2026-03-01 10:05:09", eval: toChar},
		{Name: "date_format", Args: "Tt", Result: value.TText, Doc: "a timestamp by a pattern of yyyy MM dd HH mm ss", Example: "date_format(TIMESTAMP '2026-03-01 10:05:09', 'yyyy-MM-dd HH:mm')", Gives: "2026-03-01 10:05",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				layout := strings.NewReplacer("yyyy", "2006", "MM", "01", "dd", "02", "HH", "15", "mm", "04", "ss", "05", "SSS", "000").Replace(a[1].S)
				return value.OfText(clockOf(a[0]).Format(layout)), nil
			}},
		{Name: "age", Args: "TT", Result: value.TInterval, Doc: "the time between two timestamps",
			eval: func(_ *Env, a []value.Value) (value.Value, error) { return between(instant(a[0]), instant(a[1])), nil }},
		{Name: "timezone", Args: "tT", Result: value.TTimestamp, Doc: "AT TIME ZONE: the clock of a zone", Example: "(TIMESTAMP '2026-07-01 10:00:00' AT TIME ZONE 'UTC')::text", Gives: "2026-07-01 10:00:00+00",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				zone, err := time.LoadLocation(a[0].S)
				if err != nil {
					return value.Value{}, value.Errorf(value.InvalidParameter, "time zone %q not recognized", a[0].S)
				}
				_, offset := clockOf(a[1]).In(zone).Zone()
				return value.OfTime(instant(a[1]) + int64(offset)*secondMicros), nil
			}},
		part("year", time.Time.Year), part("month", func(t time.Time) int { return int(t.Month()) }), part("day", time.Time.Day),
		part("hour", time.Time.Hour), part("minute", time.Time.Minute), part("second", time.Time.Second),
		{Name: "+", Args: "TI", Result: value.TTimestamptz, Doc: "later by an interval",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				return value.OfTime(value.AddInterval(instant(a[0]), a[1], 1)), nil
			}},
		{Name: "+", Args: "IT", Result: value.TTimestamptz, Doc: "later by an interval",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				return value.OfTime(value.AddInterval(instant(a[1]), a[0], 1)), nil
			}},
		{Name: "-", Args: "TI", Result: value.TTimestamptz, Doc: "earlier by an interval",
			eval: func(_ *Env, a []value.Value) (value.Value, error) {
				return value.OfTime(value.AddInterval(instant(a[0]), a[1], -1)), nil
			}},
		{Name: "-", Args: "TT", Result: value.TInterval, Doc: "the time between",
			eval: func(_ *Env, a []value.Value) (value.Value, error) { return between(instant(a[0]), instant(a[1])), nil }},
		{Name: "+", Args: "II", Result: value.TInterval, Doc: "both intervals", eval: intervals(1)},
		{Name: "-", Args: "II", Result: value.TInterval, Doc: "the rest of an interval", eval: intervals(-1)},
		{Name: "*", Args: "In", Result: value.TInterval, Doc: "an interval several times",
			eval: func(_ *Env, a []value.Value) (value.Value, error) { return timesInterval(a[0], a[1].Float()) }},
		{Name: "*", Args: "nI", Result: value.TInterval, Doc: "an interval several times",
			eval: func(_ *Env, a []value.Value) (value.Value, error) { return timesInterval(a[1], a[0].Float()) }},
	})
}

func between(a, b int64) value.Value {
	us := a - b
	return value.OfInterval(0, int32(us/dayMicros), us%dayMicros)
}

func intervals(sign int) func(*Env, []value.Value) (value.Value, error) {
	return func(_ *Env, a []value.Value) (value.Value, error) {
		return value.OfInterval(a[0].Scale+int16(sign)*a[1].Scale, a[0].X+int32(sign)*a[1].X, a[0].N+int64(sign)*a[1].N), nil
	}
}

func timesInterval(i value.Value, n float64) (value.Value, error) {
	if math.Abs(n) > 1e6 {
		return value.Value{}, value.Errorf("22008", "interval out of range")
	}
	days := float64(i.X) * n
	whole := math.Trunc(days)
	return value.OfInterval(int16(float64(i.Scale)*n), int32(whole), int64(float64(i.N)*n)+int64((days-whole)*dayMicros)), nil
}

func dateTrunc(_ *Env, a []value.Value) (value.Value, error) {
	t := clockOf(a[1])
	y, m, d := t.Date()
	day := func(y int, m time.Month, d int) (value.Value, error) {
		return value.OfTime(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).UnixMicro()), nil
	}
	floor := func(size int64) (value.Value, error) { return value.OfTime(value.FloorTo(instant(a[1]), size, 0)), nil }
	switch strings.ToLower(a[0].S) {
	case "microseconds", "microsecond":
		return value.OfTime(instant(a[1])), nil
	case "milliseconds", "millisecond":
		return floor(1000)
	case "second", "seconds":
		return floor(secondMicros)
	case "minute", "minutes":
		return floor(60 * secondMicros)
	case "hour", "hours":
		return floor(3600 * secondMicros)
	case "day", "days":
		return floor(dayMicros)
	case "week", "weeks":
		return day(y, m, d-(int(t.Weekday())+6)%7)
	case "month", "months":
		return day(y, m, 1)
	case "quarter":
		return day(y, (m-1)/3*3+1, 1)
	case "year", "years":
		return day(y, 1, 1)
	}
	return value.Value{}, value.Errorf(value.InvalidParameter, "unit %q not recognized for type timestamp", a[0].S)
}

func extract(_ *Env, a []value.Value) (value.Value, error) {
	t := clockOf(a[1])
	whole := func(n int) (value.Value, error) { return value.Decimal(int64(n), 0), nil }
	_, week := t.ISOWeek()
	switch strings.ToLower(a[0].S) {
	case "epoch":
		return value.Decimal(instant(a[1]), 6), nil
	case "milliseconds", "millisecond":
		return value.Decimal(int64(t.Second())*secondMicros+int64(t.Nanosecond()/1000), 3), nil
	case "second":
		return value.Decimal(int64(t.Second())*secondMicros+int64(t.Nanosecond()/1000), 6), nil
	case "minute":
		return whole(t.Minute())
	case "hour":
		return whole(t.Hour())
	case "day":
		return whole(t.Day())
	case "dow":
		return whole(int(t.Weekday()))
	case "isodow":
		return whole((int(t.Weekday())+6)%7 + 1)
	case "doy":
		return whole(t.YearDay())
	case "week":
		return whole(week)
	case "month":
		return whole(int(t.Month()))
	case "quarter":
		return whole((int(t.Month())-1)/3 + 1)
	case "year":
		return whole(t.Year())
	}
	return value.Value{}, value.Errorf(value.InvalidParameter, "unit %q not recognized for type timestamp", a[0].S)
}

func toChar(_ *Env, a []value.Value) (value.Value, error) {
	t := clockOf(a[0])
	r := strings.NewReplacer(
		"YYYY", t.Format("2006"), "YY", t.Format("06"), "Month", t.Format("January"), "Mon", t.Format("Jan"), "MM", t.Format("01"),
		"DDD", fmt.Sprintf("%03d", t.YearDay()), "DD", t.Format("02"), "Day", t.Format("Monday"), "Dy", t.Format("Mon"),
		"HH24", t.Format("15"), "HH12", t.Format("03"), "HH", t.Format("03"), "MI", t.Format("04"), "SS", t.Format("05"),
		"MS", fmt.Sprintf("%03d", t.Nanosecond()/1e6), "US", fmt.Sprintf("%06d", t.Nanosecond()/1e3), "AM", t.Format("PM"), "PM", t.Format("PM"))
	return value.OfText(r.Replace(a[1].S)), nil
}
