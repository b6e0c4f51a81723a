package engine

import (
	"bytes"
	"fmt"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// A Conn is one connection with both of its ends in the suite's hand: the
// tunnel, and the local socket on the far side of the subject. For a server
// subject Local is the visitor, for a client subject the service's end. A
// case written with Open and Conn therefore reads the same for both roles.
type Conn struct {
	Tun     *Tunnel
	ID      uint32
	Local   *Socket // nil until the service was dialled
	Request Frame   // the ConnectRequest or OPEN, sent or received
	Spent   uint64  // octets of Data that the suite sent
}

// Send sends Data for the connection; on an extended one as the credit comes.
func (c *Conn) Send(octets []byte) {
	if c.Extended() {
		c.spend(octets)
		return
	}
	c.Tun.Send(Data(c.ID, octets))
}

// Pour sends the same Data so many times. Its octets are in memory once,
// however far the subject is behind.
func (c *Conn) Pour(octets []byte, times int) {
	f := Data(c.ID, octets)
	b := f.Bytes()
	for range times {
		c.Tun.sendAs(b, f)
	}
}

// Respond sends the ConnectResponse that a client owes.
func (c *Conn) Respond(status byte) { c.Tun.Send(Response(c.ID, status)) }

// accept answers with success, in the connection's own way. Behind OPENED a barrier makes sure that the subject has it.
func (c *Conn) accept() {
	if !c.Extended() {
		c.Respond(Success)
		return
	}
	c.Opened()
	c.Tun.Barrier()
}

// Close sends Close for the connection.
func (c *Conn) Close() { c.Tun.Send(Close(c.ID)) }

// ExpectData expects Data frames whose octets, joined, are want. The deadline is
// that of the next octets: no rule says how fast a large transfer has to be.
func (c *Conn) ExpectData(sentence string, want []byte, opts ...Option) {
	x := c.Tun.t.expect(sentence, Message, LocalEffect, opts).on(c.Tun.who, DataFor(c.ID).step(c.Tun.t.Case.Role))
	x.octets = want
	var got []byte
	var foul string
	right := 0 // of got are as they should be: nothing is compared twice, however small the frames are
	n := c.Tun
	found := n.t.flows(x.within, func() int { return len(got) }, func() bool {
		for i := 0; i < len(n.inbox) && len(got) < len(want); {
			f := n.inbox[i].f
			switch {
			case !f.Type.HasID() || f.ID() != c.ID || f.Type == TypeWindow:
				i++
				continue
			case f.Type != TypeData:
				foul = f.String()
				return true
			}
			got = append(got, f.Octets()...)
			n.inbox = without(n.inbox, i)
		}
		if k := min(len(got), len(want)); bytes.Equal(got[right:k], want[right:k]) {
			right = k
		} else {
			return true
		}
		return len(got) >= len(want) || n.end != EndNone || n.broken != nil
	})
	expected := fmt.Sprintf("Data for ID %d with %d octets %s", c.ID, len(want), wire.Clip(want))
	switch {
	case foul != "":
		n.t.failed(x, expected, fmt.Sprintf("%s after %d octets", foul, len(got)))
	case len(got) > len(want), !bytes.Equal(got, want[:len(got)]):
		i := max(firstDifference(got[:min(len(got), len(want))], want[:min(len(got), len(want))]), 0)
		if len(got) > len(want) && bytes.Equal(got[:len(want)], want) {
			i = len(want)
		}
		n.t.failed(x, expected, fmt.Sprintf("from octet %d: %s", i, wire.Clip(got[i:])))
	case len(got) < len(want):
		n.t.failed(x, expected, fmt.Sprintf("%d octets, then %s", len(got), n.state(found, x)))
	}
	n.t.met(x, n.t.Now())
}

// ExpectClose expects Close for the connection; Data before it is passed over.
func (c *Conn) ExpectClose(sentence string, opts ...Option) {
	c.Tun.Expect(sentence, CloseFor(c.ID), opts...)
}

// ExpectAnswer expects the subject's own Close after the suite's. Not to have it in time breaks CLOSE-004, whatever the case is about.
func (c *Conn) ExpectAnswer(sentence string) {
	c.ExpectClose(sentence, For("CLOSE-004"), Within(OwnClose))
}

// Works expects octets to pass in both directions: the connection is alive.
func (c *Conn) Works(sentence string, opts ...Option) { c.works(sentence, opts, opts) }

func (c *Conn) works(sentence string, down, up []Option) {
	there, back := c.Tun.t.Octets(16), c.Tun.t.Octets(16)
	c.Send(there)
	c.Local.ExpectOctets(sentence+" (from the tunnel)", there, down...)
	c.Local.Write(back)
	c.ExpectData(sentence+" (to the tunnel)", back, up...)
}

// End ends the connection in order from the tunnel's side: Close, the end of
// the local stream, the local close, the subject's Close.
func (c *Conn) End() {
	c.Close()
	c.Local.ExpectEOF("after Close the subject shuts down the write side of the local socket", For("CLOSE-003"))
	c.Local.Close()
	c.ExpectAnswer("the subject answers Close with its own Close")
}
