package cases

import (
	"bytes"
	"crypto/tls"
	"fmt"

	. "github.com/adit-tunnel/adit/conformance/engine"
)

// Section 31, TLS. A server shows first that it serves who does right; that a client does is shown behind what it refused.
var s31 = append([]Case{
	{
		ID: "TLS-001", Role: Both, With: WithTLS, Title: "a Core connection through TLS 1.3",
		Run: func(t *T) {
			c := t.Open()
			onlyNewVersions(t)
			c.Works("octets pass through an encrypted tunnel")
			c.End()
			c.Tun.ExpectOpen("the tunnel goes on")
		},
	},
	{
		ID: "TLS-001", Variant: "extended", Role: Both, With: WithTLS, OnExtended: true, Title: "an extended connection through TLS 1.3",
		Run: func(t *T) {
			t.Extended()
			c := t.Open()
			c.Works("octets pass through an encrypted extended tunnel")
			c.Tun.ExpectOpen("the tunnel goes on")
		},
	},
	{
		ID: "TLS-001", Variant: "large", Role: Both, With: WithTLS, Title: "a payload of many records",
		Run: func(t *T) {
			c := t.Open()
			octets := t.Octets(300 << 10)
			c.Send(octets)
			c.Local.ExpectOctets("a payload of many TLS records arrives whole", octets)
			c.Local.Write(octets)
			c.ExpectData("octets come back", octets)
		},
	},
	{
		ID: "TLS-001", Variant: "older", Role: Both, With: WithTLS, Uncut: true, Title: "a peer that has nothing newer than TLS 1.2",
		Run: func(t *T) {
			servesFirst(t)
			t.TLS().MinVersion, t.TLS().MaxVersion = 0, tls.VersionTLS12
			t.ExpectRefused("there is no handshake with a peer that has TLS 1.2 alone", false)
			onlyNewVersions(t)
		},
	},
	{
		ID: "TLS-001", Variant: "plain", Role: Server, With: WithTLS, Uncut: true, Title: "a client that does not speak TLS",
		Run: func(t *T) {
			servesFirst(t)
			said := t.Knock(KeepAlive().Bytes()).ExpectGone("a tunnel without TLS is ended where TLS is asked for")
			t.Check(!bytes.HasPrefix(said, KeepAlive().Bytes()), "", "a KeepAlive without TLS was answered where TLS is asked for")
		},
	},
	{
		ID: "TLS-002", Role: Server, With: WithTLS, Title: "a client that offers other protocols beside adit/1",
		Run: func(t *T) {
			t.TLS().NextProtos = []string{"h2", Protocol, "http/1.1"}
			t.Working()
		},
	},
	{
		ID: "TLS-002", Variant: "none", Role: Both, With: WithTLS, Uncut: true, Title: "a peer that has no ALPN",
		Run: func(t *T) {
			servesFirst(t)
			t.TLS().NextProtos = nil
			t.ExpectRefused("there is no handshake with a peer that has no ALPN", false)
		},
	},
	{
		ID: "TLS-002", Variant: "other", Role: Server, With: WithTLS, Uncut: true, Title: "a client that offers other protocols alone",
		Run: func(t *T) {
			servesFirst(t)
			t.TLS().NextProtos = []string{"h2", "http/1.1"}
			t.ExpectRefused("there is no handshake with a client that offers other protocols alone", false)
		},
	},
	{
		ID: "TLS-008", Variant: "none", Role: Server, With: WithTLS, Uncut: true, Title: "the alert to a client that has no ALPN",
		Run: func(t *T) { refusesProtocols(t, nil) },
	},
	{
		ID: "TLS-008", Variant: "other", Role: Server, With: WithTLS, Uncut: true, Title: "the alert to a client that offers other protocols alone",
		Run: func(t *T) { refusesProtocols(t, []string{"h2"}) },
	},
	{
		ID: "TLS-004", Variant: "stranger", Role: Client, With: WithTLS, Uncut: true, Title: "a certificate that another authority vouches for",
		Run: func(t *T) { mistrusts(t, Certificate{Stranger: true, OtherKey: true}) },
	},
	{
		ID: "TLS-004", Variant: "self-made", Role: Client, With: WithTLS, Uncut: true, Title: "a certificate that nobody vouches for",
		Run: func(t *T) { mistrusts(t, Certificate{SelfMade: true, OtherKey: true}) },
	},
	{
		ID: "TLS-004", Variant: "name", Role: Client, With: WithTLS, Uncut: true, Title: "a certificate of the right authority for another name",
		Run: func(t *T) { mistrusts(t, Certificate{Host: "other.example", OtherKey: true}) },
	},
	{
		ID: "TLS-004", Variant: "expired", Role: Client, With: WithTLS, Uncut: true, Title: "a certificate that has expired",
		Run: func(t *T) { mistrusts(t, Certificate{Expired: true, OtherKey: true}) },
	},
	{
		ID: "TLS-004", Variant: "plain", Role: Client, With: WithTLS, Uncut: true, Title: "a server that does not speak TLS",
		Run: func(t *T) {
			for range 2 { // nor at the next attempt, when the client knows
				n := t.Answered()
				first := n.ExpectBegin("a client that was told to speak TLS begins with it")
				t.Check(first == 0x16, "", "a client that was told to speak TLS begins with octet 0x%02x", first)
				n.Write(KeepAlive().Bytes())
				n.ExpectGone("the client ends a tunnel on which the server does not speak TLS")
			}
		},
	},
	{
		ID: "TLS-004", Variant: "pin", Role: Client, With: WithTLS | WithPin, Title: "the pinned key, in a certificate that nobody vouches for",
		Run: func(t *T) {
			t.TLS().Certificates = []tls.Certificate{t.Certificate(Certificate{SelfMade: true})}
			t.Working()
		},
	},
	{
		ID: "TLS-004", Variant: "pin-other", Role: Client, With: WithTLS | WithPin, Uncut: true, Title: "another key than the one that was pinned, in a good certificate",
		Run: func(t *T) { mistrusts(t, Certificate{OtherKey: true}) },
	},
	{
		ID: "TLS-011", Role: Client, With: WithTLS, Wait: RedialDelay, Uncut: true, Title: "a client whose server has a certificate that it does not trust, and then another",
		Run: func(t *T) { returnsAfter(t, func() { mistrusts(t, Certificate{Stranger: true, OtherKey: true}) }) },
	},
	{
		ID: "TLS-011", Variant: "pin", Role: Client, With: WithTLS | WithPin, Wait: RedialDelay, Uncut: true, Title: "a client whose server has another key than the one that was pinned, and then that",
		Run: func(t *T) { returnsAfter(t, func() { mistrusts(t, Certificate{OtherKey: true}) }) },
	},
	{
		ID: "TLS-011", Variant: "handshake", Role: Client, With: WithTLS, Wait: RedialDelay, Uncut: true, Title: "a client whose TLS handshake fails, and then does not",
		Run: func(t *T) {
			returnsAfter(t, func() {
				t.TLS().NextProtos = nil
				t.ExpectRefused("there is no handshake with a server that has no ALPN", false, For("TLS-002"))
			})
		},
	},
	{
		ID: "TLS-005", Role: Server, With: WithTLS | WithClientCert, Title: "a client with a certificate of the authority that the server was told",
		Run: func(t *T) {
			t.TLS().Certificates = []tls.Certificate{t.Certificate(Certificate{})}
			t.Working()
		},
	},
	{
		ID: "TLS-005", Variant: "none", Role: Server, With: WithTLS | WithClientCert, Uncut: true, Title: "a client without a certificate",
		Run: func(t *T) { wantsCertificate(t) },
	},
	{
		ID: "TLS-005", Variant: "stranger", Role: Server, With: WithTLS | WithClientCert, Uncut: true, Title: "a client's certificate of another authority",
		Run: func(t *T) { wantsCertificate(t, t.Certificate(Certificate{Stranger: true, OtherKey: true})) },
	},
	{
		ID: "TLS-005", Variant: "self-made", Role: Server, With: WithTLS | WithClientCert, Uncut: true, Title: "a client's certificate that nobody vouches for",
		Run: func(t *T) { wantsCertificate(t, t.Certificate(Certificate{SelfMade: true, OtherKey: true})) },
	},
	{
		ID: "TLS-009", Role: Server, With: WithTLS | WithClientCert, Uncut: true, Title: "a server that asks for client certificates issues no session tickets",
		Run: func(t *T) {
			t.TLS().Certificates = []tls.Certificate{t.Certificate(Certificate{})}
			t.Working().Tun.Barrier()
			t.Check(t.Tickets() == 0, "", "the server asks for client certificates and issues %d session tickets", t.Tickets())
		},
	},
	{
		ID: "TLS-006", Variant: "cut", Role: Both, With: WithTLS, Title: "the end of the stream without close_notify", Also: []string{"TUN-002", "LOSS-001"},
		Run: func(t *T) { loses(t, (*Tunnel).CutOff) },
	},
	{
		ID: "TLS-006", Variant: "notify", Role: Both, With: WithTLS, Title: "close_notify, and no end of TCP", Also: []string{"TUN-002", "LOSS-001"},
		Run: func(t *T) { loses(t, (*Tunnel).Notify) },
	},
	{
		ID: "TLS-006", Variant: "record", Role: Both, With: WithTLS, Title: "the end of the stream inside a record", Also: []string{"TUN-002", "LOSS-001"},
		Run: func(t *T) { loses(t, (*Tunnel).CutRecord) },
	},
	{
		ID: "TLS-010", Variant: "silent", Role: Server, With: WithTLS, Wait: HandshakeMax, Uncut: true, Title: "a client that says nothing holds no seat for ever",
		Run: func(t *T) { holdsNoSeat(t, nil) },
	},
	{
		ID: "TLS-010", Variant: "half", Role: Server, With: WithTLS, Wait: HandshakeMax, Uncut: true, Title: "half a TLS handshake holds no seat for ever",
		Run: func(t *T) { holdsNoSeat(t, halfHello) },
	},
	{
		ID: "TLS-010", Variant: "kept", Role: Server, With: WithTLS, Needs: NeedManyTunnels | NeedOwn, Uncut: true, Title: "a peer keeps its seat for 2 s, whoever else comes",
		Run: func(t *T) {
			good := t.Working()
			keepsSeats(t)
			good.Works("a tunnel that is up goes on beside strangers")
		},
	},
	{
		ID: "TLS-010", Variant: "strangers", Role: Server, With: WithTLS, Needs: NeedManyTunnels | NeedOwn, Uncut: true, Title: "300 silent peers take no more seats than there are, and keep no client out",
		Run: func(t *T) { shakesBeside(t, 300, true, Seats) },
	},
	{
		ID: "TLS-010", Variant: "address", Role: Server, With: WithTLS, Needs: NeedManyTunnels | NeedOwn, Uncut: true, Title: "silent peers of a client's address take no more seats than it has, and do not keep it out",
		Run: func(t *T) { shakesBeside(t, SeatsAddress+16, false, SeatsAddress) },
	},
}, boundToTLS...)

