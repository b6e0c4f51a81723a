package dialogue

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// A Player plays the steps of a dialogue against the subject of a case. Every
// expectation that turns out wrong ends the case, as any other does.
type Player struct {
	t     *engine.T
	steps []spec.Step
	at    int // the step that is played

	tunnels  []*engine.Tunnel
	dialled  *engine.Tunnel // by a client, and no step has begun it yet
	sockets  map[string]*engine.Socket
	services map[string]*engine.Service // that the subject was asked to dial, by the name of the socket
	standing map[bool]*engine.Service   // that refuses (true) or accepts for all who are led to it

	ids   map[uint32]uint32 // as the dialogue has them: as the subject chose them
	lives map[uint32]*life  // by the IDs that the subject chose
}

// A life is what the steps so far say of a connection's ID.
type life struct {
	requested    bool
	ours, theirs bool // Close
	stray        bool // Data was sent for it while it was idle: any number of Closes may come

	extended, opened bool   // by an OPEN; the client has said OPENED
	spent            uint64 // octets of Data that the peer has sent
}

// NewPlayer makes the player of one attempt. A tunnel is up when it begins.
func NewPlayer(t *engine.T, steps []spec.Step) *Player {
	p := &Player{
		t: t, steps: steps, sockets: map[string]*engine.Socket{}, services: map[string]*engine.Service{}, standing: map[bool]*engine.Service{},
		ids: map[uint32]uint32{}, lives: map[uint32]*life{},
	}
	p.tunnels = append(p.tunnels, t.Tunnel())
	if slices.ContainsFunc(steps, func(s spec.Step) bool {
		return p.subject() == engine.Client && s.From == string(engine.Client) && s.Frame != nil && s.Frame.Type == engine.TypeKeepAlive.String()
	}) {
		p.tunnels[0].Mute() // the steps have the answers
	}
	return p
}

// Play plays all steps.
func Play(t *engine.T, steps []spec.Step) {
	for p := NewPlayer(t, steps); p.Next(); {
	}
}

// Do plays further steps, after all others.
func (p *Player) Do(steps []spec.Step) {
	p.steps, p.at = steps, 0
	for p.Next() {
	}
}

// Next plays the next step; it is false when there is none.
func (p *Player) Next() bool {
	for p.at < len(p.steps) && !concerns(p.steps[p.at], p.subject()) {
		p.at++
	}
	if p.at == len(p.steps) {
		return false
	}
	s := p.steps[p.at]
	if s.Optional {
		if !p.t.Try(func() { p.do(s) }) {
			p.missed(s)
		}
	} else {
		p.do(s)
	}
	p.at++
	return true
}

// missed charges an optional step that did not happen with the SHOULD that asks for it, if one does.
func (p *Player) missed(s spec.Step) {
	if len(s.Requirements) == 0 {
		return
	}
	if r, ok := spec.Lookup(s.Requirements[0]); ok && r.Level == "SHOULD" {
		p.t.Charge(r.ID, "%s", p.sentence(s))
	}
}

// At is the step that is played, or that comes next.
func (p *Player) At() int { return p.at }

func (p *Player) subject() engine.Role { return p.t.Case.Role }

// concerns reports whether a step is for a subject of that role.
func concerns(s spec.Step, role engine.Role) bool {
	if s.From != "" {
		return true
	}
	who, _, _ := strings.Cut(s.Event+s.Expect, " ")
	switch strings.TrimSuffix(who, "'s") {
	case "visitor":
		return role == engine.Server
	case "service", "client":
		return role == engine.Client
	}
	return true
}

// do plays one step. What is done to a tunnel or socket that an optional step before could not open is nothing.
func (p *Player) do(s spec.Step) {
	switch {
	case s.Tunnel > len(p.tunnels):
	case p.t.Asks() && s.Frame != nil && s.Frame.Type == engine.TypeHello.String():
		p.shake(s)
	case s.From == string(p.subject()):
		p.expect(s)
	case s.From != "":
		p.send(s)
	case s.Event != "":
		p.event(s)
	default:
		p.see(s)
	}
}

