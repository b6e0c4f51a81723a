package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// figures are one of each kind, with values at which scales could fail.
func figures() map[string]string {
	curve := func(index int, name string, factor float64) Line {
		l := Line{Route: Route{index, name}}
		for i := range 6 {
			v := factor * math.Pow(4, float64(i))
			l.Points = append(l.Points, Point{X: float64(int(64) << (2 * i)), Y: v, Low: v * 0.7, High: v * 1.4, Tip: name})
		}
		return l
	}
	var sizes []Tick
	for i, name := range []string{"64 B", "256 B", "1 KiB", "4 KiB", "16 KiB", "64 KiB"} {
		sizes = append(sizes, Tick{float64(int(64) << (2 * i)), name})
	}
	flat := Line{Route: Route{2, "tunnel <a&b>"}, Points: []Point{{X: 0.5, Y: 100, Low: 90, High: 110}, {X: 1, Y: 1, Low: 1, High: 1, Gap: true}, {X: 1.5, Y: 2, Low: 1, High: 2.5}, {X: 9, Y: 2.2, Low: 2.2, High: 2.2}}}
	one := Line{Route: Route{0, "direct"}, Points: []Point{{X: 5, Y: 7, Low: 7, High: 7}}}
	return map[string]string{
		"curve":  Lines{Title: "Speed", Sub: "MB/s", XLabel: "packet size", X: sizes, XLog: true, Lines: []Line{curve(0, "direct", 1), curve(1, "relay", 0.5), curve(2, "tunnel x", 0.2)}}.SVG(true),
		"series": Lines{Title: "Rate", Sub: "1/s", XLabel: "s", Lines: []Line{flat}, FromZero: true, Plain: true, Marks: []Mark{{2, 4, "freeze"}, {6, 6, "kill"}}}.SVG(false),
		"knee": Lines{
			Title: "Search", Sub: "ms", XLabel: "packets/s", XLog: true, Scatter: true,
			Lines:  []Line{{Route{0, "direct 100/s"}, []Point{{X: 100, Y: 1, Low: 1, High: 1}, {X: 1000, Y: 20, Low: 20, High: 20, Hollow: true}}}},
			Levels: []Level{{10, "below 10 ms"}}, Stops: []Stop{{Route{0, "direct"}, 100}, {Route{2, "tunnel x"}, 1000}},
		}.SVG(true),
		"fit": Lines{
			Title: "Memory", Sub: "MiB", XLabel: "idle connections", FromZero: true, Scatter: true,
			Lines: []Line{{Route{2, "tunnel x"}, []Point{{X: 0, Y: 10, Low: 10, High: 10}, {X: 1000, Y: 30, Low: 30, High: 30}}}},
			Fits:  []Line{{Route{2, "tunnel x"}, []Point{{X: 0, Y: 9}, {X: 1000, Y: 31}}}},
		}.SVG(true),
		"single": Lines{Title: "One point", Lines: []Line{one}}.SVG(false),
		"empty":  Lines{Title: "No point"}.SVG(false),
		"dots": Dots{Title: "Median latency", Sub: "ms", Rows: []string{"upload", "both"}, Lines: []Line{
			{Route{0, "direct"}, []Point{{X: 0, Y: 1, Low: 0.5, High: 1.5}, {X: 1, Y: 2, Low: 2, High: 2}}},
			{Route{9, "tunnel many"}, []Point{{X: 0, Y: 4, Low: 3, High: 5, Hollow: true}}},
		}}.SVG(true),
		"heat": Heat{
			Title: "Part of direct", Route: 2, Columns: []string{"1", "10"}, Rows: []string{"64 KiB", "1 MiB"}, XLabel: "connections", YLabel: "size",
			Values: map[[2]int]Shade{{0, 0}: {0.1, "10 %", "a"}, {1, 1}: {2, "200 %", "b"}},
		}.SVG(true),
	}
}

func TestFiguresAreAsTheyWere(t *testing.T) {
	for name, got := range figures() {
		file := filepath.Join("testdata", name+".svg")
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || string(want) != got {
			t.Errorf("%s differs (%v); UPDATE=1 writes it anew; look at it before", file, err)
		}
		if len(got) > 16<<10 {
			t.Errorf("%s: %d octets; a figure is small", name, len(got))
		}
	}
}

func TestFiguresAreWellFormedAndHoldNoBadNumber(t *testing.T) {
	for name, svg := range figures() {
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			_, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		for _, bad := range []string{"NaN", "Inf", "e+", "-0 "} {
			if strings.Contains(svg, bad) {
				t.Errorf("%s holds %q", name, bad)
			}
		}
		if styled := strings.Contains(svg, "<style>"); styled != !slices.Contains([]string{"series", "single", "empty"}, name) {
			t.Errorf("%s: styles of its own: %v", name, styled)
		}
	}
}

func TestAScaleIsLogarithmicWhenValuesAreFarApart(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		log    bool
	}{
		{[]float64{1, 24}, false},
		{[]float64{1, 26}, true},
		{[]float64{0, 1, 26}, true}, // zero is drawn at the lower end
		{[]float64{-1, 1, 26}, false},
		{[]float64{0, 0}, false},
		{[]float64{math.NaN(), math.Inf(1)}, false},
		{nil, false},
	} {
		if got := scaleOf(tt.values); got.log != tt.log {
			t.Errorf("scaleOf(%v).log = %v", tt.values, got.log)
		}
	}
}

func TestNumbersAreShort(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.05: "0.05", 0.1234: "0.123", 1.5: "1.5", 999: "999", 1234: "1234", 30000: "30k", 1_250_000: "1.25M", 2e9: "2G", -0.5: "-0.5",
	} {
		if got := Number(v); got != want {
			t.Errorf("Number(%v) = %q; want %q", v, got, want)
		}
	}
}

func TestCrowdedLabelsGiveWay(t *testing.T) {
	var ticks []Tick
	for i := range 20 {
		ticks = append(ticks, Tick{float64(i), "label"})
	}
	thinned := thin(ticks, func(at float64) float64 { return at * 10 }, label("soft", 0).Width)
	shown := 0
	for _, t := range thinned {
		if t.Label != "" {
			shown++
		}
	}
	if shown < 3 || shown > 6 || thinned[19].Label == "" {
		t.Errorf("%d of 20 labels are shown, the last one %q", shown, thinned[19].Label)
	}
}
