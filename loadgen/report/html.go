package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/report/plot"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

var (
	//go:embed page/record.html
	recordPage string
	//go:embed page/index.html
	indexPage string
	//go:embed page/page.css
	pageStyle string
	//go:embed page/page.js
	pageScript string

	recordTemplate = template.Must(template.New("record").Parse(recordPage))
	indexTemplate  = template.Must(template.New("index").Parse(indexPage))
)

// A frame is what every page has: it needs nothing but itself, and its policy
// lets the browser load and run nothing else.
type frame struct {
	Policy string
	Style  template.CSS
	Script template.JS
}

func newFrame() frame {
	style := pageStyle + plot.Style
	hash := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return frame{
		Policy: fmt.Sprintf("default-src 'none'; style-src %s; script-src %s; img-src data:; base-uri 'none'; form-action 'none'", hash(style), hash(pageScript)),
		Style:  template.CSS(style), Script: template.JS(pageScript),
	}
}

// Parts of pages.
type (
	badge struct{ Class, Text string }
	tile  struct{ Value, Text, Range string }
	plots struct {
		ID, Title, Note string
		Plots           []template.HTML
	}
	card struct {
		Link, Name, Question, When string
		Answer                     []string // a paragraph each
		Badges                     []badge
		Plot                       template.HTML
	}
)

// html is the record as one page that needs no other file and no network.
func (s *Sheet) html(r *record.Record, drawn []figure) string {
	page := struct {
		frame
		card
		Tiles          []tile
		Problems, Best []string
		More           []string // problems
		Parts          []plots
		Tables         []grid
		Circumstances  []Fact
	}{frame: newFrame(), card: s.card(r), Tiles: s.tiles(), Problems: s.Problems, Best: s.best(), Circumstances: s.Facts, Tables: append(s.grids(), conclusions(r)...)}
	for _, f := range drawn {
		at := slices.IndexFunc(page.Parts, func(p plots) bool { return p.Title == f.part })
		if at < 0 {
			page.Parts, at = append(page.Parts, plots{slug(f.part), f.part, partNotes[f.part], nil}), len(page.Parts)
		}
		page.Parts[at].Plots = append(page.Parts[at].Plots, template.HTML(f.svg(false))) // we made it, and it escapes names
	}
	if n := len(page.Problems); n > mostProblems {
		page.Problems, page.More = page.Problems[:mostProblems], page.Problems[mostProblems:]
	}
	return render(recordTemplate, page)
}

// Index is a page that leads to the pages of several records, each in a folder of its scenario's name.
func Index(records []*record.Record) string {
	page := struct {
		frame
		Cards []card
	}{frame: newFrame()}
	for _, r := range records {
		s := NewSheet(r)
		c := s.card(r)
		if all := figures(r, s); len(all) > 0 {
			c.Plot = template.HTML(all[0].svg(false))
		}
		page.Cards = append(page.Cards, c)
	}
	return render(indexTemplate, page)
}

func render(t *template.Template, page any) string {
	var b strings.Builder
	if err := t.Execute(&b, page); err != nil { // the template and the fields are ours
		panic("report: " + err.Error())
	}
	return b.String()
}

var partNotes = map[string]string{
	partAnswer:      "Each point is one repetition, or their median with what they reach.",
	partCurves:      "Each point is the median of the repetitions, a band or a bar what they reach. Steep values have a logarithmic scale.",
	partHeat:        "The part of the speed of a direct connection that is left, measured in the same repetition.",
	partTime:        "Each point is a window of the measured time, the median of the repetitions; a fault is shaded.",
	partPercentiles: "How long the packets took, from the quickest to the slowest; to the right the few slowest. A line ends where fewer than ten samples lie beyond.",
}

func (s *Sheet) card(r *record.Record) card {
	text, good := verdict(r)
	c := card{
		Link: r.Scenario.Name + "/" + htmlFile, Name: r.Scenario.Name, Question: r.Scenario.Question, Answer: s.answer(),
		When:   fmt.Sprintf("%s, profile %s, %s", r.Started.Format("2 January 2006"), r.Profile, r.Tool),
		Badges: []badge{{map[bool]string{true: "good", false: "bad"}[good], text}},
	}
	c.Badges = append(c.Badges, badge{"", fmt.Sprintf("%d blocks: %s", len(r.Blocks), r.Scenario.Repeats())})
	if v := r.Validity; v != nil {
		class := map[string]string{record.Valid: "good", record.Noisy: "warn", record.Invalid: "bad"}[v.Verdict]
		c.Badges = append(c.Badges, badge{class, map[string]string{
			record.Valid: "valid", record.Noisy: "noisy: read the intervals", record.Invalid: "invalid: not what it seems",
		}[v.Verdict]})
	}
	if len(r.Thresholds) > 0 {
		gates := r.Gates()
		c.Badges = append(c.Badges, badge{map[string]string{record.Pass: "good", record.Fail: "bad", record.Inconclusive: "warn"}[gates], "thresholds: " + gates})
	}
	if n := len(r.NotRun); n > 0 {
		c.Badges = append(c.Badges, badge{"bad", fmt.Sprintf("%d cells not run", n)})
	}
	return c
}

// tiles are the numbers that a reader looks for first, of those that the answer is about: how much, and below it what part of another path's.
func (s *Sheet) tiles() (out []tile) {
	for _, y := range s.about() {
		if y != "goodput" && y != "latency.p50" {
			continue
		}
		for _, p := range s.prices(y) {
			t := tile{Value: p.absolute(p.own, "MB/s"), Text: p.subject + ": throughput"}
			format, scale := "%.0f %% of %s", 100.0
			if y == "latency.p50" {
				t.Value, t.Text = p.absolute(p.own, "ms"), p.subject+": median latency"
				for _, path := range []string{scenario.Relay, scenario.Direct} { // direct's, when there is one
					if p.more[path].N > 0 {
						t.Value, t.Text = p.absolute(p.more[path], "ms"), p.subject+": added to "+owner[path]+" median latency"
					}
				}
				format, scale = "%.1f × %s", 1
			}
			var parts []string
			for _, path := range []string{scenario.Direct, scenario.Relay} {
				if p.part[path].N > 0 {
					parts = append(parts, fmt.Sprintf(format, scale*p.part[path].Median, inWords[path]))
				}
			}
			t.Range = strings.Join(parts, ", ")
			out = append(out, t)
		}
	}
	return out
}
