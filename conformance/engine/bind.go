package engine

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// publishes reports whether the subject has the option bind in the case.
func (t *T) publishes() bool { return t.Case.With&WithPublish != 0 }

// Bind asks a server for a binding, with the next bind ID of the tunnel.
func (n *Tunnel) Bind(tlvs ...TLV) (id uint32) {
	n.bindID++
	n.BindAs(n.bindID, tlvs...)
	return n.bindID
}

// BindAs is Bind with a bind ID of the case's choice.
func (n *Tunnel) BindAs(id uint32, tlvs ...TLV) {
	n.bindID = max(n.bindID, id)
	n.Send(wire.Bind(id, n.t.greased(tlvs)...))
}

// Unbind gives a binding up.
func (n *Tunnel) Unbind(id uint32) { n.Send(wire.Unbind(id, wire.CodeOK)) }

// ForPort are the TLVs of a BIND for a port, 0 for any, and a service; ForName those for a name.
func ForPort(port uint16, service string) []TLV {
	return []TLV{wire.Text(wire.TagService, service), wire.U16(wire.TagPort, port)}
}

// ForName are the TLVs of a BIND for a name.
func ForName(service string) []TLV { return []TLV{wire.Text(wire.TagService, service)} }

// ExpectBound expects the answer to a BIND, with one of these codes.
func (n *Tunnel) ExpectBound(sentence string, id uint32, codes []wire.Code, opts ...Option) Frame {
	return n.answered(sentence, boundFor(id), codes, append([]Option{Within(BindTimeout)}, opts...))
}

// ExpectUnbound expects the end of a binding, with one of these codes.
func (n *Tunnel) ExpectUnbound(sentence string, id uint32, code wire.Code, opts ...Option) {
	n.answered(sentence, UnbindFor(id), []wire.Code{code}, opts)
}

// answered expects the next frame about a bind ID, and one of these codes in it.
func (n *Tunnel) answered(sentence string, m Matcher, codes []wire.Code, opts []Option) Frame {
	f := n.Expect(sentence, m, opts...)
	for _, c := range codes {
		if f.Code() == c {
			return f
		}
	}
	var want string
	for i, c := range codes {
		if i > 0 {
			want += " or "
		}
		want += fmt.Sprintf("0x%04X", uint16(c))
	}
	n.t.failed(n.t.expect(sentence, Message, Answer, opts), "code "+want, f.String())
	return f
}

// ExpectMoved expects that the bind ID which a binding had ends, and then that a BIND for the same is answered with ok, on one tunnel.
func (n *Tunnel) ExpectMoved(sentence string, old, id uint32, opts ...Option) {
	m := UnbindFor(old)
	m.want, m.like = m.want+", before the BOUND", append(m.like, boundFor(id).like...)
	f := n.Expect(sentence, m, append([]Option{Within(BindTimeout)}, opts...)...)
	if f.Type != TypeUnbind || f.Code() != wire.CodeReplaced {
		n.t.failed(n.t.expect(sentence, Message, 0, opts), fmt.Sprintf("an UNBIND replaced for bind ID %d", old), f.String())
	}
	n.ExpectBound(sentence, id, []wire.Code{wire.CodeOK}, opts...)
}

// Given asks for a port, 0 for any, and returns the bind ID and the port that the server has given.
func (n *Tunnel) Given(port uint16, service string, opts ...Option) (id uint32, given uint16) {
	id = n.Bind(ForPort(port, service)...)
	f := n.ExpectBound("a port that nobody holds is given", id, []wire.Code{wire.CodeOK}, opts...)
	given = uint16(f.TagNumber(wire.TagPort, 0))
	if given == 0 || port != 0 && given != port {
		n.t.failed(n.t.expect("a BOUND ok has the port that was given", Message, 0, append([]Option{For("BIND-013")}, opts...)), fmt.Sprintf("port %d", port), f.String())
	}
	return id, given
}

// BindPort is a port that clients may ask for, and nobody has in this case: the n-th of them.
func (t *T) BindPort(n int) uint16 { return uint16(t.At.BindPorts[0] + n) }

// VisitorAt connects a visitor to a port of a server subject; open is false where none listens there.
func (t *T) VisitorAt(port uint16) (v *Socket, open bool) {
	host, _, err := net.SplitHostPort(t.At.Visitor)
	if err != nil {
		panic("engine: internal error: " + err.Error())
	}
	addr := net.JoinHostPort(host, strconv.Itoa(int(port)))
	who := t.nextLocal("visitor")
	t.rec.note(who, "connects to %s", addr)
	conn, err := t.connect(addr)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		t.rec.note(who, "is refused")
		return nil, false
	case errors.Is(err, syscall.ECONNRESET):
		return t.goneSocket(who), true
	case err != nil:
		t.failed(t.expect("a visitor can connect to port "+strconv.Itoa(int(port)), Ending, 0, nil), "a TCP connection, or its refusal", err.Error())
	}
	return t.newSocket(who, conn, "connected"), true
}

