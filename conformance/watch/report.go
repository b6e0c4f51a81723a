package watch

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// A Report is what was found; as JSON it is written as it stands. Fields may
// be added within a schema, none is renamed or removed.
type Report struct {
	Schema        int         `json:"schema"`
	Tunnels       int         `json:"tunnels"`
	Connections   uint64      `json:"connections"` // ConnectRequests and OPENs and OPENs
	Frames        uint64      `json:"frames"`
	Unreached     int         `json:"unreached"` // tunnels for which the server could not be dialled
	Counts        []Count     `json:"counts"`
	Violations    []Violation `json:"violations"` // the first ones
	NotJudged     []Lost      `json:"not_judged"`
	NotJudgedMore int         `json:"not_judged_more,omitempty"`
}

// Broken reports whether a MUST was broken.
func (r *Report) Broken() bool {
	return slices.ContainsFunc(r.Counts, func(c Count) bool { return c.Level == "MUST" })
}

// Unreachable reports whether tunnels came and none reached the server.
func (r *Report) Unreachable() bool { return r.Unreached > 0 && r.Tunnels == 0 }

// WriteJSON writes the report to a file.
func (r *Report) WriteJSON(file string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

// WriteText writes the summary.
func (r *Report) WriteText(w io.Writer) {
	fmt.Fprintf(w, "\n%d tunnels, %d connections, %d frames\n", r.Tunnels, r.Connections, r.Frames)
	if r.Unreached > 0 {
		fmt.Fprintf(w, "%d more tunnels were refused: the server could not be dialled\n", r.Unreached)
	}
	for _, l := range r.NotJudged {
		fmt.Fprintf(w, "tunnel %d: %s, not judged\n", l.Tunnel, l.Why)
	}
	if r.NotJudgedMore > 0 {
		fmt.Fprintf(w, "nor were %d more\n", r.NotJudgedMore)
	}
	if len(r.Counts) == 0 {
		fmt.Fprintln(w, "no violations")
		return
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options.DrawBorder = false
	t.Style().Options.SeparateColumns = false
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"side", "requirement", "level", "times", "first"})
	for _, c := range r.Counts {
		t.AppendRow(table.Row{c.Side, c.Req, c.Level, c.Count, r.first(c)})
	}
	fmt.Fprintln(w, strings.TrimRight(t.Render(), "\n"))
}

// first is the first violation that c counts, in a few words.
func (r *Report) first(c Count) string {
	for _, v := range r.Violations {
		if v.Side == c.Side && v.Req == c.Req {
			return fmt.Sprintf("tunnel %d, frame %d: %s", v.Tunnel, v.Number, v.Says)
		}
	}
	return ""
}

func compareCounts(a, b Count) int {
	return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.Side, b.Side), cmp.Compare(a.Req, b.Req))
}
