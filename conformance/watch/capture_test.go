package watch

import (
	"bytes"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/adit-tunnel/adit/conformance/judge"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// A tape is a capture in the making: one TCP connection, client port 40000, server port 9000.
type tape struct {
	t    *testing.T
	file bytes.Buffer
	w    *pcapgo.Writer
	now  time.Time
	seq  [2]uint32
}

func newTape(t *testing.T) *tape {
	p := &tape{t: t, now: time.Unix(1e9, 0).UTC(), seq: [2]uint32{judge.Server: 1 << 31, judge.Client: 1<<32 - 3}} // sequence numbers wrap
	p.w = pcapgo.NewWriter(&p.file)
	if err := p.w.WriteFileHeader(1<<16, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	return p
}

// packet appends one packet of a side, a millisecond after the one before.
func (p *tape) packet(side judge.Side, tcp layers.TCP, octets []byte) {
	p.t.Helper()
	addrs := [2]net.IP{judge.Server: {192, 0, 2, 1}, judge.Client: {192, 0, 2, 2}}
	ports := [2]layers.TCPPort{judge.Server: 9000, judge.Client: 40000}
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: addrs[side], DstIP: addrs[side.Peer()]}
	tcp.SrcPort, tcp.DstPort, tcp.Window = ports[side], ports[side.Peer()], 1000
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		p.t.Fatal(err)
	}
	eth := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, ip, &tcp, gopacket.Payload(octets)); err != nil {
		p.t.Fatal(err)
	}
	p.now = p.now.Add(time.Millisecond)
	ci := gopacket.CaptureInfo{Timestamp: p.now, Length: len(b.Bytes()), CaptureLength: len(b.Bytes())}
	if err := p.w.WritePacket(ci, b.Bytes()); err != nil {
		p.t.Fatal(err)
	}
}

// begin is the handshake.
func (p *tape) begin() {
	p.packet(judge.Client, layers.TCP{Seq: p.seq[judge.Client], SYN: true}, nil)
	p.packet(judge.Server, layers.TCP{Seq: p.seq[judge.Server], SYN: true, ACK: true, Ack: p.seq[judge.Client] + 1}, nil)
	p.seq[judge.Client]++
	p.seq[judge.Server]++
}

// sends is a segment, and says how to send it again.
func (p *tape) sends(side judge.Side, octets []byte) (again func()) {
	seq := p.seq[side]
	send := func() { p.packet(side, layers.TCP{Seq: seq, ACK: true, Ack: p.seq[side.Peer()]}, octets) }
	send()
	p.seq[side] += uint32(len(octets))
	return send
}

func (p *tape) read() *Report {
	p.t.Helper()
	rep, err := ReadCapture(&p.file, 9000, Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	return rep
}

func TestCapture(t *testing.T) {
	p := newTape(t)
	p.begin()
	request := p.sends(judge.Server, wire.Request(1, 22).Bytes())
	request() // sent twice on the wire
	success := slices.Concat(wire.Response(1, 0).Bytes(), wire.KeepAlive().Bytes())
	p.seq[judge.Client] += 4
	p.sends(judge.Client, success[4:]) // overtakes the octets before it
	p.seq[judge.Client] -= uint32(len(success))
	p.sends(judge.Client, success[:4])
	p.seq[judge.Client] += uint32(len(success) - 4)
	p.sends(judge.Server, slices.Concat(wire.KeepAlive().Bytes(), wire.Close(1).Bytes()))
	p.sends(judge.Client, wire.Close(1).Bytes())
	p.sends(judge.Client, wire.Data(1, []byte("more")).Bytes())
	p.packet(judge.Client, layers.TCP{Seq: p.seq[judge.Client], ACK: true, Ack: p.seq[judge.Server], FIN: true}, nil)
	p.packet(judge.Server, layers.TCP{Seq: p.seq[judge.Server], ACK: true, Ack: p.seq[judge.Client] + 1, FIN: true}, nil)
	rep := p.read()
	if rep.Tunnels != 1 || rep.Connections != 1 || rep.Frames != 7 || len(rep.NotJudged) != 0 {
		t.Errorf("%+v; want 1 tunnel, 1 connection, 7 frames, all judged", rep)
	}
	if len(rep.Violations) != 1 || rep.Violations[0].Side != "client" || rep.Violations[0].Req != "DATA-008" || rep.Violations[0].Number != 4 {
		t.Fatalf("violations %+v; want one: DATA-008 by the client in its fourth frame", rep.Violations)
	}
	if got, want := rep.Violations[0].Octets, "01 03 00 00 00 08 | 00 00 00 01 6d 6f 72 65"; got != want {
		t.Errorf("octets %q; want %q", got, want)
	}
}

func TestCaptureOfSilence(t *testing.T) {
	p := newTape(t)
	p.begin()
	p.now = p.now.Add(30 * time.Second)
	p.sends(judge.Server, wire.Request(1, 22).Bytes())
	rep := p.read()
	if len(rep.Violations) != 1 || rep.Violations[0].Req != "ALIVE-001" {
		t.Errorf("violations %+v; want ALIVE-001", rep.Violations)
	}
}

func TestCaptureWithGaps(t *testing.T) {
	p := newTape(t)
	p.sends(judge.Client, wire.Close(1).Bytes())
	rep := p.read()
	if len(rep.Violations) != 0 || len(rep.NotJudged) != 1 || !strings.Contains(rep.NotJudged[0].Why, "begins after") {
		t.Errorf("a capture that begins late: %+v; want it not judged", rep)
	}

	if _, err := ReadCapture(strings.NewReader("no capture at all, only text"), 9000, Options{}); err == nil {
		t.Error("a file that is no capture was read")
	}
}