// halfHello is how a ClientHello begins: a record that announces more than comes.
var halfHello = []byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}

// servesFirst makes sure that a server takes a tunnel on which everything is right. It is then ended.
func servesFirst(t *T) {
	if t.Case.Role == Server {
		t.Dial().ExpectOpen("a tunnel with TLS 1.3 and adit/1 is served")
	}
}

// onlyNewVersions judges what a client subject offers.
func onlyNewVersions(t *T) {
	if t.Case.Role != Client {
		return
	}
	for _, v := range t.Offer().SupportedVersions {
		t.Check(v >= tls.VersionTLS13, "TLS-001", "the client offers %s", tls.VersionName(v))
	}
}

// refusesProtocols expects the alert for a client without adit/1.
func refusesProtocols(t *T, protocols []string) {
	servesFirst(t)
	t.TLS().NextProtos = protocols
	alert := t.ExpectRefused("there is no handshake with a client that does not offer adit/1", false, For("TLS-002"))
	got := "no alert"
	if alert != 0 {
		got = fmt.Sprintf("%v (%d)", alert, uint8(alert))
	}
	t.Check(alert == NoApplicationProtocol, "", "the alert to a client that does not offer adit/1 should be no_application_protocol (120), and is %s", got)
}

// mistrusts expects that a client says nothing but HELLO to a server with such a certificate.
func mistrusts(t *T, how Certificate) {
	t.TLS().Certificates = []tls.Certificate{t.Certificate(how)}
	t.ExpectRefused("the client ends a tunnel to a server that it does not know, and says nothing but HELLO", true)
}

