package report

import (
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/analyse"
	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/record"
)

// csvVersion is the first line of numbers.csv.
const csvVersion = "# adit-load numbers/1: base units, nothing rounded; a median, with low and high its 95 % interval, or of fewer than six repetitions what they reach\n"

// keys are the columns that say what a row is of.
var keys = []string{"cell", "group", "event", "path", "subject", "n", "verdict", "notes"}

// CSV is the sheet as numbers.csv: what one has to know as comments, then a line for each row.
func (s *Sheet) CSV() string {
	var b strings.Builder
	b.WriteString(csvVersion)
	for _, f := range s.header() {
		if *f.text != "" {
			fmt.Fprintf(&b, "# %s: %s\n", f.key, *f.text)
		}
	}
	for _, list := range []struct {
		key string
		of  []string
	}{{"answer", s.Answer}, {"table", s.Table}} {
		if len(list.of) > 0 {
			fmt.Fprintf(&b, "# %s: %s\n", list.key, strings.Join(list.of, " "))
		}
	}
	if s.Several {
		b.WriteString("# several: cells\n")
	}
	for _, f := range s.Facts {
		fmt.Fprintf(&b, "# fact: %s: %s\n", f.Key, cmpOr(f.Code, "`"+f.Value+"`", f.Value))
	}
	for _, a := range s.Absent {
		fmt.Fprintf(&b, "# absent: %s\n", a)
	}
	for _, p := range s.Problems {
		fmt.Fprintf(&b, "# problem: %s\n", p)
	}
	for _, n := range s.Notes {
		fmt.Fprintf(&b, "# note: %s\n", n)
	}
	w := csv.NewWriter(&b)
	columns := s.csvColumns()
	head := slices.Clone(keys)
	for _, c := range columns {
		head = append(head, c.name+" "+c.unit)
		if c.spread {
			head = append(head, c.name+" low", c.name+" high")
		}
		if c.counted {
			head = append(head, c.name+" n")
		}
	}
	_ = w.Write(head) // a Builder takes all
	for _, row := range s.Rows {
		line := []string{row.Cell, row.Group, row.Event, row.Path, row.Subject, strconv.Itoa(row.N), row.Verdict, row.Marks}
		for _, c := range columns {
			n := row.Of(c.name)
			of := func(v float64) string { return cmpOr(n.N > 0, strconv.FormatFloat(v, 'f', -1, 64), "") }
			line = append(line, of(n.Median))
			if c.spread {
				line = append(line, of(n.Low), of(n.High))
			}
			if c.counted {
				line = append(line, strconv.Itoa(n.N))
			}
		}
		_ = w.Write(line)
	}
	w.Flush()
	return b.String()
}

// header are the comments that are one line of text.
func (s *Sheet) header() []struct {
	key  string
	text *string
} {
	return []struct {
		key  string
		text *string
	}{
		{"scenario", &s.Name},
		{"question", &s.Question},
		{"plot", &s.Plot},
		{"cells", &s.CellHead},
		{"reading", &s.Reading},
		{"measured", &s.Measured},
		{"beside", &s.Beside},
		{"keep", &s.Search.Keep},
		{"from", &s.Search.From},
		{"to", &s.Search.To},
		{"unit", &s.Search.Unit},
	}
}

// A csvColumn is a number of rows.
type csvColumn struct {
	name, unit      string
	spread, counted bool // some row has an interval; some row has it less often than it was measured
}

// csvColumns are the numbers that some row has.
func (s *Sheet) csvColumns() (out []csvColumn) {
	for _, m := range metric.All {
		if m.Use&metric.CSV == 0 {
			continue
		}
		for _, to := range []string{"", "/direct", "/relay"} {
			c := csvColumn{name: m.Name + to, unit: cmpOr(to == "", m.Unit, "part")}
			has := false
			for _, row := range s.Rows {
				n := row.Of(c.name)
				has = has || n.N > 0
				c.spread = c.spread || n.Low != n.Median || n.High != n.Median
				c.counted = c.counted || n.N > 0 && n.N != row.N
			}
			if has {
				out = append(out, c)
			}
		}
	}
	return out
}

// ReadSheet reads what CSV wrote.
func ReadSheet(text string) (*Sheet, error) {
	s := &Sheet{}
	rest, ok := strings.CutPrefix(text, csvVersion)
	if !ok {
		return nil, errors.New("is not a numbers.csv of this program: its first line is another one; measure again")
	}
	for strings.HasPrefix(rest, "# ") {
		var line string
		line, rest, _ = strings.Cut(rest[2:], "\n")
		key, value, _ := strings.Cut(line, ": ")
		for _, f := range s.header() {
			if f.key == key {
				*f.text = value
			}
		}
		switch key {
		case "answer":
			s.Answer = strings.Fields(value)
		case "table":
			s.Table = strings.Fields(value)
		case "several":
			s.Several = true
		case "absent":
			s.Absent = append(s.Absent, value)
		case "problem":
			s.Problems = append(s.Problems, value)
		case "note":
			mark, text, _ := strings.Cut(value, " ")
			s.Notes = append(s.Notes, Note{Mark: mark, Text: text})
		case "fact":
			k, v, _ := strings.Cut(value, ": ")
			bare := strings.Trim(v, "`")
			s.Facts = append(s.Facts, Fact{k, bare, bare != v})
		}
	}
	lines, err := csv.NewReader(strings.NewReader(rest)).ReadAll()
	if err != nil {
		return nil, err
	}
	for i, line := range lines {
		if i == 0 {
			continue
		}
		row, err := readRow(lines[0], line)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
		s.Rows = append(s.Rows, row)
	}
	return s, nil
}

// readRow reads one row below its head.
func readRow(head, line []string) (*Row, error) {
	n, err := strconv.Atoi(line[5])
	if err != nil {
		return nil, fmt.Errorf("n: %w", err)
	}
	row := &Row{
		Cell: line[0], Group: line[1], Event: line[2], Route: record.Route{Path: line[3], Subject: line[4]}, N: n,
		Verdict: line[6], Marks: line[7], Numbers: map[string]analyse.Number{},
	}
	for i := len(keys); i < len(line); i++ {
		name, part, _ := strings.Cut(head[i], " ")
		if line[i] == "" || part == "n" && line[i] == "0" {
			continue
		}
		v, err := strconv.ParseFloat(line[i], 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", head[i], err)
		}
		switch number := row.Numbers[name]; part {
		case "low":
			number.Low = v
			row.Numbers[name] = number
		case "high":
			number.High = v
			row.Numbers[name] = number
		case "n":
			number.N = int(v)
			row.Numbers[name] = number
		default:
			row.Numbers[name] = analyse.Number{N: n, Median: v, Low: v, High: v}
		}
	}
	return row, nil
}
