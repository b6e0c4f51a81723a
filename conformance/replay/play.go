package replay

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

// An Answer is what a play tells about the failure.
type Answer int

// Answers.
const (
	Unsure     Answer = iota // it cannot be told
	Gone                     // the subject does right
	Reproduced               // it fails as the file says
)

func (a Answer) String() string {
	return [...]string{"could not tell", "not reproduced", "reproduced"}[a]
}

// An Outcome is one play of a file.
type Outcome struct {
	Answer Answer
	Why    string // in words
	Result engine.Result
}

// unused is where the IDs begin that barriers of a play use: apart from those of cases, which files name.
const unused = 0xF0000000

// Lookup finds a requirement of PROTOCOL.md by its ID.
func Lookup(id string) (engine.Requirement, bool) {
	r, ok := spec.Lookup(id)
	return engine.Requirement{
		ID: r.ID, Level: r.Level, Role: engine.Role(r.Role), Profile: r.Profile, Text: r.Text, Why: r.Why, Section: r.Section,
	}, ok
}

// A Lag is how much later than it could the suite writes to tunnels and to local sockets.
type Lag struct{ Tunnels, Locals time.Duration }

// Play plays f once against a subject. An error says that there was nobody
// to talk to (*engine.UnreachableError).
func Play(ctx context.Context, f *File, subject engine.Subject, lag Lag) (Outcome, error) {
	at, seen, above := -1, false, int64(0)
	c := engine.Case{
		ID: f.Requirement.ID, Variant: "replay", Role: f.Role, Title: f.Title,
		Run: func(t *engine.T) {
			at, seen, above = -1, false, 0
			t.SetCut(f.Cut)
			t.SetLag(lag.Tunnels, lag.Locals)
			p := NewPlayer(t)
			for i, s := range f.Steps {
				at = i
				t.Note("step %d: %s", i+1, Describe(s))
				p.Do(s)
			}
			at = len(f.Steps)
			switch y := f.Symptom; {
			case y.Step != nil:
				t.Note("the symptom: %s", Describe(*y.Step))
				p.Do(*y.Step)
			case y.RSS > 0:
				t.Try(func() { p.alive(engine.Step{Says: "the subject has taken everything"}, nil) })
				t.Meanwhile(2*time.Second, func() bool { above, _ = Memory(t.PID()); return above > y.RSS })
			default: // time to die, or to break the rule
				t.Try(func() { p.alive(engine.Step{Says: "the subject has taken everything"}, nil) })
			}
			at, seen = len(f.Steps)+1, p.seen
		},
	}
	c.Req = engine.Requirement{ID: f.Requirement.ID, Level: f.Requirement.Level, Text: f.Requirement.Clause, Section: f.Requirement.Section}
	r := &engine.Runner{Subject: subject, Role: f.Role, Lookup: Lookup, Seed: f.Seed, Jobs: 1, Unused: unused}
	if f.ServiceHost != "" {
		r.Target = f.ServiceHost + ":0"
		if strings.Contains(f.ServiceHost, ":") {
			r.Target = "[" + f.ServiceHost + "]:0"
		}
	}
	var o Outcome
	err := r.Run(ctx, []engine.Case{c}, func(res engine.Result) { o.Result = res })
	if err != nil {
		return o, err
	}
	o.judge(f, at, seen, above)
	return o, nil
}

