package fault

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/adit-tunnel/adit/conformance/cases"
	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/report"
	"github.com/adit-tunnel/adit/spec"
)

// Options say how to check the suite.
type Options struct {
	Conform string   // adit-conform; empty: the running program
	Subject string   // subject file of a good subject, checked through the proxy; empty: the scripted peer
	Only    []string // mutants or requirements, like FRAME-004 or FRAME-004/server; empty: all
	Full    bool     // run every case against every mutant and liar, and certify each unusual choice
	Slow    bool     // run cases that wait for timers over 60 s, too
	AllCuts bool     // run each case with its octets cut in all ways, too
	Jobs    int      // mutants at a time; 0: defaultJobs
	Seed    uint64   // of every run

	Progress io.Writer // shows what goes on; nil: nothing
	Terminal bool      // Progress is a terminal: a bar instead of silence
}

// defaultJobs is how many mutants are tried at a time. Most of a trial is
// waiting: sixteen of them use half of two cores.
const defaultJobs = 16

// liarJobs is how many liars are tried at a time, beside the mutants: each keeps
// sixteen subjects running, and what a subject costs grows with their number.
const liarJobs = 4

// liarParts is into how many parts the suite is divided for the liars: without Full each meets one, and each part two
// liars of a role or more. What a liar earns is a share, which a part shows as well.
const liarParts = 3

// oddJobs is how many unusual choices are tried at a time: each is a run of the
// whole suite on several instances, and must not be judged on a starved machine.
const oddJobs = 2

// liarsEarn is the share of the suite that a liar must stay below.
const liarsEarn = 0.10

// A source makes subject files.
type source interface {
	file(role engine.Role, mutant string, ports [2]int) string // "" for the role: all roles
	mutants() []Mutant
	liars() []Liar
}

// SelfCheck certifies the peer without a mutant, each mutant and each liar,
// and returns what became of them. Ctx ends it early, with an error.
func SelfCheck(ctx context.Context, o Options) (Matrix, error) {
	if err := o.find(); err != nil {
		return Matrix{}, err
	}
	var s source = own{o.Conform, ""}
	if o.Subject != "" {
		var err error
		if s, err = newForeign(o.Conform, o.Subject); err != nil {
			return Matrix{}, err
		}
	}
	todo := longestFirst(slices.DeleteFunc(s.mutants(), func(m Mutant) bool { return !o.wants(m) }))
	liars, odds := s.liars(), o.odds()
	if len(o.Only) > 0 {
		liars = nil
	}
	if len(todo)+len(odds) == 0 {
		return Matrix{}, fmt.Errorf("no mutant of %s is selected; adit-conform fault mutants lists them", strings.Join(o.Only, ", "))
	}
	m := Matrix{Subject: cmp.Or(o.Subject, ownPeer), Started: time.Now(), Seed: o.Seed, Full: o.Full}
	show := o.show(len(todo) + len(liars) + len(odds) + 1)
	defer show.done()

	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	var (
		twin  report.File // what the suite says of the peer without a mutant
		unmet error       // why it said nothing
	)
	m.Trials, m.Liars, m.Odds = make([]Trial, len(todo)), make([]Lie, len(liars)), make([]Odd, len(odds))
	var choices, lies, tasks []func() // what takes longest comes first
	for i, name := range odds {
		choices = append(choices, func() {
			m.Odds[i] = o.spare(ctx, name, apiPorts(len(todo)+1+i))
			show.step(name, m.Odds[i].OK())
		})
	}
	if len(todo) > 0 {
		tasks = append(tasks, func() {
			twin, unmet = o.certify(ctx, o.baseline(s, todo))
			show.step("baseline", unmet == nil && twin.ExitCode == report.ExitCertified)
		})
	}
	for i, liar := range liars {
		lies = append(lies, func() {
			m.Liars[i] = o.expose(ctx, s, liar, o.part(liar.Role, i))
			show.step(liar.Name+"/"+string(liar.Role), m.Liars[i].OK())
		})
	}
	for i, mutant := range todo {
		tasks = append(tasks, func() {
			m.Trials[i] = o.try(ctx, s, mutant, apiPorts(i))
			show.step(mutant.ID(), m.Trials[i].OK())
		})
	}
	each(choices, min(o.Jobs, oddJobs))
	var liarsDone sync.WaitGroup
	liarsDone.Go(func() { each(lies, min(o.Jobs, liarJobs)) })
	each(tasks, o.Jobs)
	liarsDone.Wait()
	if len(todo) > 0 {
		first := twin
		if unmet != nil || twin.ExitCode != report.ExitCertified {
			if twin, unmet = o.again(ctx, o.baseline(s, todo), first); unmet != nil {
				giveUp(fmt.Errorf("the peer without a mutant could not be certified: %w", unmet))
			}
		}
		m.baseline(twin, first)
	}
	for i, t := range m.Trials {
		if !t.OK() && ctx.Err() == nil { // once more, alone
			m.Trials[i] = o.try(ctx, s, todo[i], apiPorts(i))
		}
		m.Trials[i].compare(todo[i], twin)
	}
	for i, l := range m.Liars {
		if !l.OK() && ctx.Err() == nil {
			m.Liars[i] = o.expose(ctx, s, liars[i], o.part(l.Role, i))
		}
	}
	if o.Subject == "" && len(o.Only) == 0 {
		m.Missing, m.Idle = Uncovered(), m.idle(twin)
		if !o.Full { // which liars meet a case is chance: the others meet those that are left
			var lies []func()
			for i, liar := range liars {
				met := o.part(liar.Role, i)
				ids := slices.DeleteFunc(requirementsOf(m.Idle, liar.Role), func(id string) bool { return slices.Contains(met, id) })
				if len(ids) > 0 {
					lies = append(lies, func() { m.Liars[i].failed = append(m.Liars[i].failed, o.expose(ctx, s, liar, ids).failed...) })
				}
			}
			each(lies, o.Jobs)
			m.Idle = m.idle(twin)
		}
	}
	m.Took = time.Since(m.Started)
	return m, context.Cause(ctx)
}

