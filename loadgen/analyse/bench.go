package analyse

import (
	"fmt"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/record"
)

// Bench is all numbers in the format of Go benchmarks, one line for each
// repetition, for benchstat and its kin:
//
//	BenchmarkSpeed/cell=pingpong_1_×_1_KiB/group=load/path=direct 1 20480 goodput-octets/s …
func Bench(r *record.Record) string {
	var b strings.Builder
	for _, m := range metric.Judged {
		fmt.Fprintf(&b, "Unit %s better=%s\n", benchUnit(m), m.Better)
	}
	fmt.Fprintf(&b, "goos: %s\ncpu: %s\nscenario: %.16s\n", strings.ReplaceAll(r.Environment.OS, "/", "\ngoarch: "), r.Environment.CPU, r.Scenario.SHA256)
	type line struct {
		name       string
		repetition int
	}
	var order []line
	numbers := map[line][]string{}
	for _, s := range Tabulate(r, r.Blocks).Series {
		if s.Kind.Use&metric.Judge == 0 {
			continue
		}
		name := "Benchmark" + strings.ToUpper(r.Scenario.Name[:1]) + r.Scenario.Name[1:] + "/cell=" + word(s.Cell)
		if s.Group != "" {
			name += "/group=" + word(s.Group)
		}
		name += "/path=" + word(s.Route.String())
		for _, p := range s.Points {
			l := line{name, p.Repetition}
			if numbers[l] == nil {
				order = append(order, l)
			}
			numbers[l] = append(numbers[l], fmt.Sprintf("%g %s", p.Value, benchUnit(s.Kind)))
		}
	}
	for _, l := range order {
		fmt.Fprintf(&b, "%s 1 %s\n", l.name, strings.Join(numbers[l], " "))
	}
	return b.String()
}

func benchUnit(m metric.Metric) string { return m.Name + "-" + m.Unit }

// word makes one word of a name: the format separates with spaces, and names with slashes.
func word(s string) string { return strings.NewReplacer(" ", "_", "/", "_per_").Replace(s) }