// ExpectVisitor expects that a visitor of a port is served by an OPEN with a service alone, on this tunnel.
func (n *Tunnel) ExpectVisitor(sentence string, port uint16, service string, opts ...Option) *Conn {
	v := n.t.mustVisit(sentence, port, opts)
	return n.serves(sentence, v, service, opts)
}

// mustVisit connects a visitor to a port that has to be open.
func (t *T) mustVisit(sentence string, port uint16, opts []Option) *Socket {
	v, open := t.VisitorAt(port)
	if !open {
		t.failed(t.expect(sentence, Ending, 0, opts), fmt.Sprintf("a visitor is accepted at port %d", port), "its connection is refused")
	}
	return v
}

// serves expects the OPEN of a visitor.
func (n *Tunnel) serves(sentence string, v *Socket, service string, opts []Option) *Conn {
	f := n.Expect(sentence, AnyOpen(), append([]Option{Within(LocalEffect)}, opts...)...)
	got, _ := f.Tag(wire.TagService)
	_, port := f.Tag(wire.TagPort)
	_, host := f.Tag(wire.TagHost)
	if string(got) != service || port || host {
		n.t.failed(n.t.expect(sentence, Message, 0, opts), fmt.Sprintf("an OPEN with service %q, without port and host", service), f.String())
	}
	n.t.begunConns++
	return &Conn{Tun: n, ID: f.ID(), Local: v, Request: f}
}

// ExpectServed is ExpectVisitor, and octets pass.
func (n *Tunnel) ExpectServed(sentence string, port uint16, service string, opts ...Option) *Conn {
	c := n.ExpectVisitor(sentence, port, service, opts...)
	c.accept()
	c.Works(sentence, opts...)
	return c
}

// ExpectShut expects that nobody listens at a port of a server subject any more.
func (t *T) ExpectShut(sentence string, port uint16, opts ...Option) {
	if v, open := t.VisitorAt(port); open {
		t.failed(t.expect(sentence, Ending, 0, opts), fmt.Sprintf("no visitor is accepted at port %d", port), "one was: "+v.Ended().String())
	}
}

// ExpectEndAt expects that a visitor of a port is accepted, and ended at once.
func (t *T) ExpectEndAt(sentence string, port uint16, opts ...Option) {
	t.mustVisit(sentence, port, opts).ExpectEnd(sentence, opts...)
}

// ExpectBind expects a BIND of a client, of a port number or of any.
func (n *Tunnel) ExpectBind(sentence string, opts ...Option) Frame {
	return n.Expect(sentence, AnyBind(), opts...)
}

// OpenService is an OPEN with a service, of a new ID.
func (n *Tunnel) OpenService(service string) (id uint32) {
	id = n.NextID()
	n.Send(wire.Open(id, n.t.greased(ForName(service))...))
	return id
}

// AnyBound matches a BOUND.
func AnyBound() Matcher {
	return Matcher{want: "a BOUND", like: []spec.Decoded{decoded(TypeBound)}, free: []string{"bind", "code", "tlvs"}}
}

// AnyPing matches a PING.
func AnyPing() Matcher {
	return Matcher{want: "a PING", like: []spec.Decoded{decoded(TypePing)}, free: []string{"mark"}}
}

// AnyBind matches a BIND.
func AnyBind() Matcher {
	return Matcher{want: "a BIND", like: []spec.Decoded{decoded(TypeBind)}, free: []string{"bind", "tlvs"}}
}

// boundFor matches a BOUND for a bind ID.
func boundFor(id uint32) Matcher { return ofBinding(TypeBound, "a BOUND", id) }

// UnbindFor matches an UNBIND for a bind ID.
func UnbindFor(id uint32) Matcher { return ofBinding(TypeUnbind, "an UNBIND", id) }

// AnyUnbind matches an UNBIND.
func AnyUnbind() Matcher {
	return Matcher{want: "an UNBIND", like: []spec.Decoded{decoded(TypeUnbind)}, free: []string{"bind", "code"}}
}

func ofBinding(typ Type, what string, id uint32) Matcher {
	d := decoded(typ)
	d.Bind = &id
	return Matcher{want: fmt.Sprintf("%s for bind ID %d", what, id), like: []spec.Decoded{d}, free: []string{"code", "tlvs"}}
}