// returnsAfter expects that a client dials again after an attempt on which its check of the server has failed.
func returnsAfter(t *T, fails func()) {
	fails()
	t.Accept(For("TLS-011"))
	t.Open().Works("a connection works once the server is the right one")
}

// wantsCertificate expects that a server which asks for client certificates does not serve a client that has this one; none: has none.
func wantsCertificate(t *T, shown ...tls.Certificate) {
	right := t.Certificate(Certificate{})
	t.TLS().Certificates = []tls.Certificate{right}
	servesFirst(t)
	t.TLS().Certificates = nil
	if len(shown) > 0 { // whatever authorities the server names
		t.TLS().GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown[0], nil }
	}
	t.ExpectRefused("a tunnel without the certificate that the server was told to ask for is not served", false)
	t.TLS().Certificates = []tls.Certificate{right}
}

// loses expects that an end of the stream is the loss of the tunnel.
func loses(t *T, end func(*Tunnel)) {
	c := t.Working()
	end(c.Tun)
	c.Local.ExpectEnd("the local socket is closed when the tunnel's stream ends")
	c.Tun.ExpectClosed("the subject ends its own side of the tunnel as well")
}

// holdsNoSeat expects the end of a transport connection on which these octets come, and no more.
func holdsNoSeat(t *T, octets []byte) {
	good := t.Working()
	begun := t.Now()
	t.Knock(octets).ExpectGone("a tunnel whose TLS handshake does not come about is ended", Between(begun, HandshakeMin, HandshakeMax+Answer))
	good.Works("a tunnel that is up goes on")
}

// shakesBeside expects that strangers who begin no handshake take no more seats than there are, and keep no client out.
func shakesBeside(t *T, n int, apart bool, seats int) {
	good := t.Working()
	crowd := t.Crowd(n, apart, nil)
	t.Until("a server keeps no more strangers than it has seats", func() bool { return crowd.Left() <= seats })
	good.Works("a tunnel that is up goes on beside strangers")
	t.Meanwhile(SeatKept+Settle, func() bool { return false })
	t.Dial().ExpectOpen("a client gets the seat of the oldest stranger")
}
