package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"sync/atomic"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// Protocol is what both ends of an encrypted tunnel have to agree on (TLS-002).
const Protocol = "adit/1"

// TLS is how the suite speaks TLS on the tunnels that the case opens from now on; the case may change it. It begins as a
// conforming peer has it. A client of the suite's takes any certificate: whom it talks to is known.
func (t *T) TLS() *tls.Config { return t.tls }

// encrypt makes the tunnels of the case encrypted ones, as a conforming peer has them.
func (t *T) encrypt() {
	t.tls = &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{Protocol}}
	if t.Case.Role == Client {
		t.tls.Certificates = []tls.Certificate{t.Certificate(Certificate{})}
		t.tls.SessionTicketsDisabled = true
		return
	}
	t.tls.InsecureSkipVerify = true
	t.tls.ClientSessionCache = &ticketCount{t: t}
}

// Certificate is one for the suite to show: a server's to a client subject, a client's to a server subject.
func (t *T) Certificate(how Certificate) tls.Certificate {
	if t.Case.Role == Client {
		return t.run.papers.Server(how, t.At.Tunnel)
	}
	return t.run.papers.Client(how)
}

// ticketCount counts the session tickets of a server, and never has one.
type ticketCount struct {
	t *T
	n int // the recorder's mu guards it
}

// Get implements tls.ClientSessionCache.
func (*ticketCount) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

// Put implements tls.ClientSessionCache.
func (c *ticketCount) Put(_ string, state *tls.ClientSessionState) {
	if state == nil {
		return
	}
	c.t.rec.mu.Lock()
	defer c.t.rec.mu.Unlock()
	c.n++
	c.t.rec.add(Event{Who: "subject", Kind: Note, Text: "issues a session ticket"})
}

// Tickets is how many session tickets the server has issued so far.
func (t *T) Tickets() int {
	t.rec.mu.Lock()
	defer t.rec.mu.Unlock()
	return t.tls.ClientSessionCache.(*ticketCount).n
}

// shake makes an encrypted stream of a connected socket.
func (t *T) shake(conn *net.TCPConn) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(t.ctx, LocalEffect+t.slack)
	defer cancel()
	cfg, c := t.tls.Clone(), (*tls.Conn)(nil)
	if t.Case.Role == Client {
		cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			t.offer = *hello
			return nil, nil
		}
		c = tls.Server(&under{TCPConn: conn}, cfg)
	} else {
		cfg.ServerName, _, _ = net.SplitHostPort(t.At.Tunnel)
		c = tls.Client(&under{TCPConn: conn}, cfg)
	}
	return c, withAlert(c.HandshakeContext(ctx))
}

// under is TCP under TLS. The library reads the end of either as the end of the stream: whether it was TCP's, and close_notify did
// not come, shows here alone.
type under struct {
	*net.TCPConn
	ended atomic.Bool
}

// Read implements net.Conn.
func (u *under) Read(b []byte) (int, error) {
	n, err := u.TCPConn.Read(b)
	if err == io.EOF {
		u.ended.Store(true)
	}
	return n, err
}

// wasCut reports whether a stream that has ended did so without close_notify.
func wasCut(c *tls.Conn) bool { return c != nil && c.NetConn().(*under).ended.Load() }

// mustShake is shake for a tunnel that has to come about; nil where the case's tunnels are not encrypted.
func (t *T) mustShake(conn *net.TCPConn) *tls.Conn {
	if t.tls == nil {
		return nil
	}
	secure, err := t.shake(conn)
	if state := secure.ConnectionState(); err == nil && state.NegotiatedProtocol != Protocol {
		_ = conn.Close()
		t.failed(t.expect("the ALPN protocol is "+Protocol, Message, 0, []Option{For("TLS-002")}), Protocol, fmt.Sprintf("%q", state.NegotiatedProtocol))
	}
	if err != nil {
		_ = conn.Close()
		t.failed(t.expect("the subject makes a TLS handshake with a peer that does everything right", Ending, LocalEffect, nil), "TLS 1.3 with ALPN "+Protocol, err.Error())
	}
	return secure
}

// Offer is the last ClientHello of a client subject.
func (t *T) Offer() tls.ClientHelloInfo { return t.offer }

