package engine

const roomSip = 16 << 10 // octets that a local peer reads at a time until the subject has room

// MakeRoom passes a barrier behind Data for a local peer that reads nothing. A subject whose queue is full by
// then pauses, for ever if nobody takes anything (section 12). So where the barrier does not pass, the local peer reads on, a
// little at a time, until it does: the queue is about full then, whatever its size is.
func (n *Tunnel) MakeRoom(local *Socket) {
	const taken = "the subject has taken every frame so far"
	if n.t.Case.Role == Client {
		id := n.UnusedID()
		answer := CloseFor(id)
		n.Send(Data(id, []byte("room")))
		n.drip(local, func() bool { _, ok := n.Peek(answer); return ok })
		n.Expect(taken, answer)
		return
	}
	n.t.rec.mu.Lock()
	n.ownKeepAlive()
	n.t.rec.mu.Unlock()
	passed := func() bool { heard, asked := n.KeepAlives(); return heard >= asked }
	n.drip(local, passed)
	n.t.Until(taken, passed)
}

// drip lets a local peer read a little now and then, until the subject has taken every frame.
func (n *Tunnel) drip(local *Socket, passed func() bool) {
	over := func() bool { return passed() || n.Ended() != EndNone || local.Ended() != EndNone }
	for done := n.t.Meanwhile(Look, over); !done && n.t.ctx.Err() == nil; done = n.t.Meanwhile(Settle, over) {
		local.Sip(roomSip)
	}
}
