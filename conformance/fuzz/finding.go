package fuzz

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/replay"
)

// Kind is what went wrong.
type Kind string

// Kinds of findings.
const (
	Death  Kind = "death"
	Hang   Kind = "hang"
	Harm   Kind = "harm"
	Memory Kind = "memory"
	Rule   Kind = "rule"
)

// Kinds lists every Kind.
var Kinds = []Kind{Death, Hang, Harm, Memory, Rule}

func (k Kind) words() string {
	return map[Kind]string{
		Death: "the subject ended, or accepts no tunnel any more", Hang: "a fresh tunnel is not served",
		Harm: "the tunnel beside was touched", Memory: "the subject holds more memory than the limit",
		Rule: "what the subject sent breaks a rule that holds always",
	}[k]
}

// What is looked at after each sequence.
var (
	alive  = engine.Step{Do: "alive", Within: engine.Duration(engine.Answer), Says: "a fresh tunnel answers"}
	beside = engine.Step{Do: "barrier", On: sentinel, Within: engine.Duration(engine.Answer), Says: "the tunnel beside goes on and answers"}
)

// aliveReq is the requirement that a subject breaks that does not go on.
func aliveReq(role engine.Role) string {
	if role == engine.Client {
		return "LOSS-003"
	}
	return "ERR-003"
}

// certain are the rules about the subject's own octets, which nothing that it
// was sent can excuse. The life of an ID is not judged: much of what is sent here
// crosses, and the other rules of the engine are made for cases.
var certain = []string{"FRAME-001", "FRAME-005", "FRAME-009"}

// history is how many sequences before one may have had a part in what it found.
const history = 16

// A finding is a sequence and what was wrong after it.
type finding struct {
	kind   Kind
	trial  *trial
	found  engine.Finding
	before []uint64 // sequences, oldest first
}

// signature tells findings apart that are reported on their own.
func (f *finding) signature() string {
	if f.kind == Rule {
		return string(f.kind) + " " + f.found.Req
	}
	return string(f.kind)
}

// judge is what a result says, nil for nothing.
func (tr *trial) judge(res engine.Result, before []uint64) *finding {
	f := &finding{kind: tr.stage, trial: tr, before: before}
	var rule *engine.Finding
	for i, v := range res.Findings {
		switch {
		case v.Level != "MUST":
		case !v.Oracle && f.found.Sentence == "":
			f.found = v
		case v.Oracle && rule == nil && (slices.Contains(certain, v.Req) || v.Req == "ALIVE-002" && !tr.seq.wild):
			rule = &res.Findings[i]
		}
	}
	switch {
	case res.Died:
		f.kind, f.found = Death, res.Findings[len(res.Findings)-1]
	case f.found.Sentence != "":
	case rule != nil:
		f.kind, f.found = Rule, *rule
	default:
		return nil
	}
	return f
}

// file is the replay file of the sequence, after those before it.
func (c *Campaign) file(f *finding, before []uint64) *replay.File {
	var steps []engine.Step
	for _, n := range before {
		steps = append(steps, named(fmt.Sprintf("s%d", n), compose(c.Seed, n, c.layout).steps)...)
	}
	file := &replay.File{
		Replay: replay.Version, Suite: c.Suite, Requirements: c.Set, Role: c.Role,
		Case:  fmt.Sprintf("fuzz/%s/%s-%d", c.Role, f.kind, f.trial.n),
		Title: fmt.Sprintf("sequence %d of seed %d: %s", f.trial.n, c.Seed, f.kind.words()), Seed: c.Seed,
		Failure: replay.Failure{Sentence: f.found.Sentence, Expected: f.found.Expected, Got: f.found.Got},
		Steps:   append(steps, f.trial.seq.steps...), Symptom: &engine.Symptom{},
	}
	req, _ := replay.Lookup(f.found.Req)
	file.Requirement = replay.Requirement{ID: req.ID, Level: req.Level, Section: req.Section, Clause: req.Text}
	switch f.kind {
	case Death:
		file.Symptom.Dies = true
	case Hang:
		file.Symptom.Step = &alive
	case Harm:
		file.Symptom.Step = &beside
	case Memory:
		file.Symptom.RSS = c.RSS
	case Rule:
		file.Symptom.Rule = f.found.Req
	}
	file.Document()
	return file
}

// named is steps whose names begin with a prefix, and that leave their tunnels.
func named(prefix string, steps []engine.Step) []engine.Step {
	out := slices.Clone(steps)
	name := func(s string) string {
		if s == "" {
			return ""
		}
		return prefix + " " + s
	}
	for i, s := range out {
		s.On, s.Socket = name(s.On), name(s.Socket)
		if s.ID != "" {
			s.ID = prefix + s.ID
		}
		s.Octets = engine.Notation(strings.ReplaceAll(strings.ReplaceAll(string(s.Octets), "{c", "{"+prefix+"c"), "{"+prefix+"port", "{port"))
		out[i] = s
	}
	for _, s := range steps {
		if s.Do == "tunnel" {
			out = append(out, engine.Step{Do: "close", On: name(s.On), May: true})
		}
	}
	return out
}

// report writes the finding, as small as it can be made.
func (c *Campaign) report(ctx context.Context, f *finding) {
	fmt.Fprintf(c.Log, "%s after sequence %d: %s\n", f.kind, f.trial.n, f.kind.words())
	if c.known[f.signature()] > 1 { // one of each is enough to work with
		return
	}
	file := c.file(f, nil)
	if c.Subject.Owned() {
		file = c.smallest(ctx, f, file)
	} else {
		file.Notes = []string{"not replayed: the suite does not start the subject; adit-conform replay --shrink makes it smaller"}
	}
	path := filepath.Join(c.Dir, replay.FileName(strings.TrimPrefix(file.Case, "fuzz/")))
	if err := file.Write(path); err != nil {
		fmt.Fprintf(c.Log, "    no replay file: %v\n", err)
		return
	}
	c.sum.Files = append(c.sum.Files, path)
	for _, note := range file.Notes {
		fmt.Fprintf(c.Log, "    %s: %s\n", path, note)
	}
}

// smallest is the file shrunk; where the sequence alone does nothing, with those before it.
func (c *Campaign) smallest(ctx context.Context, f *finding, file *replay.File) *replay.File {
	for _, k := range []int{0, 4, history} {
		k = min(k, len(f.before))
		if c.Role == engine.Client && k > 0 { // each sequence has a process of its own
			break
		}
		trial := c.file(f, f.before[len(f.before)-k:])
		sh := replay.Shrinker{Subject: c.Subject, Right: c.Right, Limits: c.Shrink}
		small, what, err := sh.Shrink(ctx, trial)
		if err == nil {
			small.Notes = append(small.Notes, what)
			return small
		}
	}
	file.Notes = append(file.Notes, "it did not come again when it was replayed: what happened before may have a part in it")
	return file
}
