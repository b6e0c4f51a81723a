package dialogue

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// An Answer is what a replay tells about the failure.
type Answer int

// Answers.
const (
	Unsure     Answer = iota // it cannot be told
	Gone                     // the subject does right
	Reproduced               // it fails as the dialogue says
)

func (a Answer) String() string {
	return [...]string{"could not tell", "not reproduced", "reproduced"}[a]
}

// An Outcome is one replay of a dialogue.
type Outcome struct {
	Answer Answer
	Why    string // in words
	Result engine.Result
}

// Lookup finds a requirement of PROTOCOL.md by its ID.
func Lookup(id string) (engine.Requirement, bool) {
	r, ok := spec.Lookup(id)
	return engine.Requirement{
		ID: r.ID, Level: r.Level, Role: engine.Role(r.Role), Profile: r.Profile, Text: r.Text, Why: r.Why, Section: r.Section,
	}, ok
}

// Replay plays a dialogue once against a subject of that role. An error says
// that there was nobody to talk to (*engine.UnreachableError).
func Replay(ctx context.Context, v spec.Vector, subject engine.Subject, role engine.Role) (Outcome, error) {
	found := spec.Found{}
	if v.Found != nil {
		found = *v.Found
	}
	at, above := -1, int64(0)
	c := engine.Case{ID: v.Requirements[0], Variant: "replay", Role: role, Title: v.Title, Run: func(t *engine.T) {
		t.SetCut(engine.Cut(found.Cut))
		p := NewPlayer(t, v.Steps)
		defer func() { at = p.At() }()
		for p.Next() {
		}
		if found.RSS > 0 {
			t.Meanwhile(engine.Look, func() bool { above, _ = t.Memory(); return above > found.RSS })
		}
	}}
	c.Req, _ = Lookup(c.ID)
	r := &engine.Runner{Subject: subject, Role: role, Lookup: Lookup, Seed: found.Seed, Jobs: 1}
	var o Outcome
	err := r.Run(ctx, []engine.Case{c}, func(res engine.Result) { o.Result = res })
	if err == nil {
		o.judge(v, found, at, above)
	}
	return o, err
}

// judge fills in the answer: at is the step that the replay came to.
func (o *Outcome) judge(v spec.Vector, found spec.Found, at int, rss int64) {
	all := o.Result.Findings
	rule := slices.IndexFunc(all, func(f engine.Finding) bool { return f.Oracle && f.Req == v.Requirements[0] })
	first := slices.IndexFunc(all, func(f engine.Finding) bool { return !f.Oracle && f.Level != "MAY" })
	say := func(a Answer, format string, args ...any) { o.Answer, o.Why = a, fmt.Sprintf(format, args...) }
	last := at == len(v.Steps)-1 || v.Found == nil // a golden dialogue fails at any step
	switch o.Result.Verdict {
	case engine.Inconclusive, engine.NotRun, engine.SuiteError, engine.NotApplicable:
		say(Unsure, "%s", o.Result.Reason)
		return
	}
	switch {
	case o.Result.Died && (found.Dies || v.Found == nil):
		say(Reproduced, "the subject died: %s", words(all[len(all)-1]))
	case o.Result.Died:
		say(Unsure, "the subject died, which is another failure: %s", words(all[len(all)-1]))
	case rule >= 0 && (found.Rule || last):
		say(Reproduced, "%s", words(all[rule]))
	case at < 0:
		say(Unsure, "the replay did not begin: %s", o.Result.Reason)
	case first >= 0 && at < len(v.Steps) && last && !found.Rule && !found.Dies && found.RSS == 0:
		say(Reproduced, "%s", words(all[first]))
	case first >= 0 && at < len(v.Steps):
		say(Unsure, "step %d did not go as it went: %s", at+1, words(all[first]))
	case found.RSS > 0 && rss == 0:
		say(Unsure, "the memory of a subject that the suite does not start cannot be seen")
	case found.RSS > 0 && rss > found.RSS:
		say(Reproduced, "the subject holds %d MiB, more than %d MiB", rss>>20, found.RSS>>20)
	case o.Result.Verdict.Failed() && v.Found == nil:
		say(Reproduced, "%s", words(all[0]))
	case o.Result.Verdict.Failed():
		say(Unsure, "the subject fails in another way: %s", words(all[0]))
	default:
		say(Gone, "what should be seen was seen: %s", strings.TrimSpace(found.Sentence))
	}
}

// words is a finding in one line.
func words(f engine.Finding) string {
	s := f.Label() + ": " + f.Sentence
	if f.Expected != "" {
		s += "; expected " + f.Expected
	}
	if f.Got != "" {
		s += "; got " + f.Got
	}
	return s
}

// Starts says what a dialogue needs that replay does not start a subject with; nil for nothing.
func Starts(v spec.Vector, role engine.Role) error {
	for _, s := range v.Steps {
		if s.From != string(role) || s.Frame == nil || s.Frame.Type != engine.TypeHello.String() {
			continue
		}
		for _, t := range s.Frame.TLVs {
			if t.Tag == wire.TagBind.String() || t.Tag == wire.TagAuth.String() {
				return fmt.Errorf("the %s says HELLO with tag %s: replay starts no subject with that option; run %s, whose cases do", role, t.Tag, strings.Join(v.Requirements, ","))
			}
		}
	}
	return nil
}

// NeedsVisitors reports whether a server has to be given visitors.
func NeedsVisitors(v spec.Vector) bool {
	return slices.ContainsFunc(v.Steps, func(s spec.Step) bool { return s.Event == "visitor connects" })
}

// Tell writes a replay for people: what was done and what came, the clause, the verdict.
func Tell(w io.Writer, v spec.Vector, subject string, o Outcome) {
	name := v.ID
	if v.Found != nil {
		name = v.Found.Case
	}
	fmt.Fprintf(w, "%s: %s\nagainst %s\n\n", name, v.Title, subject)
	const head, tail = 60, 80
	for i, e := range o.Result.Trace {
		switch left := len(o.Result.Trace) - i; {
		case i < head || left <= tail:
			fmt.Fprintf(w, "  %s\n", e)
		case i == head:
			fmt.Fprintf(w, "  … %d events left out …\n", left-tail)
		}
	}
	r, _ := Lookup(v.Requirements[0])
	fmt.Fprintf(w, "\nclause    %s (%s) %s\n", r.ID, r.Level, r.Text)
	if v.Found != nil && v.Found.Sentence != "" {
		fmt.Fprintf(w, "reported  %s\n", words(engine.Finding{Sentence: v.Found.Sentence, Expected: v.Found.Expected, Got: v.Found.Got}))
	}
	fmt.Fprintf(w, "now       %s\n%s\n", o.Why, strings.ToUpper(o.Answer.String()))
}

// FileName is the name of the file of a case, safe for any file system.
func FileName(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			return c
		}
		return '.'
	}, name) + ".json"
}

// Write writes a dialogue to a file, and makes the folder that it is in.
func Write(v spec.Vector, name string) error {
	f, err := os.Create(name)
	if os.IsNotExist(err) {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		f, err = os.Create(name)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	enc := json.NewEncoder(f)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	return f.Close()
}
