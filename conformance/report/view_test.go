package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
)

func TestALongTraceLosesItsMiddle(t *testing.T) {
	var trace []string
	for i := range traceLines + 7 {
		trace = append(trace, fmt.Sprint(i))
	}
	if got := shorten(trace[:traceLines], nil); !slices.Equal(got, trace[:traceLines]) {
		t.Errorf("a trace of %d lines has %d left", traceLines, len(got))
	}
	got := shorten(trace, nil)
	if len(got) != traceLines+1 || got[0] != "0" || got[traceLines/3] != "      ... 7 events left out ..." || got[traceLines/3+1] != fmt.Sprint(traceLines/3+7) || got[traceLines] != fmt.Sprint(traceLines+6) {
		t.Errorf("of %d lines are left %q; want head, how many are left out, tail", len(trace), got)
	}
}

// What explains a failure stands in every report.
func TestEveryReportExplains(t *testing.T) {
	for name, write := range map[string]func(File, io.Writer) error{
		"certificate": func(f File, w io.Writer) error { f.WriteCertificate(w, false); return nil },
		"JUnit":       File.WriteJUnit, "Markdown": File.WriteMarkdown, "page": File.WriteHTML,
	} {
		var b bytes.Buffer
		if err := write(oneOfEach().File(), &b); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"a connection gets exactly one Close", "Close for ID 7", "nothing within 5s", "by what it sent, at 5.000 s", "seen by a rule that holds in every case",
			"a remark", "127.0.0.1:40000", "its last tunnel: reset", "12 ms late", "must be 4", "forged",
		} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("the %s does not have %q", name, want)
			}
		}
	}
}

// What a verdict rests on is shown, however long the trace: what stands at the time of a finding, what
// is marked, and what was said about the ID that the finding names.
func TestALongTraceKeepsWhatItsVerdictRestsOn(t *testing.T) {
	var trace []string
	for i := range 2000 {
		trace = append(trace, fmt.Sprintf("%9.3fs  tunnel 1   subject-> Data id=7 5 octets", float64(i)/1000))
	}
	trace[300] = "    0.300s  tunnel 1   subject-> ConnectRequest id=42 port=22"
	trace[600] = "    0.600s  tunnel 1   subject-> Close malformed, 2 octets 01 02  <-- Close payload is 2 octets, must be 4"
	trace[900] = "    0.900s  tunnel 1   subject-> Data id=9 1 octets"
	trace[1200] = "    1.200s  tunnel 1   subject-> ConnectRequest id=43 port=22"
	got := shorten(trace, []engine.Finding{{At: 900 * time.Millisecond, Sentence: "one ID, one connection", Got: "ConnectRequest id=42 on tunnel 1"}})
	for _, i := range []int{300, 600, 900} {
		if !slices.Contains(got, trace[i]) {
			t.Errorf("left out: %s", trace[i])
		}
	}
	if slices.Contains(got, trace[1200]) || len(got) > traceLines+3*(2*around+1)+4 {
		t.Errorf("%d lines are shown, with what nothing rests on", len(got))
	}
}

// Each failed case stands under one cause: what most of them charge, though other requirements come first in the text.
func TestCauses(t *testing.T) {
	r := &Run{}
	add := func(id string, v engine.Verdict, charged ...string) {
		res := engine.Result{Verdict: v, Case: engine.Case{ID: id, Role: engine.Server, Req: engine.Requirement{Level: "MUST"}}}
		for _, req := range charged {
			res.Findings = append(res.Findings, engine.Finding{Req: req, Level: "MUST"})
		}
		r.Add(res)
	}
	add("FRAME-001", engine.Fail, "CLOSE-004")
	add("ID-001", engine.Fail, "CLOSE-004", "FRAME-006")
	add("CLOSE-004", engine.Fail, "CLOSE-004", "ID-001")
	add("FRAME-006", engine.Fail, "FRAME-006", "DATA-001") // as often the one as the other
	add("OPEN-003", engine.NotTestable)
	add("OPEN-004", engine.Pass)
	add("LOSS-001", engine.Fail, "LOSS-001")
	r.Results[5].Case.Unscored = "not in set"
	r.Results[len(r.Results)-1].Case.Unscored = "not in set"
	var got []string
	for _, c := range r.File().Causes {
		got = append(got, fmt.Sprint(c.Req, c.Cases, c.Also))
	}
	want := []string{
		"CLOSE-004[CLOSE-004/server FRAME-001/server ID-001/server] [FRAME-006 ID-001]",
		"OPEN-003[OPEN-003/server] []", "DATA-001[FRAME-006/server] [FRAME-006]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("causes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