// find fills in the program and what has a default.
func (o *Options) find() error {
	if o.Conform == "" {
		var err error
		if o.Conform, err = os.Executable(); err != nil {
			return err
		}
	}
	if o.Subject != "" {
		var err error
		if o.Subject, err = filepath.Abs(o.Subject); err != nil {
			return err
		}
	}
	o.Jobs = cmp.Or(o.Jobs, defaultJobs)
	return nil
}

func (o Options) wants(m Mutant) bool {
	if m.Req == "" {
		return false // a liar
	}
	return len(o.Only) == 0 || slices.ContainsFunc(o.Only, func(s string) bool {
		return strings.EqualFold(s, m.Name) || strings.EqualFold(s, m.Req) || strings.EqualFold(s, m.ID()) ||
			strings.EqualFold(s, m.Req+"/"+string(m.Role))
	})
}

// longestFirst puts the mutants whose cases wait longest for timers first: at the end they would keep an idle machine waiting.
func longestFirst(mutants []Mutant) []Mutant {
	waits := map[string]time.Duration{}
	for _, c := range cases.All(cases.Lookup) {
		if c.Wait <= engine.SlowWait {
			key := c.ID + "/" + string(c.Role)
			waits[key] = max(waits[key], c.Wait)
		}
	}
	slices.SortStableFunc(mutants, func(a, b Mutant) int {
		return cmp.Compare(waits[b.Req+"/"+string(b.Role)], waits[a.Req+"/"+string(a.Role)])
	})
	return mutants
}

// baseline is the run of the peer without a mutant: everything, or what is selected.
func (o Options) baseline(s source, todo []Mutant) run {
	ports := apiPorts(len(todo))
	r := run{subject: s.file("", "", ports), jobs: 4, ports: ports}
	if len(o.Only) > 0 && !o.Full {
		for _, m := range todo {
			r.ids = append(r.ids, m.Req+"/"+string(m.Role))
		}
	}
	return r
}

// again runs what did not pass beside all the others once more, alone. The report names it: a case that fails a conforming
// peer on a busy machine is a fault of the suite, though not one that keeps it from telling a mutant.
func (o Options) again(ctx context.Context, r run, first report.File) (report.File, error) {
	for _, e := range first.Results {
		if id := e.ID + "/" + string(e.Role); unpassed(e) && !slices.Contains(r.ids, id) {
			r.ids = append(r.ids, id)
		}
	}
	later, err := o.certify(ctx, r)
	return first.With(later), err
}

// apiPorts keeps the control APIs of trials at the same time apart.
func apiPorts(i int) [2]int { return [2]int{10_500 + 30*i, 10_500 + 30*i + 29} }

// each does the tasks, in their order, so many at a time.
func each(tasks []func(), jobs int) {
	next := make(chan func(), len(tasks))
	for _, task := range tasks {
		next <- task
	}
	close(next)
	var wg sync.WaitGroup
	for range jobs {
		wg.Go(func() {
			for task := range next {
				task()
			}
		})
	}
	wg.Wait()
}

