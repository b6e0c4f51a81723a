package report

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// hostile is a run whose subject writes into the reports what should not get there.
func hostile() File {
	r := oneOfEach()
	r.Subject = "</title><script>alert(1)</script> | `x`\n# y"
	for i := range r.Results {
		r.Results[i].Log = []string{"\x1b[2J</pre><script>alert(2)</script>", "````"}
	}
	return r.File()
}

func TestHTMLGolden(t *testing.T) {
	var b bytes.Buffer
	if err := oneOfEach().File().WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.html", b.Bytes())
	text := b.String()
	for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		id, local := strings.CutPrefix(m[1], "#")
		if !local || !strings.Contains(text, ` id="`+id+`"`) {
			t.Errorf("the page links to %s, which is not in it", m[1])
		}
	}
	if m := regexp.MustCompile(`(?i)https?:|src=|@import|url\(`).FindString(text); m != "" {
		t.Errorf("the page needs something else: %s", m)
	}
}

func TestHTMLHoldsWhatTheSubjectWrote(t *testing.T) {
	var b bytes.Buffer
	if err := hostile().WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "<script>"); n != 1 {
		t.Errorf("the page has %d scripts; want its own alone", n)
	}
	if strings.ContainsRune(b.String(), 0x1b) {
		t.Error("an escape of the subject's log reaches the page")
	}
}

func TestGravestVerdictStandsForSeveral(t *testing.T) {
	r := requirement{ID: "FRAME-002"}
	for i, v := range []engine.Verdict{engine.NotRun, engine.Pass, engine.PassNonstrict, engine.Fail} {
		r.Entries = append(r.Entries, Entry{Role: engine.Server, Verdict: v})
		if got := r.worst(engine.Server); got != v {
			t.Errorf("after %d cases the cell is %s; want %s", i+1, got, v)
		}
	}
	if got := r.worst(engine.Client); got != "" {
		t.Errorf("without a case the cell is %s; want none", got)
	}
	for _, v := range Verdicts {
		if gravity(v) < 0 {
			t.Errorf("%s has no gravity", v)
		}
	}
}

func TestClauseSetsCode(t *testing.T) {
	if got, want := code("`a<b` & c"), "<code>a&lt;b</code> &amp; c"; string(got) != want {
		t.Errorf("code = %q; want %q", got, want)
	}
}
