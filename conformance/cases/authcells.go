package cases

import (
	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// The cells of the tables of section 30.3 are no dialogues, since a proof holds for one tunnel: they are played as they stand.

// authStates are the states that the suite can bring about, by role.
var authStates = map[string]func(*T) *Tunnel{
	"server new": unspoken, "server greeted": greeted, "server up": (*T).Extended,
	"client offered": unspoken, "client greeted": greeted, "client proving": proving, "client up": (*T).Extended,
}

// proving is a tunnel of a client that has sent its proof.
func proving(t *T) *Tunnel {
	n := greeted(t)
	n.Prove(t.Key())
	n.ExpectProof("the client proves itself", t.Key(), For("AUTH-004"))
	return n
}

// authEvents are what the suite can let happen.
var authEvents = map[string]func(*T, *Tunnel){
	"HELLO with auth":                   func(t *T, n *Tunnel) { n.Send(t.Offering(t.Auth(t.Key()))) },
	"HELLO without auth":                func(t *T, n *Tunnel) { n.Send(t.Hello(Greeting{})) },
	"AUTH that is right":                func(t *T, n *Tunnel) { n.Prove(t.Key()) },
	"AUTH that is wrong":                func(t *T, n *Tunnel) { n.Send(wire.Prove(wire.Proof(t.Octets(32)))) },
	"AUTH without octets":               func(_ *T, n *Tunnel) { n.Send(wire.Admit()) },
	"GOAWAY":                            func(_ *T, n *Tunnel) { n.Send(wire.GoAway(wire.CodeGeneral, "")) },
	"another extended or unknown frame": func(_ *T, n *Tunnel) { n.Send(wire.Ping(mark)) },
	"KeepAlive":                         func(_ *T, n *Tunnel) { n.Send(KeepAlive()) },
	"a Core frame": func(t *T, n *Tunnel) {
		if t.Case.Role == Client {
			n.Send(RequestTo(cellID, "127.0.0.1", 22))
		} else {
			n.Send(KeepAlive())
		}
	},
}

// authActions are what the cells promise; "" is the state alone, which what follows shows.
var authActions = map[string]func(c cell, t *T, n *Tunnel){
	"tunnel error": func(c cell, t *T, n *Tunnel) { n.ExpectClosed(c.sentence()) },
	"send HELLO, send the server's proof": func(c cell, t *T, n *Tunnel) {
		n.ExpectHello()
		n.ExpectProof(c.sentence(), t.Key())
		admitted(t, n, "and then the tunnel is "+c.To)
	},
	"send GOAWAY denied, end the tunnel": func(c cell, t *T, n *Tunnel) { denied(t, n, c.sentence()) },
	"send AUTH without octets": func(c cell, t *T, n *Tunnel) {
		n.ExpectAdmitted(c.sentence())
		t.Open().Works("and then the tunnel is up")
	},
	"send the client's proof": func(c cell, t *T, n *Tunnel) {
		n.ExpectProof(c.sentence(), t.Key())
		n.Send(wire.Admit())
		t.Open().Works("and is " + c.To)
	},
	"end the tunnel": func(c cell, t *T, n *Tunnel) {
		if c.event == "AUTH that is wrong" {
			deserted(t, n, c.sentence())
			return
		}
		n.ExpectClosed(c.sentence(), Within(Answer+Answer)) // it may wait as long for its peer's end (AWAY-010)
	},
	"": func(c cell, t *T, n *Tunnel) {
		if c.To == "greeted" {
			admitted(t, n, c.sentence())
			return
		}
		t.Open().Works(c.sentence())
	},
}

// sentence is the cell in words.
func (c cell) sentence() string { return c.event + " in state " + c.State + ": " + c.promise() }

// shaken reports whether the cell is one of section 30.
func (c cell) shaken() bool { return c.profile() == "auth" }

// shake plays a cell of section 30. A client that finds the server's proof wrong stays away for long: the valid neighbour comes first.
func (c cell) shake(t *T) {
	if c.State != "up" {
		twin(t)
	}
	n := authStates[string(c.role)+" "+c.State](t)
	authEvents[c.event](t, n)
	authActions[c.Does()](c, t, n)
}

// playable reports whether shake can play the cell.
func (c cell) playable() bool {
	_, reached := authStates[string(c.role)+" "+c.State]
	return reached && authEvents[c.event] != nil && authActions[c.Does()] != nil
}
