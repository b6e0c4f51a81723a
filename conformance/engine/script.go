package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Script is what a case did, in the order in which it did it, so that it
// can be repeated without the case. A Runner that records keeps one for each attempt.
type Script struct {
	Cut     Cut
	Host    string // client role: the host of the suite's service; its port is {port}
	Steps   []Step
	Symptom *Symptom // nil: nothing failed
	Trouble string   // why the case cannot be repeated by its steps; empty when it can

	port     uint16
	names    map[key]string // of the connection IDs that the subject chose
	muted    int            // depth of helpers that are one step
	byStep   bool           // the next charge is for the last step
	seen     []Sight        // by the case, since the last step
	taken    string         // the frame that the last step took
	finished bool
}

// A Step is one thing that the suite does or waits for. Do says which; the
// table Verbs of package replay has the fields of each.
type Step struct {
	Do     string   `json:"do"`
	On     string   `json:"on,omitempty"`     // "tunnel 1", "visitor 2", "service 1": names that a step gives
	Socket string   `json:"socket,omitempty"` // of request: the name of its visitor
	ID     string   `json:"id,omitempty"`     // a name like c1, which request gives, or a number
	Frame  string   `json:"frame,omitempty"`  // which frame is waited for: a name of Frames
	Octets Notation `json:"octets,omitempty"`
	Frames []string `json:"frames,omitempty"` // the octets, or what came, for people
	Piece  int      `json:"piece,omitempty"`  // octets of one write; 0: one write
	Pause  Duration `json:"pause,omitempty"`  // between two writes, or on its own
	How    string   `json:"how,omitempty"`
	Count  int      `json:"count,omitempty"`
	Sees   []Sight  `json:"sees,omitempty"`
	Within Duration `json:"within,omitempty"`
	Early  Duration `json:"not_before,omitempty"`
	May    bool     `json:"may,omitempty"` // that it does not happen is as good
	Says   string   `json:"says,omitempty"`
}

// A Sight is what the case saw when it looked.
type Sight struct {
	What  string `json:"what"` // end, frame, received, unsent, keepalives or taken
	Who   string `json:"who,omitempty"`
	Frame string `json:"frame,omitempty"`
	ID    string `json:"id,omitempty"`
	Is    string `json:"is"`
}

// A Symptom is how the failure shows; exactly one field is set.
type Symptom struct {
	Step *Step  `json:"step,omitempty"` // this, done last, fails; of a step see: is seen
	Rule string `json:"rule,omitempty"` // a rule that holds in every case is broken: its requirement
	Dies bool   `json:"dies,omitempty"` // the subject's process ends, or it accepts no tunnel any more
	RSS  int64  `json:"rss_above,omitempty"`
}

// Duration is a time as people write it: 5s.
type Duration time.Duration

// MarshalText writes a duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads a duration, which must not be negative.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no duration, like 5s", b)
	}
	*d = Duration(v)
	return nil
}

// newScript begins the record of one attempt.
func newScript(c Cut) *Script { return &Script{Cut: c, names: map[key]string{}} }

// records reports whether what happens now is to be recorded.
func (s *Script) records() bool { return s != nil && s.muted == 0 && !s.finished }

// did records a step, and its octets. Nothing happens unless the runner records.
func (t *T) did(step Step, octets ...[]byte) {
	s := t.script
	if !s.records() {
		return
	}
	for _, b := range octets {
		step.Octets = Notate(b)
	}
	s.Steps = append(s.Steps, step)
	s.seen, s.taken = nil, ""
}

// awaits records a step that waits, and the octets that it waits for.
func (t *T) awaits(x expectation, step Step, octets ...[]byte) {
	if !t.script.records() {
		return
	}
	step.Says, step.Within = x.sentence, roundly(x.within-t.slack)
	if x.timed {
		step.Early = roundly(x.early - t.Now())
	}
	t.did(step, octets...)
}

func roundly(d time.Duration) Duration { return Duration(max(d, 0).Round(time.Millisecond)) }

// asOne makes all that the calling helper does part of one step.
func (t *T) asOne(x expectation, step Step) func() {
	t.awaits(x, step)
	if t.script == nil {
		return func() {}
	}
	t.script.muted++
	return func() { t.script.muted-- }
}

// nextTunnel is the name of the tunnel that is opened next.
func (t *T) nextTunnel() string { return fmt.Sprintf("tunnel %d", len(t.opened)+1) }

// serves records what the service does from now on.
func (t *T) serves(how string) {
	if t.script != nil {
		t.script.Host, t.script.port = t.service.Host, t.service.Port
		t.did(Step{Do: "service", How: how})
	}
}

