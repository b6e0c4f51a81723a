package replay

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// clone is a file whose steps can be changed.
func (f *File) clone() *File {
	c := *f
	c.Steps = slices.Clone(f.Steps)
	if f.Symptom.Step != nil {
		y := *f.Symptom
		y.Step = new(*f.Symptom.Step)
		c.Symptom = &y
	}
	return &c
}

// without is f without n steps from step i on, and without every later step
// that is about a tunnel, socket or ID that is then not there; nil when the symptom is.
func (f *File) without(i, n int) *File {
	c := f.clone()
	c.Steps = c.Steps[:0:0]
	known := names{}
	for j, s := range f.Steps {
		trial := maps.Clone(known)
		if j >= i && j < i+n || trial.step(f.Role, s) != nil {
			continue
		}
		known = trial
		c.Steps = append(c.Steps, s)
	}
	if c.Check() != nil {
		return nil
	}
	return c
}

// deeds are the steps that do something; the others wait.
func (f *File) deeds() []int {
	var at []int
	for i, s := range f.Steps {
		if i == 0 || !slices.Contains(verbs[s.Do].have, "within") || s.Do == "tunnel" || s.Do == "request" {
			at = append(at, i)
		}
	}
	return at
}

// frames cuts the octets of a send at its frames. It fails where a group of
// the notation belongs to two frames, which no file of the suite has.
func frames(o engine.Notation) ([]engine.Notation, bool) {
	var out []engine.Notation
	var frame []string
	size, want := 0, 0
	for g := range strings.FieldsSeq(string(o)) {
		b, err := engine.Notation(g).Bytes(anyID, 0)
		if err != nil {
			return nil, false
		}
		if size == 0 && len(b) >= engine.HeaderLen && b[0] == engine.Version {
			want = engine.HeaderLen + int(binary.BigEndian.Uint32(b[2:]))
		}
		frame, size = append(frame, g), size+len(b)
		if size == want {
			out = append(out, engine.Notation(strings.Join(frame, " ")))
			frame, size, want = nil, 0, 0
		}
	}
	if frame != nil { // octets that are no whole frame come last
		out = append(out, engine.Notation(strings.Join(frame, " ")))
	}
	return out, true
}

// anyID stands for IDs whose values do not matter.
func anyID(name string) (uint32, bool) {
	n := uint32(0xC0000000)
	for _, c := range []byte(name) {
		n += uint32(c)
	}
	return n, true
}

// lines describes the octets of a send for people.
func lines(o engine.Notation) []string {
	byValue := map[uint32]string{}
	b, err := o.Bytes(func(name string) (uint32, bool) {
		v, _ := anyID(name)
		byValue[v] = name
		return v, true
	}, 0)
	if err != nil {
		return nil
	}
	whole, rest := engine.Split(b)
	var out []string
	for _, f := range whole {
		out = append(out, engine.Line(f, byValue[f.ID()]))
	}
	if len(rest) > 0 {
		out = append(out, fmt.Sprintf("%d octets that are no whole frame", len(rest)))
	}
	return out
}

// withoutFrames is f with n frames from frame i on left out of the send at step k.
func (f *File) withoutFrames(k, i, n int) *File {
	all, ok := frames(f.Steps[k].Octets)
	if !ok {
		return nil
	}
	c, kept := f.clone(), ""
	for j, o := range all {
		if j < i || j >= i+n {
			kept += " " + string(o)
		}
	}
	c.Steps[k].Octets = engine.Notation(strings.TrimSpace(kept))
	c.Steps[k].Frames = lines(c.Steps[k].Octets)
	return c
}

// runs are the groups of the notations that stand for many octets, the longest first.
func (f *File) runs() []string {
	var out []string
	for _, s := range f.Steps {
		for g := range strings.FieldsSeq(string(s.Octets)) {
			if strings.Contains(g, "*") && !slices.Contains(out, g) {
				out = append(out, g)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return times(b) - times(a) })
	return out
}

func times(group string) int {
	_, n, _ := strings.Cut(group, "*")
	v, _ := strconv.Atoi(n)
	return v
}

// shorter is f with n octets wherever it has the group, and lengths that fit.
func (f *File) shorter(group string, n int) *File {
	what, _, _ := strings.Cut(group, "*")
	short := fmt.Sprintf("%s*%d", what, n)
	c := f.clone()
	change := func(s *engine.Step) {
		if !strings.Contains(string(s.Octets), group) {
			return
		}
		if s.Do != "send" {
			s.Octets = swap(s.Octets, group, short)
			return
		}
		all, _ := frames(s.Octets)
		for i, o := range all {
			all[i] = relength(o, swap(o, group, short))
		}
		s.Octets = join(all)
		s.Frames = lines(s.Octets)
	}
	for i := range c.Steps {
		change(&c.Steps[i])
	}
	if c.Symptom.Step != nil {
		change(c.Symptom.Step)
	}
	return c
}

func swap(o engine.Notation, group, by string) engine.Notation {
	gs := strings.Fields(string(o))
	for i, g := range gs {
		if g == group {
			gs[i] = by
		}
	}
	return engine.Notation(strings.Join(gs, " "))
}

func join(all []engine.Notation) engine.Notation {
	var out []string
	for _, o := range all {
		out = append(out, string(o))
	}
	return engine.Notation(strings.Join(out, " "))
}

// relength is the frame now with the length that it needs, if it was right before.
func relength(before, now engine.Notation) engine.Notation {
	was, err1 := before.Bytes(anyID, 0)
	is, err2 := now.Bytes(anyID, 0)
	if err1 != nil || err2 != nil || len(was) < engine.HeaderLen || int(binary.BigEndian.Uint32(was[2:])) != len(was)-engine.HeaderLen {
		return now
	}
	head := hex.EncodeToString(engine.Header(is[0], engine.Type(is[1]), uint32(len(is)-engine.HeaderLen)))
	if len(now) < len(head) || strings.Contains(string(now[:len(head)]), " ") {
		return now
	}
	return engine.Notation(head) + now[len(head):]
}

// Document describes the octets of every send for people.
func (f *File) Document() {
	for i, s := range f.Steps {
		if s.Do == "send" {
			f.Steps[i].Frames = lines(s.Octets)
		}
	}
}
