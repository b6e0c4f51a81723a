package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/plot"
	"github.com/adit-tunnel/adit/loadgen/record"
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
	pageRow struct {
		Class, Tip string // what speaks against it
		Fields     []string
	}
	pageTable struct {
		ID, Title, Note string
		Head            []string
		Rows            []pageRow
		Footnotes       []string
	}
	card struct {
		Link, Name, Question, When string
		Answer                     []string // a paragraph each
		Badges                     []badge
		Plot                       template.HTML
	}
)

// HTML is the record as one page that needs no other file and no network.
func HTML(r *record.Record) string {
	page := struct {
		frame
		card
		Tiles          []tile
		Problems, Best []string
		More           []string // problems
		Parts          []plots
		Tables         []pageTable
		Circumstances  []circumstance
	}{frame: newFrame(), card: cardOf(r), Tiles: tiles(r), Problems: problems(r), Circumstances: circumstancesOf(r)}
	for _, s := range r.Subjects {
		if len(r.Scenario.Cells) > 1 {
			page.Best = append(page.Best, best(r, s.Name)...)
		}
	}
	for _, f := range figures(r) {
		at := slices.IndexFunc(page.Parts, func(p plots) bool { return p.Title == f.part })
		if at < 0 {
			page.Parts, at = append(page.Parts, plots{slug(f.part), f.part, notes[f.part], nil}), len(page.Parts)
		}
		page.Parts[at].Plots = append(page.Parts[at].Plots, template.HTML(f.svg(false))) // we made it, and it escapes names
	}
	for _, s := range sections(r) {
		t := pageTable{ID: slug(s.title), Title: s.title, Note: s.note}
		for _, c := range s.columns {
			t.Head = append(t.Head, c.name)
		}
		for i, row := range s.rows {
			class := row.Verdict
			if i > 0 && row.Cell != s.rows[i-1].Cell {
				class = strings.TrimSpace(class + " begin")
			}
			var fields []string
			for _, c := range s.columns {
				fields = append(fields, c.of(row))
			}
			t.Rows = append(t.Rows, pageRow{class, strings.TrimSpace(row.Details), fields})
		}
		for _, f := range s.footnotes {
			t.Footnotes = append(t.Footnotes, strings.ReplaceAll(f.String(), "`", ""))
		}
		page.Tables = append(page.Tables, t)
	}
	for _, s := range sheets(r) {
		t := pageTable{ID: slug(s.title), Title: s.title, Note: s.note, Head: s.head}
		for _, fields := range s.rows {
			t.Rows = append(t.Rows, pageRow{Fields: fields})
		}
		page.Tables = append(page.Tables, t)
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
		c := cardOf(r)
		if all := figures(r); len(all) > 0 {
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

var notes = map[string]string{
	partAnswer:      "Each point is one repetition, or their median with what they reach.",
	partCurves:      "Each point is the median of the repetitions, a band or a bar what they reach. Steep values have a logarithmic scale.",
	partHeat:        "The part of the speed of a direct connection that is left, measured in the same repetition.",
	partTime:        "Each point is a window of the measured time, the median of the repetitions; a fault is shaded.",
	partPercentiles: "How long the packets took, from the quickest to the slowest; to the right the few slowest. A line ends where fewer than ten samples lie beyond.",
}

func cardOf(r *record.Record) card {
	text, good := verdict(r)
	c := card{
		Link: r.Scenario.Name + "/" + htmlFile, Name: r.Scenario.Name, Question: r.Scenario.Question, Answer: answer(r),
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

// tiles are the numbers that a reader looks for first.
func tiles(r *record.Record) (out []tile) {
	names := map[string]string{scenario.Direct: "direct", scenario.Relay: "one plain hop"}
	given := speedGiven(r)
	if len(asked(r)) > 0 {
		return nil // the answer is another
	}
	for _, c := range costs(r, headlines[speed]) {
		if given {
			break
		}
		out = append(out, tile{
			fmt.Sprintf("%.0f %%", 100*c.Median), fmt.Sprintf("%s: speed, of %s", c.subject, names[c.path]), over(c, fmt.Sprintf("%.0f–%.0f %%", 100*c.Low, 100*c.High)),
		})
	}
	for _, c := range costs(r, headlines[median50]) {
		out = append(out, tile{
			fmt.Sprintf("%.1f ×", c.Median), fmt.Sprintf("%s: median latency, of %s", c.subject, names[c.path]), over(c, fmt.Sprintf("%.1f–%.1f", c.Low, c.High)),
		})
	}
	return out
}

// over says what a range covers.
func over(c cost, text string) string {
	switch {
	case c.Low == c.High:
		return ""
	case c.cells > 1:
		return fmt.Sprintf("%s in %d cells", text, c.cells)
	}
	return text
}
