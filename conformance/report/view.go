package report

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

// What follows is the view of a File that its reports share: what they say
// about the run, in which order they show the results, and what explains one.

// A fact is something that a report says, under a name.
type fact struct{ Name, Text string }

// facts are what the run was about, and what kept it from an end.
func (f File) facts() []fact {
	all := []fact{
		{"subject", Clean(f.Subject)},
		{"owner", f.ownerFact()},
		{"suite", f.Suite},
		{"spec", f.Spec},
		{"requirements", fmt.Sprintf("set %s: %s", f.Requirements, f.Coverage)},
		{"run", fmt.Sprintf("%s, took %s, seed %d", f.Started.Format(time.RFC3339), milliseconds(f.TookMS).Round(100*time.Millisecond), f.Seed)},
		{"machine", fmt.Sprintf("%s/%s, %d CPUs, %s; own timers up to %s late", f.Host.OS, f.Host.Arch, f.Host.CPUs, f.Host.Go, f.Host.Worst.Round(time.Millisecond))},
		{"segmentation", segmentation[f.Segmentation]},
		{"not examined", f.notExamined()},
		{"selection", strings.Join(f.Selection, ", ")},
		{"not claimed", strings.Join(f.NotClaimed, ", ")},
	}
	for _, why := range f.Unreachable {
		all = append(all, fact{"unreachable", why})
	}
	all = append(all, fact{"suite error", f.Broken})
	return slices.DeleteFunc(all, func(f fact) bool { return f.Text == "" })
}

// ownerFact says whether what answered was the subject.
func (f File) ownerFact() string {
	text := string(f.Owner)
	if f.Owner == OwnerChecked {
		text += ": what answered was what this run started"
	}
	if f.OwnerWhy != "" {
		text += ": " + Clean(f.OwnerWhy)
	}
	return text
}

// segmentation says what its two values mean.
var segmentation = map[string]string{
	"on":  "on: each case also with its bytes cut in all ways",
	"off": "off: each case once; what shows only when frames come in pieces was not looked for",
}

// roles is the order that reports show.
var roles = []engine.Role{engine.Server, engine.Client, engine.API}

// A requirement is what a report has of one requirement.
type requirement struct {
	ID, Level, Clause string
	Entries           []Entry
}

// requirements groups the entries, in the order of PROTOCOL.md.
func (f File) requirements() []requirement {
	var out []requirement
	at := map[string]int{}
	for _, e := range f.Results {
		i, ok := at[e.ID]
		if !ok {
			i = len(out)
			at[e.ID] = i
			out = append(out, requirement{e.ID, e.Level, e.Clause, nil})
		}
		out[i].Entries = append(out[i].Entries, e)
	}
	for _, r := range out {
		slices.SortStableFunc(r.Entries, func(a, b Entry) int {
			return cmp.Compare(slices.Index(roles, a.Role), slices.Index(roles, b.Role))
		})
	}
	slices.SortStableFunc(out, func(a, b requirement) int { return byPlace(a.ID, b.ID) })
	return out
}

// worst is the verdict that stands for all cases of a role; "" without any.
func (r requirement) worst(role engine.Role) engine.Verdict {
	var v engine.Verdict
	for _, e := range r.Entries {
		if e.Role == role && e.Unscored == "" && gravity(e.Verdict) > gravity(v) {
			v = e.Verdict
		}
	}
	return v
}

// An explanation is everything that a reader needs to find the fault.
type explanation struct {
	Charges []charge
	Remarks []fact
	Blocks  []block
}

// A charge is a requirement that was broken.
type charge struct {
	Req, Level, How string
	Facts           []fact
}

// A block is lines that stand as they are. Those of others may hold anything.
type block struct {
	Name   string
	Lines  []string
	Others bool
}

// aspects are what a finding judges, in words.
var aspects = map[engine.Aspect]string{engine.Message: "by what it sent", engine.Ending: "by how it ended"}

