package payload

import (
	"encoding/binary"
	"fmt"
)

// A Service is what the target does with a connection.
type Service byte

// Services of a target.
const (
	Echo     Service = iota // send each packet back once it is complete
	Sink                    // take octets
	Source                  // send packets from Go on, until told to stop
	Exchange                // both at once
)

// Go is the octet behind the preface that lets a target send. So no load
// begins before all connections stand: a tunnel that gives way to one whose
// generator does not read yet could not open the others.
const Go = 'g'

// Waits reports whether a target waits for Go.
func (s Service) Waits() bool { return s == Source || s == Exchange }

// A Preface opens every connection of a generator: it says what the target
// does with it. It is no payload.
//
//	octets 0–7 "adit-ld3" | 8 service | 9 group | 10–11 zero | 12–15 packet size | 16–23 stream | 24–31 seed
type Preface struct {
	Service Service
	Group   byte   // of the scenario, by its place in the list
	Size    int    // octets of a packet
	Stream  uint64 // number of the stream, unlike any other of the run
	Seed    uint64
}

// PrefaceSize is the octets of a Preface.
const PrefaceSize = 32

const magic = "adit-ld3"

// Bytes is the preface as it is sent.
func (p Preface) Bytes() []byte {
	b := append(make([]byte, 0, PrefaceSize), magic...)
	b = append(b, byte(p.Service), p.Group, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(p.Size))
	b = binary.BigEndian.AppendUint64(b, p.Stream)
	return binary.BigEndian.AppendUint64(b, p.Seed)
}

// ParsePreface reads a preface of PrefaceSize octets.
func ParsePreface(b []byte) (Preface, error) {
	p := Preface{
		Service: Service(b[8]), Group: b[9], Size: int(binary.BigEndian.Uint32(b[12:])),
		Stream: binary.BigEndian.Uint64(b[16:]), Seed: binary.BigEndian.Uint64(b[24:]),
	}
	if string(b[:8]) != magic || p.Service > Exchange || p.Size < 1 || p.Size > MaxPacket {
		return Preface{}, fmt.Errorf("no preface of adit-load: % x", b)
	}
	return p, nil
}