// A Lie is what a liar earned.
type Lie struct {
	Liar   string        `json:"liar"`
	Role   engine.Role   `json:"role"`
	Does   string        `json:"does"`
	Passed int           `json:"passed"`
	Scored int           `json:"scored"`
	Cases  []string      `json:"passed_cases,omitempty"`
	failed []string      // the cases that it did not pass
	Detail string        `json:"detail,omitempty"`
	Took   time.Duration `json:"took_ns"`
}

// OK reports whether the liar was found out.
func (l Lie) OK() bool { return l.Detail == "" && l.Scored > 0 && l.Share() < liarsEarn }

// fault says what is wrong with a liar that was not found out.
func (l Lie) fault() string {
	if l.Detail != "" {
		return fmt.Sprintf("a liar could not be judged: %s/%s: %s", l.Liar, l.Role, l.Detail)
	}
	return fmt.Sprintf("a liar earns too much: %s/%s passes %d of %d: %s", l.Liar, l.Role, l.Passed, l.Scored, strings.Join(l.Cases, ", "))
}

// Share is what the liar passed of what was scored.
func (l Lie) Share() float64 { return float64(l.Passed) / float64(max(l.Scored, 1)) }

// part is the requirements that the liar with that number meets; nil: all.
func (o Options) part(role engine.Role, liar int) (ids []string) {
	if o.Full {
		return nil
	}
	var names []string
	for _, c := range cases.All(cases.Lookup) {
		if c.Role == role {
			names = append(names, c.Name())
		}
	}
	for n, id := range requirementsOf(names, role) {
		if n%liarParts == liar%liarParts {
			ids = append(ids, id)
		}
	}
	return ids
}