func (e Entry) explanation() (x explanation) {
	for _, f := range e.Findings {
		c := charge{f.Req, f.Level, fmt.Sprintf("%s, %s, at %.3f s", f.Level, aspects[f.Aspect], f.At.Seconds()), nil}
		if f.Oracle {
			c.How += ", seen by a rule that holds in every case"
		}
		clause := ""
		if r, ok := spec.Lookup(f.Req); ok && f.Req != e.ID {
			clause = r.Text
		}
		for _, part := range []fact{{"clause", clause}, {f.Label(), f.Sentence}, {"expected", f.Expected}, {"got", f.Got}} {
			if part.Text != "" {
				c.Facts = append(c.Facts, part)
			}
		}
		x.Charges = append(x.Charges, c)
	}
	for _, n := range e.Notes {
		x.Remarks = append(x.Remarks, fact{"note", n})
	}
	if len(e.Ports) > 0 {
		x.Remarks = append(x.Remarks, fact{"suite at", strings.Join(e.Ports, "  ")})
	}
	if e.Closed != "" {
		x.Remarks = append(x.Remarks, fact{"closed", "the subject ended its last tunnel: " + e.Closed})
	}
	if e.LateMS > 0 {
		late := fmt.Sprintf("the suite's own timers came up to %d ms late", e.LateMS)
		if e.Attempts > 1 {
			late += fmt.Sprintf("; attempt %d, the machine was too busy to judge the others", e.Attempts)
		}
		x.Remarks = append(x.Remarks, fact{"machine", late})
	}
	if len(e.Log) > 0 {
		x.Blocks = append(x.Blocks, block{"the subject's last lines", e.Log, true})
	}
	if len(e.Trace) > 0 {
		x.Blocks = append(x.Blocks, block{"trace", shorten(e.Trace, e.Findings), false})
	}
	return x
}

// traceLines is how many lines of a long trace are shown: its head and its tail.
const traceLines = 120

// around is how many lines before and after what a finding rests on are shown.
const around = 4

// shorten leaves lines of a long trace out: never its head and its tail, nor what a finding rests
// on. That is what stands at its time, what is marked as wrong, and what was said about an ID that it names.
func shorten(trace []string, findings []engine.Finding) []string {
	if len(trace) <= traceLines {
		return trace
	}
	rests := restsOn(findings)
	shown := make([]bool, len(trace))
	for i, line := range trace {
		head, tail := i < traceLines/3, i >= len(trace)-2*traceLines/3
		shown[i] = shown[i] || head || tail
		if rests(line) {
			for k := max(0, i-around); k <= min(len(trace)-1, i+around); k++ {
				shown[k] = true
			}
		}
	}
	var out []string
	for i := 0; i < len(trace); i++ {
		from := i
		for i < len(trace) && !shown[i] {
			i++
		}
		if left := i - from; left > 0 {
			out = append(out, fmt.Sprintf("      ... %d events left out ...", left))
		}
		if i < len(trace) {
			out = append(out, trace[i])
		}
	}
	return out
}

var namedID = regexp.MustCompile(`\b(?:id=|ID )(\d+)\b`)

// restsOn reports of a line of a trace whether one of the findings rests on it.
func restsOn(findings []engine.Finding) func(line string) bool {
	times, ids := map[string]bool{}, map[string]bool{}
	for _, f := range findings {
		times[fmt.Sprintf("%9.3fs", f.At.Seconds())] = true
		for _, m := range namedID.FindAllStringSubmatch(f.Sentence+" "+f.Expected+" "+f.Got, -1) {
			ids[" id="+m[1]] = true
		}
	}
	return func(line string) bool {
		at, _, _ := strings.Cut(line, "s  ")
		if times[at+"s"] || strings.Contains(line, "  <-- ") {
			return true
		}
		i := strings.Index(line, " id=")
		if i < 0 || strings.Contains(line, " Data id=") { // of Data there may be any number
			return false
		}
		id, _, _ := strings.Cut(line[i+1:], " ")
		return ids[" "+id]
	}
}

// Headline is the first thing to say about a result that did not pass.
func Headline(res engine.Result) string { return headline(res.Reason, res.Findings) }

// Headline is the first thing to say about an entry that did not pass.
func (e Entry) Headline() string { return headline(e.Reason, e.Findings) }

func headline(reason string, findings []engine.Finding) string {
	if len(findings) == 0 {
		return reason
	}
	return findings[0].String()
}

func milliseconds(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

// Clean drops what XML and a terminal should not get.
func Clean(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' && c != '\t' || c == 0xFFFE || c == 0xFFFF {
			return '?'
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
}

// notExamined names the classes of the suite that the run said nothing about.
func (f *File) notExamined() string {
	return strings.Join(slices.DeleteFunc([]string{"api", "core-client", "core-server"}, func(name string) bool {
		return len(f.Classes) == 0 || slices.ContainsFunc(f.Classes, func(c Class) bool { return c.Name == name })
	}), ", ")
}
