package report

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/engine"
)

func TestMarkdownGolden(t *testing.T) {
	var b bytes.Buffer
	if err := oneOfEach().File().WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.md", b.Bytes())
}

func TestMarkdownHoldsWhatTheSubjectWrote(t *testing.T) {
	var b bytes.Buffer
	if err := hostile().WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	fence := ""
	for l := range strings.Lines(b.String()) {
		l = strings.TrimSuffix(l, "\n")
		switch {
		case fence == "" && strings.HasPrefix(l, "```"):
			fence = strings.TrimSuffix(l, "text")
		case l == fence:
			fence = ""
		case fence == "" && strings.Contains(l, "<script"):
			t.Errorf("outside of a fence: %s", l)
		}
	}
	if fence != "" {
		t.Error("the last fence is not closed")
	}
	if strings.Contains(b.String(), "\n# y") || strings.ContainsRune(b.String(), 0x1b) {
		t.Errorf("the subject's name is no plain text:\n%.300s", b.String())
	}
}

func TestBadge(t *testing.T) {
	of := func(vs ...engine.Verdict) *Run {
		r := &Run{About: About{Requirements: "1.0"}}
		for _, v := range vs {
			r.Add(engine.Result{Verdict: v, Case: engine.Case{Role: engine.Server}})
		}
		return r
	}
	part := of(engine.Pass)
	part.Selection = []string{"FRAME-001"}
	for _, tt := range []struct {
		run             *Run
		golden, message string
	}{
		{of(engine.Pass), "certified.svg", "core-server certified"},
		{of(engine.Pass, engine.Fail), "failing.svg", "failing"},
		{of(engine.Pass, engine.Inconclusive), "", "inconclusive"},
		{of(engine.NotRun), "", "nothing scored"},
		{part, "", "a part passed"},
	} {
		f := tt.run.File()
		if _, _, message := f.badge(); message != tt.message {
			t.Errorf("the badge says %q; want %q", message, tt.message)
		}
		var b bytes.Buffer
		if err := f.WriteBadge(&b); err != nil {
			t.Fatal(err)
		}
		if err := xml.Unmarshal(b.Bytes(), new(struct{})); err != nil {
			t.Errorf("the badge is not XML: %v", err)
		}
		if tt.golden != "" {
			golden(t, tt.golden, b.Bytes())
		}
	}
}