// judge fills in the answer: at is the step that the play came to, len(f.Steps) the symptom.
func (o *Outcome) judge(f *File, at int, seen bool, rss int64) {
	y, found := f.Symptom, o.Result.Findings
	rule, first := "", -1
	for i, v := range found {
		if v.Oracle && v.Req == y.Rule {
			rule = words(v)
		}
		if !v.Oracle && first < 0 {
			first = i
		}
	}
	say := func(a Answer, format string, args ...any) { o.Answer, o.Why = a, fmt.Sprintf(format, args...) }
	switch {
	case o.Result.Verdict == engine.Inconclusive, o.Result.Verdict == engine.NotRun, o.Result.Verdict == engine.SuiteError, o.Result.Verdict == engine.NotApplicable:
		say(Unsure, "%s", o.Result.Reason)
	case y.Dies && o.Result.Died:
		say(Reproduced, "the subject died: %s", words(found[len(found)-1]))
	case o.Result.Died:
		say(Unsure, "the subject died, which is another failure: %s", words(found[len(found)-1]))
	case y.Rule != "" && rule != "":
		say(Reproduced, "%s", rule)
	case at < 0:
		say(Unsure, "the play did not begin: %s", o.Result.Reason)
	case at < len(f.Steps):
		say(Unsure, "step %d (%s) did not go as it went: %s", at+1, f.Steps[at].Do, words(found[max(first, 0)]))
	case at == len(f.Steps):
		say(Reproduced, "%s", words(found[max(first, 0)]))
	case y.Step != nil && y.Step.Do == "see" && seen:
		say(Reproduced, "%s: it looks as it did", y.Step.Says)
	case y.RSS > 0 && rss == 0:
		say(Unsure, "the memory of a subject that the suite does not start cannot be seen")
	case y.RSS > 0 && rss > y.RSS:
		say(Reproduced, "the subject holds %d MiB, more than %d MiB", rss>>20, y.RSS>>20)
	case first >= 0:
		say(Unsure, "the subject fails in another way: %s", words(found[first]))
	default:
		say(Gone, "what should be seen was seen: %s", strings.TrimSpace(f.Failure.Sentence))
	}
}

// words is a finding in one line.
func words(v engine.Finding) string {
	s := v.Label() + ": " + v.Sentence
	if v.Expected != "" {
		s += "; expected " + v.Expected
	}
	if v.Got != "" {
		s += "; got " + v.Got
	}
	return s
}

// Memory is the resident memory of a process in octets; false where the system does not say.
func Memory(pid int) (int64, bool) {
	if pid <= 0 {
		return 0, false
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	_, rest, ok := strings.Cut(string(b), "VmRSS:")
	var kib int64
	if _, err := fmt.Sscan(rest, &kib); !ok || err != nil {
		return 0, false
	}
	return kib << 10, true
}

// Describe says a step in words.
func Describe(s engine.Step) string {
	var b strings.Builder
	b.WriteString(s.Do)
	for _, part := range []string{s.On, s.Socket, s.How, s.Frame, s.ID} {
		if part != "" {
			b.WriteString(" " + part)
		}
	}
	for i, line := range s.Frames {
		if i == 3 {
			fmt.Fprintf(&b, ", and %d more", len(s.Frames)-i)
			break
		}
		b.WriteString(map[bool]string{true: ": ", false: ", "}[i == 0] + line)
	}
	if len(s.Frames) == 0 && s.Octets != "" {
		b.WriteString(" " + clip(string(s.Octets)))
	}
	for _, see := range s.Sees {
		fmt.Fprintf(&b, " [%s: %s]", strings.Join(strings.Fields(strings.Join([]string{see.Who, see.What, see.Frame, see.ID}, " ")), " "), see.Is)
	}
	if d := wait(s); d > 0 {
		fmt.Fprintf(&b, " (%s)", d.Round(time.Millisecond))
	}
	return b.String()
}

// clip shortens a long notation.
func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

// NeedsVisitors reports whether a server subject has to be given visitors.
func (f *File) NeedsVisitors() bool {
	steps := f.Steps
	if f.Symptom.Step != nil {
		steps = append(slices.Clip(steps), *f.Symptom.Step)
	}
	return slices.ContainsFunc(steps, func(s engine.Step) bool { return s.Do == "request" || s.Do == "visitor" })
}

// Tell writes a play for people: what was done and what came, the clause, the verdict.
func (f *File) Tell(w io.Writer, subject string, o Outcome) {
	fmt.Fprintf(w, "%s: %s\nagainst %s\n\n", f.Case, f.Title, subject)
	const head, tail = 60, 80
	for i, e := range o.Result.Trace {
		switch left := len(o.Result.Trace) - i; {
		case i < head || left <= tail:
			fmt.Fprintf(w, "  %s\n", e)
		case i == head:
			fmt.Fprintf(w, "  … %d events left out …\n", left-tail)
		}
	}
	fmt.Fprintf(w, "\nclause    %s (%s) %s\n", f.Requirement.ID, f.Requirement.Level, f.Requirement.Clause)
	if f.Failure.Sentence != "" {
		fmt.Fprintf(w, "reported  %s\n", words(engine.Finding{Sentence: f.Failure.Sentence, Expected: f.Failure.Expected, Got: f.Failure.Got}))
	}
	fmt.Fprintf(w, "now       %s\n", o.Why)
	fmt.Fprintf(w, "%s\n", strings.ToUpper(o.Answer.String()))
}
