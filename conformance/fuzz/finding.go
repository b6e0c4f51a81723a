package fuzz

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/dialogue"
	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
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

// alive are the steps by which a subject works on a fresh tunnel. A client's
// tunnel is reset first: a frame that was begun on it may keep it waiting for ever.
func alive(role engine.Role) []spec.Step {
	steps := []spec.Step{{Event: "tunnel begins"}}
	if role == engine.Client {
		steps = []spec.Step{
			{Event: "tunnel ends"},
			{Expect: "client dials again", Within: "redial-delay", Requirements: []string{aliveReq(role)}},
			{Event: "tunnel begins"},
		}
	}
	return append(steps, barrier(role, 0)...)
}

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

// againFor is how long a finding is replayed at most: a subject that hangs takes long.
const againFor = time.Minute

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

// file is the sequence as a dialogue, after those before it.
func (c *Campaign) file(f *finding, before []uint64) spec.Vector {
	var steps []spec.Step
	tunnels, beside := 0, 0
	for i, n := range append(slices.Clone(before), f.trial.n) {
		seq := compose(c.Seed, n, c.layout)
		if i > 0 {
			steps = append(steps, spec.Step{Event: "tunnel begins", Optional: true})
		}
		for _, s := range seq.steps {
			if s.Tunnel > 0 {
				s.Tunnel += tunnels
			}
			if s.Event == "tunnel ends" { // a reset destroys what was not read: this time it was
				steps = append(steps, taken(c.Role, s.Tunnel)...)
			}
			steps = append(steps, s)
		}
		beside = tunnels + seq.sentinel
		for range seq.tunnels {
			if tunnels++; i < len(before) {
				steps = append(steps, spec.Step{Event: "tunnel ends", Tunnel: tunnels, Optional: true})
			}
		}
	}
	req, _ := dialogue.Lookup(f.found.Req)
	found := &spec.Found{
		Suite: c.Suite, Set: c.Set, Case: fmt.Sprintf("fuzz/%s/%s-%d", c.Role, f.kind, f.trial.n), Seed: c.Seed,
		Level: req.Level, Clause: req.Text, Sentence: f.found.Sentence, Expected: f.found.Expected, Got: f.found.Got,
		Dies: f.kind == Death, Rule: f.kind == Rule,
	}
	switch f.kind {
	case Harm:
		steps = append(steps, barrier(c.Role, beside)...)
	default:
		steps = append(steps, alive(c.Role)...)
	}
	if f.kind == Memory {
		found.RSS = c.RSS
	}
	return spec.Vector{
		ID: fmt.Sprintf("dialogue_fuzz_%s_%s_%d", c.Role, f.kind, f.trial.n), Kind: "dialogue", Role: string(c.Role), Profile: "core",
		Title:        fmt.Sprintf("sequence %d of seed %d: %s", f.trial.n, c.Seed, f.kind.words()),
		Requirements: []string{req.ID}, Steps: steps, Found: found,
	}
}

// taken are steps that give the subject the time to take what was sent on a tunnel.
func taken(role engine.Role, tunnel int) []spec.Step {
	steps := barrier(role, tunnel)
	for i := range steps {
		steps[i].Optional = true
	}
	steps[1].Within = patience
	return steps
}

// report writes the finding, with as much of what happened before as it takes to come again.
func (c *Campaign) report(ctx context.Context, f *finding) {
	fmt.Fprintf(c.Log, "%s after sequence %d: %s\n", f.kind, f.trial.n, f.kind.words())
	if c.known[f.signature()] > 1 { // one of each is enough to work with
		return
	}
	v := c.file(f, nil)
	v.Notes = "not replayed: the suite does not start the subject"
	if c.Subject.Owned() {
		v = c.again(ctx, f)
	}
	path := filepath.Join(c.Dir, dialogue.FileName(strings.TrimPrefix(v.Found.Case, "fuzz/")))
	if err := dialogue.Write(v, path); err != nil {
		fmt.Fprintf(c.Log, "    no replay file: %v\n", err)
		return
	}
	c.sum.Files = append(c.sum.Files, path)
	fmt.Fprintf(c.Log, "    %s: %s\n", path, v.Notes)
}

// again is the least of a few dialogues that shows the failure once more:
// where the sequence alone does nothing, with those before it.
func (c *Campaign) again(ctx context.Context, f *finding) spec.Vector {
	ctx, cancel := context.WithTimeout(ctx, againFor)
	defer cancel()
	for _, k := range []int{0, 4, history} {
		k = min(k, len(f.before))
		if c.Role == engine.Client && k > 0 { // each sequence has a process of its own
			break
		}
		v := c.file(f, f.before[len(f.before)-k:])
		if o, err := dialogue.Replay(ctx, v, c.Subject, c.Role); err == nil && o.Answer == dialogue.Reproduced {
			v.Notes = fmt.Sprintf("came again, after %d sequences before it", k)
			return v
		}
	}
	v := c.file(f, nil)
	v.Notes = "it did not come again when it was replayed: what happened before may have a part in it"
	return v
}