// withAlert makes err one that wraps a tls.AlertError too, when it is an alert of the peer: the library's own type for
// them is not exported.
func withAlert(err error) error {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" {
		return err
	}
	if code := reflect.ValueOf(op.Err); code.Kind() == reflect.Uint8 {
		return fmt.Errorf("%w%.0w", err, tls.AlertError(code.Uint()))
	}
	return err
}

// NoApplicationProtocol is the alert of that name (TLS-008).
const NoApplicationProtocol tls.AlertError = 120

// ExpectRefused expects that the subject makes no tunnel of the next transport connection: its handshake fails, or the subject ends it
// right behind that, with nothing said but, if hello is true, HELLO. The suite says what a subject that takes the tunnel would answer.
// The alert is 0 when none came. Tunnels that come later are as a conforming peer has them again.
func (t *T) ExpectRefused(sentence string, hello bool, opts ...Option) (alert tls.AlertError) {
	defer t.encrypt()
	x := t.expect(sentence, Ending, Answer, opts)
	conn := t.connection()
	secure, err := t.shake(conn)
	if err != nil {
		_ = conn.Close()
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
			t.failed(x, "an alert, or the end of the stream", "neither within "+brief(LocalEffect))
		}
		t.rec.note("subject", "no TLS handshake: %v", err)
		alert, _ = errors.AsType[tls.AlertError](err)
		return alert
	}
	n := t.adopt(conn, secure, "with TLS, which is not over for both yet")
	if t.Case.Role == Client {
		svc := t.Service()
		n.Send(RequestTo(n.NextID(), svc.Host, svc.Port))
	} else {
		n.Send(KeepAlive())
	}
	said := func() bool { return n.came > 1 || n.came == 1 && !(hello && n.hello != nil) }
	served := func() bool { return t.service != nil && len(t.service.waiting) > 0 }
	t.wait(x.within, func() bool { return n.end != EndNone || n.broken != nil || said() || served() })
	t.rec.mu.Lock()
	end, spoke, dialled := n.end, said() || n.broken != nil, served()
	alert = n.alert
	t.rec.mu.Unlock()
	switch {
	case spoke:
		t.failed(x, "the end of the stream, and no frame before it", "a frame")
	case dialled:
		t.failed(x, "the end of the stream, and no connection to the service", "a connection to the service")
	case end == EndNone:
		t.failed(x, "the end of the stream", "the tunnel is still open after "+brief(x.within))
	}
	return alert
}

// connection is the next transport connection with the subject.
func (t *T) connection() *net.TCPConn {
	if t.Case.Role == Client {
		return t.accept()
	}
	return t.dial()
}

// CutRecord ends the suite's side of the TCP connection in order, inside a record of TLS.
func (n *Tunnel) CutRecord() {
	n.finishBy(func() error {
		_, err := n.conn.Write([]byte{0x17, 3, 3, 0, 64, 1, 2, 3})
		return cmp.Or(err, n.conn.CloseWrite())
	}, "write side shut down inside a record")
}

// CutOff ends the suite's side of the TCP connection in order, without the close_notify with which TLS ends.
func (n *Tunnel) CutOff() { n.finishBy(n.conn.CloseWrite, "write side shut down without close_notify") }

// Notify ends the suite's side of TLS alone: TCP goes on.
func (n *Tunnel) Notify() { n.finishBy(n.tls.CloseWrite, "close_notify") }

// bind works out what the bindings tie proofs to.
func (n *Tunnel) bind(state tls.ConnectionState) {
	if state.Version < tls.VersionTLS13 { // it has none, nor will it last
		return
	}
	copy(n.cb[1][:], sure(state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)))
	if n.t.Case.Role == Client {
		n.cb[2] = sha256.Sum256(n.t.tls.Certificates[0].Certificate[0])
	} else {
		n.cb[2] = sha256.Sum256(state.PeerCertificates[0].Raw)
	}
}

// CB is what a binding ties the proofs of the tunnel to (section 30); nothing for one that there is not.
func (n *Tunnel) CB(binding byte) wire.CB {
	if int(binding) >= len(n.cb) {
		return wire.CB{}
	}
	return n.cb[binding]
}
