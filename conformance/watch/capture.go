package watch

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/gopacket/gopacket/reassembly"

	"github.com/adit-tunnel/adit/conformance/judge"
)

// maxPages bounds what waits for a segment that came out of order, in pages of 1,900 octets.
const maxPages = 1 << 14

// ReadCapture judges the tunnels of a capture, pcap or pcapng, whose server
// has the port. Where it was taken does not matter. A tunnel whose beginning, or an octet of which,
// the capture does not have, is judged no further.
func ReadCapture(r io.Reader, port uint16, o Options) (*Report, error) {
	packets, err := packetsOf(r)
	if err != nil {
		return nil, err
	}
	c := &capture{found: newFindings(o.Verbose), port: port}
	if o.Log != nil {
		c.found.lines = make(chan string, 4096)
		var printer sync.WaitGroup
		printer.Go(func() { c.found.print(o.Log) })
		defer printer.Wait()
		defer close(c.found.lines)
	}
	assembler := reassembly.NewAssembler(reassembly.NewStreamPool(c))
	assembler.MaxBufferedPagesPerConnection, assembler.MaxBufferedPagesTotal = maxPages, 4*maxPages
	link := packets.LinkType()
	for {
		octets, ci, err := packets.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("after %s: %w", c.last.Format(time.RFC3339Nano), err)
		}
		p := gopacket.NewPacket(octets, link, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
		tcp, ok := p.TransportLayer().(*layers.TCP)
		if !ok || uint16(tcp.SrcPort) != port && uint16(tcp.DstPort) != port {
			continue
		}
		c.last = ci.Timestamp
		assembler.AssembleWithContext(p.NetworkLayer().NetworkFlow(), tcp, seen(ci))
	}
	for _, s := range c.streams {
		s.t.tell(func(j *judge.Tunnel) { j.Look(c.last) })
	}
	return c.found.report(), nil
}

// packets are the packets of a capture file.
type packets interface {
	gopacket.PacketDataSource
	LinkType() layers.LinkType
}

// packetsOf tells pcapng, whose files begin with a block of type 0x0A0D0D0A, from pcap.
func packetsOf(r io.Reader) (packets, error) {
	b := bufio.NewReaderSize(r, 1<<16)
	if magic, _ := b.Peek(4); bytes.Equal(magic, []byte{0x0A, 0x0D, 0x0D, 0x0A}) {
		return pcapgo.NewNgReader(b, pcapgo.DefaultNgReaderOptions)
	}
	return pcapgo.NewReader(b)
}

// seen is when and how a packet was captured.
type seen gopacket.CaptureInfo

// GetCaptureInfo makes it what the assembler asks for.
func (s seen) GetCaptureInfo() gopacket.CaptureInfo { return gopacket.CaptureInfo(s) }

// A capture is the factory of the assembler's streams.
type capture struct {
	found   *findings
	port    uint16
	last    time.Time
	streams []*stream // that have not ended
}

// New begins a tunnel with its first packet.
func (c *capture) New(net, _ gopacket.Flow, tcp *layers.TCP, ac reassembly.AssemblerContext) reassembly.Stream {
	s := &stream{first: judge.Client, c: c}
	now := ac.GetCaptureInfo().Timestamp
	client, server := fmt.Sprintf("%s:%d", net.Src(), tcp.SrcPort), fmt.Sprintf("%s:%d", net.Dst(), tcp.DstPort)
	if uint16(tcp.DstPort) != c.port {
		s.first, client, server = judge.Server, server, client
	}
	s.t = c.found.open(client, server, now)
	if !tcp.SYN {
		s.unread("the capture begins after the tunnel")
	}
	c.streams = append(c.streams, s)
	return s
}

// A stream is one TCP connection of the capture.
type stream struct {
	c     *capture
	t     *tunnel
	first judge.Side // who sent the packet that the assembler saw first
	full  [2]bool    // the peer's window is closed to what the side sends
}

func (s *stream) side(dir reassembly.TCPFlowDirection) judge.Side {
	if dir == reassembly.TCPDirClientToServer {
		return s.first
	}
	return s.first.Peer()
}

func (s *stream) unread(why string) {
	s.t.tell(func(j *judge.Tunnel) { j.Unread(why) })
}

// Accept looks at every packet before it is put in order.
func (s *stream) Accept(tcp *layers.TCP, ci gopacket.CaptureInfo, dir reassembly.TCPFlowDirection, next reassembly.Sequence, start *bool, _ reassembly.AssemblerContext) bool {
	side := s.side(dir)
	if next < 0 && !*start {
		s.unread("the capture begins after the tunnel")
		return false
	}
	if ci.Length > ci.CaptureLength {
		s.unread("the capture holds only the first octets of its packets; capture with a snapshot length of 0")
	}
	switch {
	case tcp.RST:
		s.t.tell(func(j *judge.Tunnel) {
			j.End(judge.Server, ci.Timestamp)
			j.End(judge.Client, ci.Timestamp)
		})
	case tcp.Window == 0:
		s.full[side.Peer()] = true
		s.t.tell(func(j *judge.Tunnel) { j.Hold(side.Peer(), ci.Timestamp) })
	case s.full[side.Peer()]:
		s.full[side.Peer()] = false
		s.t.tell(func(j *judge.Tunnel) { j.Release(side.Peer(), ci.Timestamp) })
	}
	return true
}

// ReassembledSG gets what a side sent, in order.
func (s *stream) ReassembledSG(sg reassembly.ScatterGather, ac reassembly.AssemblerContext) {
	dir, _, end, skip := sg.Info()
	side, now := s.side(dir), ac.GetCaptureInfo().Timestamp
	if skip != 0 {
		s.unread("the capture misses octets of it")
	}
	if n, _ := sg.Lengths(); n > 0 {
		s.t.tell(func(j *judge.Tunnel) {
			j.Octets(side, sg.Fetch(n), now)
			if !s.full[side] {
				j.Wrote(side, now, now)
			}
		})
	}
	if end {
		s.t.tell(func(j *judge.Tunnel) { j.End(side, now) })
	}
}

// ReassemblyComplete ends the tunnel.
func (s *stream) ReassemblyComplete(reassembly.AssemblerContext) bool {
	for i, other := range s.c.streams {
		if other == s {
			s.c.streams = append(s.c.streams[:i], s.c.streams[i+1:]...)
			break
		}
	}
	s.c.found.close(s.t, "ended", s.c.last)
	return true
}
