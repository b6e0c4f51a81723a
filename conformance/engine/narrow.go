package engine

import "net"

// Narrow makes the local sockets that the case opens from now on take almost
// nothing while they are held: small segments and a small receive buffer keep
// the kernels on both sides from holding more than about 120 KB. What is sent
// beyond that waits in the subject.
func (t *T) Narrow() {
	t.rec.did("suite", 0, "local sockets take little", "local sockets take little from here on")
	t.narrow = true
	if t.Case.Role != Client {
		return
	}
	if err := narrowListener(t.target.(*net.TCPListener)); err != nil { // what is accepted inherits it
		t.Inconclusive("no local socket that takes little could be made here: %v", err)
	}
}