// shake is the HELLO of either side where the subject asks for a key: the suite's stands for both, and the proofs come with it.
func (p *Player) shake(s spec.Step) {
	if s.From == string(p.subject()) {
		return
	}
	frames, _ := wire.Split(s.Octets.Bytes())
	tlvs, _ := frames[0].TLVs()
	p.tunnel(s).Shake(tlvs...)
}

// tunnel is the tunnel of a step.
func (p *Player) tunnel(s spec.Step) *engine.Tunnel {
	if s.Tunnel > 0 && s.Tunnel <= len(p.tunnels) {
		return p.tunnels[s.Tunnel-1]
	}
	return p.tunnels[len(p.tunnels)-1]
}

// limit is how long something lasts by itself, and when an expectation of it has failed.
func limit(name string) (lasts, fails time.Duration, err error) {
	for l := range spec.Limits() {
		switch {
		case l.Name != name:
		case l.Unit != "s":
			return 0, 0, fmt.Errorf("%q is no time", name)
		case name == "answer", name == "local-effect":
			return l.Time(), l.Time(), nil
		default: // a timer, after which the subject acts
			return l.Time(), max(l.Time(), l.MaxTime()) + engine.Answer, nil
		}
	}
	d, err := time.ParseDuration(name)
	if err != nil || d < 0 {
		return 0, 0, fmt.Errorf("%q is neither a limit of section 17 nor a time like 1.5s", name)
	}
	return d, d, nil
}

// within is limit for a step that Check has seen.
func within(s spec.Step) (lasts, fails time.Duration) {
	if s.Within == "" {
		return engine.Answer, engine.Answer
	}
	lasts, fails, err := limit(s.Within)
	if err != nil {
		panic("dialogue: internal error: " + err.Error())
	}
	return lasts, fails
}

// duration is a time that Check has seen; none is 0.
func duration(text string) time.Duration {
	d, _ := time.ParseDuration(text)
	return d
}

// options are the deadline of a step, and who is charged with what.
func (p *Player) options(s spec.Step) []engine.Option {
	_, fails := within(s)
	opts := []engine.Option{engine.Within(fails)}
	if early := duration(s.NotBefore); early > 0 {
		opts = []engine.Option{engine.Between(p.t.Now(), early, fails)}
	}
	return append(opts, engine.For(p.charged(s)))
}

// charged is the requirement that a step breaks: that of the case, if the step is about it.
func (p *Player) charged(s spec.Step) string {
	if len(s.Requirements) == 0 || slices.Contains(s.Requirements, p.t.Case.ID) {
		return p.t.Case.ID
	}
	return s.Requirements[0]
}

// sentence is what a step says, for people.
func (p *Player) sentence(s spec.Step) string {
	return fmt.Sprintf("step %d: %s", p.at+1, Describe(s))
}

// Describe is a step in words.
func Describe(s spec.Step) string {
	text := s.Event + s.Expect
	switch {
	case s.From != "" && s.Frame != nil:
		text = "the " + s.From + " sends " + engine.Describe(*s.Frame, s.Free)
		for _, d := range s.Or {
			text += " or " + engine.Describe(d, s.Free)
		}
	case s.From != "":
		text = "the " + s.From + " sends"
	case s.Expect != "":
		text = "the " + text
	}
	if s.Octets != "" && (s.Frame == nil || s.Frame.Type == engine.TypeData.String()) {
		text += " " + clip(string(s.Octets))
	}
	if s.Times > 1 {
		text += fmt.Sprintf(", %d times", s.Times)
	}
	for _, more := range []struct{ what, is string }{{"at", s.Conn}, {"within", s.Within}, {"not before", s.NotBefore}, {"", s.Note}} {
		if more.is != "" {
			text += " (" + strings.TrimSpace(more.what+" "+more.is) + ")"
		}
	}
	return text
}

// clip shortens a long notation.
func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