// sends records frames for the tunnel, in one write.
func (n *Tunnel) sends(frames ...Frame) {
	if !n.t.script.records() {
		return
	}
	var b []byte
	for _, f := range frames {
		b = append(b, f.Bytes()...)
	}
	n.sendsRaw(b, 0, 0)
}

// sendsRaw records octets for the tunnel.
func (n *Tunnel) sendsRaw(b []byte, piece int, pause time.Duration) {
	if s := n.t.script; s.records() {
		octets, frames := s.notation(n.n, b)
		n.t.did(Step{Do: "send", On: n.who, Octets: octets, Frames: frames, Piece: piece, Pause: roundly(pause)})
	}
}

// notation writes what goes to a tunnel, IDs that the subject chose and the service's port by name.
func (s *Script) notation(tunnel int, b []byte) (Notation, []string) {
	var groups, frames []string
	add := func(b []byte) {
		if len(b) > 0 {
			groups = append(groups, string(Notate(b)))
		}
	}
	whole, rest := Split(b)
	for _, f := range whole {
		name := s.names[key{tunnel, f.ID()}]
		frames = append(frames, Line(f, name))
		add(f.Bytes()[:HeaderLen])
		body := f.Payload
		if name != "" && f.Type.hasID() && len(body) >= 4 {
			groups = append(groups, "{"+name+"}")
			body = body[4:]
		}
		if p := f.Port(); f.Type == TypeConnectRequest && p != 0 && p == s.port {
			add(body[:len(body)-len(f.Payload)+4])
			groups = append(groups, "{port}")
			body = f.Payload[6:]
		}
		add(body)
	}
	if len(rest) > 0 {
		add(rest)
		frames = append(frames, fmt.Sprintf("%d octets that are no whole frame %s", len(rest), clip(rest)))
	}
	return Notation(strings.Join(groups, " ")), frames
}

// Split reads the frames that b begins with; rest is what forms no whole frame.
func Split(b []byte) (frames []Frame, rest []byte) {
	r := &sliceReader{b}
	for len(r.b) > 0 {
		rest = r.b
		f, _, err := readFrame(r)
		if err != nil {
			return frames, rest
		}
		frames = append(frames, f)
	}
	return frames, nil
}

// Line is a frame for people, its ID by name unless that is empty.
func Line(f Frame, name string) string {
	if name == "" || !f.Type.hasID() {
		return f.String()
	}
	return strings.Replace(f.String(), fmt.Sprintf(" id=%d", f.ID()), " id="+name, 1)
}

// idOf is an ID as a script writes it: by name if the subject chose it.
func (n *Tunnel) idOf(id uint32) string {
	if s := n.t.script; s != nil && s.names[key{n.n, id}] != "" {
		return s.names[key{n.n, id}]
	}
	return strconv.FormatUint(uint64(id), 10)
}

// written is the ID of m as a script writes it; empty when it has none.
func (n *Tunnel) written(m Matcher) string {
	if m.id == nil || n.t.script == nil {
		return ""
	}
	return n.idOf(*m.id)
}

// expects records a step that waits for a frame.
func (n *Tunnel) expects(do string, x expectation, m Matcher) {
	n.t.awaits(x, Step{Do: do, On: n.who, Frame: m.name, ID: n.written(m)})
}

// took notes the frame that a step waited for.
func (n *Tunnel) took(f Frame) {
	if s := n.t.script; s.records() {
		s.taken = Line(f, s.names[key{n.n, f.ID()}])
		s.Steps[len(s.Steps)-1].Frames = []string{s.taken}
	}
}

// named notes the ConnectRequest that the step request waited for, and names its ID.
func (n *Tunnel) named(f Frame, visitor string) {
	s := n.t.script
	if s == nil || s.finished || s.muted > 1 {
		return
	}
	name := fmt.Sprintf("c%d", len(s.names)+1)
	s.names[key{n.n, f.ID()}], s.taken = name, Line(f, name)
	step := &s.Steps[len(s.Steps)-1]
	step.ID, step.Socket, step.Frames = name, visitor, []string{s.taken}
}

// saw notes what the case looked at.
func (t *T) saw(what, who string, is any) {
	if t.script.records() {
		t.script.seen = append(t.script.seen, Sight{What: what, Who: who, Is: fmt.Sprint(is)})
	}
}

func (n *Tunnel) peeked(m Matcher, found bool) {
	if s := n.t.script; s.records() {
		s.seen = append(s.seen, Sight{What: "frame", Who: n.who, Frame: m.name, ID: n.written(m), Is: strconv.FormatBool(found)})
	}
}

