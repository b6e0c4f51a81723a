package engine

import (
	"bytes"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/adit-tunnel/adit/conformance/judge/recording"
	"github.com/adit-tunnel/adit/conformance/watch"
	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// recorded is an exchange as a case records it whose subject has the role.
func recorded(role Role, steps []recording.Step) (events []Event) {
	tunnel, now := 1, time.Duration(0)
	for _, s := range steps {
		now += s.Wait
		if s.Begins {
			tunnel++
		}
		e := Event{At: now, Who: "tunnel " + string(rune('0'+tunnel)), Tunnel: tunnel}
		frames, rest := wire.Split(s.Octets)
		for _, f := range frames {
			e.Kind, e.Frame, e.Bad = Sent, f, nil
			if s.From == string(role) {
				e.Kind, e.Bad = Received, f.Malformed()
			}
			events = append(events, e)
		}
		if len(rest) == 0 {
			continue
		}
		if e.Kind = SentRaw; s.From == string(role) {
			e.Kind = Broken
			e.Frame, _, e.Bad = wire.Read(bytes.NewReader(rest))
		}
		events = append(events, e)
	}
	return events
}

// captured is an exchange as a capture of its packets.
func captured(t *testing.T, steps []recording.Step) *bytes.Buffer {
	t.Helper()
	var file bytes.Buffer
	w := pcapgo.NewWriter(&file)
	if err := w.WriteFileHeader(1<<16, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	now, client := time.Unix(1e9, 0), layers.TCPPort(40000)
	var seq map[string]uint32
	packet := func(from string, tcp layers.TCP, octets []byte) {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: net.IP{192, 0, 2, 1}, DstIP: net.IP{192, 0, 2, 2}}
		tcp.SrcPort, tcp.DstPort = 9000, client
		other := "client"
		if from == "client" {
			ip.SrcIP, ip.DstIP, tcp.SrcPort, tcp.DstPort, other = ip.DstIP, ip.SrcIP, client, 9000, "server"
		}
		tcp.Seq, tcp.Ack, tcp.Window = seq[from], seq[other], 1000
		eth := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}
		b := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, eth, ip, &tcp, gopacket.Payload(octets)); err != nil {
			t.Fatal(err)
		}
		n := len(b.Bytes())
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: now, Length: n, CaptureLength: n}, b.Bytes()); err != nil {
			t.Fatal(err)
		}
		if seq[from] += uint32(len(octets)); tcp.SYN || tcp.FIN {
			seq[from]++
		}
	}
	begin := func() {
		client++
		seq = map[string]uint32{}
		packet("client", layers.TCP{SYN: true}, nil)
		packet("server", layers.TCP{SYN: true, ACK: true}, nil)
	}
	begin()
	for _, s := range steps {
		now = now.Add(s.Wait)
		switch {
		case s.Begins:
			begin()
		case s.From != "":
			packet(s.From, layers.TCP{ACK: true, FIN: s.Octets == nil}, s.Octets)
		}
	}
	return &file
}

// watched is what watch says of an exchange, by side; silence, which is not judged in a case, is left out.
func watched(t *testing.T, steps []recording.Step) map[string][]string {
	t.Helper()
	rep, err := watch.ReadCapture(captured(t, steps), 9000, watch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.NotJudged) > 0 || rep.Tunnels == 0 {
		t.Fatalf("watch reads %d tunnels, not judged: %v", rep.Tunnels, rep.NotJudged)
	}
	all := map[string][]string{}
	for _, v := range rep.Violations {
		if v.Frame != "" && !slices.Contains(all[v.Side], v.Req) {
			all[v.Side] = append(all[v.Side], v.Req)
		}
	}
	return all
}

// A case and watch say the same of the same exchange. Where both sides are at
// fault watch stops judging earlier: what the suite does in a case it does on purpose.
func TestCasesAndWatchAgree(t *testing.T) {
	exchanges := map[string][]recording.Step{}
	for name, text := range recording.Legal {
		exchanges[name] = recording.Parse(t, text, false)
	}
	for _, x := range recording.Illegal {
		exchanges[x.Text] = recording.Parse(t, x.Text, false)
	}
	dialogues := 0
	for v := range spec.Vectors("dialogue") {
		exchanges[v.ID] = recording.Dialogue(v)
		dialogues++
	}
	charged := 0
	for name, steps := range exchanges {
		want := watched(t, steps)
		for _, role := range []Role{Server, Client} {
			peer := map[Role]string{Server: "client", Client: "server"}[role]
			got := map[string]bool{}
			for _, v := range violations(role, recorded(role, steps)) {
				got[v.req] = true
			}
			for _, req := range want[string(role)] {
				charged++
				if !got[req] {
					t.Errorf("%s: watch charges the %s with %s, a case does not", name, role, req)
				}
			}
			if len(got) > len(want[string(role)]) && len(want[peer]) == 0 {
				t.Errorf("%s: a case charges the %s with %s, watch with %s", name, role,
					strings.Join(slices.Sorted(maps.Keys(got)), ", "), strings.Join(want[string(role)], ", "))
			}
		}
	}
	if dialogues < 60 || charged < 50 {
		t.Errorf("%d dialogues, %d charges; something is wrong with them", dialogues, charged)
	}
}
