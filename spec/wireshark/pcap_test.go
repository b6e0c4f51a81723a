package wireshark

import (
	"bytes"
	"encoding/binary"
)

// A capture is a file in the classic pcap format, of raw IPv4 packets with TCP segments.
type capture struct {
	buf     bytes.Buffer
	packets uint32
	snap    int // bytes kept of a packet; 0: all
}

// maxSegment is the most bytes of a segment; an IPv4 packet has at most 65,535.
const maxSegment = 60000

func newCapture() *capture {
	c := new(capture)
	for _, v := range []any{
		uint32(0xA1B2C3D4), uint16(2), uint16(4), // microseconds; version 2.4
		uint32(0), uint32(0), uint32(1 << 18), // time zone, accuracy, longest packet
		uint32(101), // LINKTYPE_RAW: packets begin with the IP header
	} {
		c.put(v)
	}
	return c
}

func (c *capture) put(v any) {
	if err := binary.Write(&c.buf, binary.BigEndian, v); err != nil {
		panic("wireshark: internal error: " + err.Error())
	}
}

// A tcp is one TCP connection in a capture, between a client's port and a server's.
type tcp struct {
	c              *capture
	client, server uint16
	seq            map[string]uint32 // the next of each side
}

func (c *capture) connection(client, server uint16) *tcp {
	return &tcp{c, client, server, map[string]uint32{"client": 1000, "server": 5000}}
}

// send adds segments from one side; bytes above maxSegment are split.
func (t *tcp) send(from string, data []byte) {
	for len(data) > 0 {
		n := min(len(data), maxSegment)
		t.segment(from, data[:n])
		data = data[n:]
	}
}

func (t *tcp) segment(from string, data []byte) {
	src, dst, to := t.client, t.server, "server"
	srcIP, dstIP := [4]byte{192, 0, 2, 1}, [4]byte{192, 0, 2, 2}
	if from == "server" {
		src, dst, to = dst, src, "client"
		srcIP, dstIP = dstIP, srcIP
	}
	size := 20 + 20 + len(data)
	c := t.c
	kept := data
	if c.snap > 0 {
		kept = data[:min(len(data), max(0, c.snap-40))]
	}
	c.packets++
	for _, v := range []any{
		c.packets, uint32(0), uint32(40 + len(kept)), uint32(size), // one second after the other
		// IPv4: version and header length, service, size, ID, may not be fragmented, TTL, TCP, checksum, addresses
		uint8(0x45), uint8(0), uint16(size), uint16(c.packets), uint16(0x4000), uint8(64), uint8(6), uint16(0), srcIP, dstIP,
		// TCP: ports, sequence, acknowledgement, header length with PSH and ACK, window, checksum, urgent
		src, dst, t.seq[from], t.seq[to], uint16(0x5018), uint16(65535), uint16(0), uint16(0),
		kept,
	} {
		c.put(v)
	}
	t.seq[from] += uint32(len(data))
}