// looks makes each evaluation of a condition forget what the one before saw.
func (t *T) looks(cond func() bool) func() bool {
	if t.script == nil {
		return cond
	}
	return func() bool {
		t.script.seen = nil
		return cond()
	}
}

// looked records the wait for a condition of the case's own: until it came
// true, or the step otherwise.
func (t *T) looked(ok bool, d time.Duration, otherwise Step) {
	if !t.script.records() {
		return
	}
	step := otherwise
	if ok {
		step = Step{Do: "until", Within: roundly(d), Says: otherwise.Says}
	}
	if step.Do != "pause" {
		step.Sees = slices.Clone(t.script.seen)
	}
	t.did(step)
}

// unscripted says that the case does what no step can.
func (t *T) unscripted(why string) {
	if t.script != nil {
		t.script.Trouble = why
	}
}

// lastStep makes the next charge the failure of the last step.
func (s *Script) lastStep() {
	if s != nil {
		s.byStep = true
	}
}

// fault ends the recording at the first finding that fails the case.
func (s *Script) fault(level, sentence string) {
	if s == nil || level != "MUST" || s.finished {
		return
	}
	s.finished = true
	switch n := len(s.Steps); {
	case s.byStep && n > 0:
		s.Symptom = &Symptom{Step: new(s.Steps[n-1])}
		s.Steps = s.Steps[:n-1]
	case len(s.seen) > 0:
		s.Symptom = &Symptom{Step: &Step{Do: "see", Sees: slices.Clone(s.seen), Says: sentence}}
	case s.taken != "":
		s.Symptom = &Symptom{Step: &Step{Do: "see", Sees: []Sight{{What: "taken", Is: s.taken}}, Says: sentence}}
	default:
		s.Trouble = cmp.Or(s.Trouble, "the case judged it by rules of its own")
	}
}

// settle is called when the case is over: rule is the first rule that was
// broken, died whether the subject did. Death is the clearest symptom; a rule
// is one where the case's own cannot be told.
func (s *Script) settle(rule string, died bool) {
	if s == nil {
		return
	}
	s.finished = true
	switch {
	case died:
		if s.Symptom != nil && s.Symptom.Step != nil && s.Symptom.Step.Do != "see" {
			step := *s.Symptom.Step // it is what gives the subject the time to die
			step.May = true
			s.Steps = append(s.Steps, step)
		}
		s.Symptom, s.Trouble = &Symptom{Dies: true}, ""
	case s.Symptom == nil && rule != "":
		s.Symptom, s.Trouble = &Symptom{Rule: rule}, ""
	}
}

// Try does what may fail: it reports whether it went well, and charges nothing.
func (t *T) Try(do func()) (ok bool) {
	n := len(t.findings)
	defer func() {
		switch v := recover().(type) {
		case nil:
			ok = true
		case stop:
			if v.verdict != "" {
				panic(v)
			}
			t.findings = t.findings[:n]
		default:
			panic(v)
		}
	}()
	do()
	return
}

// SetCut hands the octets of the tunnels that are opened from now on to the network in another way.
func (t *T) SetCut(c Cut) { t.cut = c }

// SetLag makes octets for the tunnels, or for local sockets, that are opened
// from now on leave later, as on a path with that latency.
func (t *T) SetLag(tunnels, locals time.Duration) { t.lags = [2]time.Duration{tunnels, locals} }

// PID is the process ID of a subject that the suite started; 0 for any other.
func (t *T) PID() int {
	if p, ok := t.running.(interface{ PID() int }); ok {
		return p.PID()
	}
	return 0
}

// Frames are the names by which a script waits for frames; those that are
// about a connection are true.
var Frames = map[string]bool{
	"request": false, "response": true, "success": true, "failure": true, "data": true, "any-data": false,
	"close": true, "failure-or-close": true, "keepalive": false, "anything": true,
}

// MatcherFor is the matcher of a name of Frames.
func MatcherFor(name string, id uint32) Matcher {
	switch name {
	case "request":
		return AnyRequest()
	case "response":
		return AnyResponse(id)
	case "success":
		return SuccessFor(id)
	case "failure":
		return FailureFor(id)
	case "data":
		return DataFor(id)
	case "any-data":
		return AnyData()
	case "close":
		return CloseFor(id)
	case "failure-or-close":
		return FailureOrCloseFor(id)
	case "keepalive":
		return AKeepAlive()
	case "anything":
		return AnythingFor(id)
	}
	panic("engine: internal error: no frame is called " + name)
}

// Left reports whether the suite itself has closed or reset the tunnel.
func (n *Tunnel) Left() bool {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	return n.closed
}

// TargetPort is the port of the service of a client subject.
func (t *T) TargetPort() uint16 { return t.newService().Port }