// requirementsOf are the requirements, with the role, of the cases that have it, each once.
func requirementsOf(names []string, role engine.Role) (ids []string) {
	for _, name := range names {
		part := strings.SplitN(name, "/", 3)
		if id := part[0] + "/" + part[1]; part[1] == string(role) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// expose runs the cases of some requirements against a liar; nil: the whole suite.
func (o Options) expose(ctx context.Context, s source, l Liar, ids []string) Lie {
	begun := time.Now()
	out := Lie{Liar: l.Name, Role: l.Role, Does: l.Does}
	res, err := o.certify(ctx, run{subject: s.file(l.Role, l.Name, [2]int{}), ids: ids, jobs: 16})
	switch {
	case err != nil:
		out.Detail = err.Error()
	case len(res.Unreachable) > 0:
		out.Detail = strings.Join(res.Unreachable, "; ")
	}
	for _, e := range res.Results {
		if e.Verdict.Scored() {
			out.Scored++
		}
		if failed(e) || e.Verdict == engine.Inconclusive { // on a busy machine, which sixteen liars make: it did not pass
			out.failed = append(out.failed, e.Case)
		}
		if e.Verdict == engine.Pass || e.Verdict == engine.PassNonstrict {
			out.Passed++
			out.Cases = append(out.Cases, e.Case)
		}
	}
	out.Took = time.Since(begun)
	return out
}

// Uncovered is every MUST, by ID and role, that has neither a mutant nor a reason.
func Uncovered() []string {
	var out []string
	for r := range spec.Requirements() {
		for _, role := range rolesOf(r) {
			key := r.ID + "/" + string(role)
			_, excused := Reasons[r.ID]
			_, excusedHere := Reasons[key]
			has := slices.ContainsFunc(Mutants(), func(m Mutant) bool { return m.Req == r.ID && m.Role == role })
			if r.Level == "MUST" && !has && !excused && !excusedHere {
				out = append(out, key)
			}
		}
	}
	return out
}

func rolesOf(r spec.Requirement) []engine.Role {
	switch {
	case r.Profile == "api":
		return []engine.Role{API}
	case r.Role == "both":
		return []engine.Role{Server, Client}
	}
	return []engine.Role{engine.Role(r.Role)}
}

// ownPeer is the scripted peer's name in subject files and reports.
const ownPeer = "adit-fault"

// own makes subject files of the scripted peer.
type own struct{ program, odd string } // odd: of peer.Odds

func (own) mutants() []Mutant { return Mutants() }
func (own) liars() []Liar     { return Liars() }

func (s own) file(role engine.Role, mutant string, ports [2]int) string {
	flag := ""
	if mutant != "" {
		flag = " --mutant " + mutant
	}
	if s.odd != "" {
		flag += " --odd " + s.odd
	}
	var b strings.Builder
	const (
		memory = 16 << 20                         // as little as is allowed, so that a case can fill it
		quick  = "env: {HOST_PROC: /nonexistent}" // a library of the program lists all processes when it starts, which takes longer than all else
	)
	flag += fmt.Sprintf(" --extended --drain 30s --memory %d", memory)
	fmt.Fprintf(&b, "name: %s\ncapabilities: [ext, auth, tls, bind, drain SIGTERM, tunnel-memory %d]\n%s\n%s", ownPeer, memory, quick, keys(role))
	b.WriteString(encrypted(role))
	if role != Client {
		fmt.Fprintf(&b, "server:\n  command: %s\n  ready: {tcp: \"{tunnel}\", within: 30s}\n", yamlString(
			words(s.program)+" fault server --tunnel {tunnel} --visitor {visitor} --target {target}"+apiFlags(role, ports)+flag))
	}
	if role == "" || role == API {
		b.WriteString("api: auto\n")
	}
	if role == "" || role == Client {
		fmt.Fprintf(&b, "client:\n  command: %s\n", yamlString(words(s.program)+" fault client --server {tunnel}"+flag))
	}
	return b.String()
}

// encrypted says how the peer is started for the options of sections 31 and 32.
func encrypted(role engine.Role) string {
	options := map[string]map[engine.Role]string{
		"tls":             {Server: "--cert {cert} --cert-key {cert.key}", Client: "--ca {ca}"},
		"tls_pin":         {Client: "--pin {pin}"},
		"tls_key":         {Server: "--keys {keys} --cert {cert} --cert-key {cert.key}", Client: "--key-file {key.file} --tls"},
		"publish":         {Server: "--keys {keys} --bind {bind.first}-{bind.last}", Client: "--key-file {key.file} --publish 10022={target} --publish 0={target}"},
		"tls_client_cert": {Server: "--cert {cert} --cert-key {cert.key} --client-ca {client.ca}"},
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(options)) {
		var roles []string
		for _, one := range []engine.Role{Server, Client} {
			if args := options[name][one]; args != "" && (role == "" || role == one || role == API && one == Server) {
				roles = append(roles, fmt.Sprintf("%s: %s", one, yamlString(args)))
			}
		}
		if len(roles) > 0 {
			fmt.Fprintf(&b, "%s: {%s}\n", name, strings.Join(roles, ", "))
		}
	}
	return b.String()
}

func apiFlags(role engine.Role, ports [2]int) string {
	if role != "" && role != API {
		return ""
	}
	return fmt.Sprintf(" --api {api} --store {dir}/mappings.json --ports %d-%d", ports[0], ports[1])
}

// keys says how the roles of a subject file ask for a key.
func keys(role engine.Role) string {
	var how []string
	if role != Client {
		how = append(how, "server: \"--keys {keys}\"")
	}
	if role == "" || role == Client {
		how = append(how, "client: \"--key-file {key.file}\"")
	}
	return "key: {" + strings.Join(how, ", ") + "}\n"
}

// words quotes one word of a command line.
func words(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// yamlString quotes a YAML string.
func yamlString(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// A display shows what goes on: a bar on a terminal, nothing in a pipe.
type display struct {
	bars *mpb.Progress
	bar  *mpb.Bar
}

func (o Options) show(total int) *display {
	if o.Progress == nil || !o.Terminal {
		return &display{}
	}
	bars := mpb.New(mpb.WithOutput(o.Progress), mpb.WithWidth(40))
	return &display{bars, bars.AddBar(int64(total),
		mpb.PrependDecorators(decor.CountersNoUnit("%d / %d mutants and liars")),
		mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO)),
		mpb.BarRemoveOnComplete(),
	)}
}

func (d *display) step(name string, ok bool) {
	if d.bars == nil {
		return
	}
	if !ok {
		_, _ = fmt.Fprintln(d.bars, "not as it should be: "+name)
	}
	d.bar.Increment()
}

func (d *display) done() {
	if d.bars != nil {
		d.bar.SetTotal(-1, true)
		d.bars.Wait()
	}
}

// why is what a result says of its verdict, in a line.
func why(e report.Entry) string {
	text := e.Reason
	if len(e.Findings) > 0 {
		text = e.Findings[0].Req + " " + e.Findings[0].String()
	}
	if text == "" {
		return ""
	}
	first, _, _ := strings.Cut(text, "\n")
	return "(" + first + ")"
}

// baselineFailures names the cases that the peer without a mutant does not pass.
func baselineFailures(f report.File) []string {
	var out []string
	for _, e := range f.Results {
		if unpassed(e) {
			out = append(out, strings.TrimSpace(e.Case+" "+string(e.Verdict)+" "+why(e)))
		}
	}
	return out
}
