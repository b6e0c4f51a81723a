package main

import (
	"slices"

	"github.com/adit-tunnel/adit/spec"
)

// dialogue makes a vector of one role. Its requirements are those of its
// steps, the one that everything else leads up to first: the last of the last step.
func dialogue(role, id, title, notes string, steps ...[]spec.Step) spec.Vector {
	v := spec.Vector{ID: "dialogue_" + id, Kind: "dialogue", Title: title, Role: role, Notes: notes}
	own := ""
	for _, part := range steps {
		for _, s := range part {
			v.Steps = append(v.Steps, s)
			for _, r := range s.Requirements {
				own = r
				if !slices.Contains(v.Requirements, r) {
					v.Requirements = append(v.Requirements, r)
				}
			}
		}
	}
	return about(own, v)
}

// about puts a requirement of a vector first.
func about(own string, v spec.Vector) spec.Vector {
	rest := slices.DeleteFunc(v.Requirements, func(r string) bool { return r == own })
	v.Requirements = append([]string{own}, rest...)
	return v
}

// faulty says what a dialogue's peer does wrong, what that ends, and which dialogue is without the fault.
func faulty(twin, layer, dies, requirement string, v spec.Vector) spec.Vector {
	v.Twin, v.Error = "dialogue_"+twin, &spec.Failure{Layer: layer, Dies: dies, Requirement: requirement}
	return about(requirement, v)
}

type opt func(*spec.Step)

func req(ids ...string) opt                { return func(s *spec.Step) { s.Requirements = ids } }
func free(fields ...string) opt            { return func(s *spec.Step) { s.Free = fields } }
func within(limit string) opt              { return func(s *spec.Step) { s.Within = limit } }
func on(conn string) opt                   { return func(s *spec.Step) { s.Conn = conn } }
func note(text string) opt                 { return func(s *spec.Step) { s.Note = text } }
func optional() opt                        { return func(s *spec.Step) { s.Optional = true } }
func octets(o spec.Octets) opt             { return func(s *spec.Step) { s.Octets = o } }
func or(other ...msg) opt                  { return func(s *spec.Step) { s.Or = framesOf(other) } }
func event(e string, o ...opt) []spec.Step { return step(spec.Step{Event: e}, o) }

// expect is what the world must see of the subject.
func expect(e string, o ...opt) []spec.Step { return step(spec.Step{Expect: e}, o) }

func fromServer(m msg, o ...opt) []spec.Step {
	return step(spec.Step{From: "server", Octets: m.octets, Frame: m.frame}, o)
}

func fromClient(m msg, o ...opt) []spec.Step {
	return step(spec.Step{From: "client", Octets: m.octets, Frame: m.frame}, o)
}

func step(s spec.Step, opts []opt) []spec.Step {
	for _, o := range opts {
		o(&s)
	}
	return []spec.Step{s}
}

func framesOf(ms []msg) (fs []spec.Decoded) {
	for _, m := range ms {
		fs = append(fs, *m.frame)
	}
	return fs
}

// seq joins steps.
func seq(parts ...[]spec.Step) (steps []spec.Step) {
	for _, p := range parts {
		steps = append(steps, p...)
	}
	return steps
}

// malformed is octets that decode to nothing.
func malformed(o spec.Octets) msg { return msg{octets: o} }

// wholeSession is Appendix A.
func wholeSession() spec.Vector {
	a, b := on("A"), on("B")
	hello, answer := str("hello\n"), str("HELLO\n")
	return dialogue("both", "whole_session", "the session of Appendix A",
		"Frames are those of the hex trace, in its order. Events of the peer's local sockets are already in the frames that it sends.",
		event("visitor connects", a),
		fromServer(addressed(1, 22, "127.0.0.1"), free("id", "form", "host"), within("answer"), req("OPEN-001")),
		expect("service is dialled", a, within("local-effect"), req("OPEN-003")),
		event("service accepts", a),
		fromClient(response(1, 0), within("answer"), req("OPEN-004", "OPEN-005")),
		event("visitor sends", octets(hello), a),
		fromServer(data(1, hello), within("local-effect"), req("DATA-007")),
		expect("service reads", octets(hello), a, within("local-effect"), req("DATA-001")),
		event("service sends", octets(answer), a),
		fromClient(data(1, answer), within("local-effect"), req("DATA-007")),
		expect("visitor reads", octets(answer), a, within("local-effect"), req("DATA-001")),
		fromClient(keepAlive(), within("keepalive-interval"), req("ALIVE-001")),
		fromServer(keepAlive(), within("answer"), req("ALIVE-002")),
		event("visitor connects", b),
		fromServer(short(2, 80), free("id", "form", "host"), within("answer"), req("OPEN-001")),
		expect("service is dialled", b, within("local-effect"), req("OPEN-002", "OPEN-003")),
		event("service refuses", b),
		fromClient(response(2, 2), free("status"), within("dial-timeout"), req("OPEN-006", "OPEN-007")),
		expect("visitor is ended", b, within("local-effect"), req("OPEN-014")),
		event("visitor ends its stream", a),
		fromServer(closing(1), within("local-effect"), req("CLOSE-002")),
		expect("service reads end of stream", a, within("local-effect"), req("CLOSE-003")),
		fromClient(closing(1), within("close-total"), req("CLOSE-001", "CLOSE-004")),
	)
}
