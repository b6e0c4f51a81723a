package payload

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// A Service is what the target does with a connection.
type Service byte

// Services of a target.
const (
	Echo     Service = iota // answer each packet once it is complete
	Sink                    // take bytes
	Source                  // send packets from Go on, until told to stop
	Exchange                // both at once
	Answer                  // take all until the other side's end, then send as much, and end
)

// Go is the byte behind the preface that lets a target send. So no load
// begins before all connections stand: a tunnel that gives way to one whose
// generator does not read yet could not open the others.
const Go = 'g'

// Waits reports whether a target waits for Go.
func (s Service) Waits() bool { return s == Source || s == Exchange }

// A Preface opens every connection of a generator: it says what the target
// does with it. It is no payload. All between the two can read it; the proof,
// which needs the run's key, keeps them from making one of their own.
//
//	bytes 0–7 "adit-ld4" | 8 service | 9 group | 10–11 pace | 12–15 packet size | 16–23 stream | 24–31 proof
type Preface struct {
	Service Service
	Group   byte   // of the scenario, by its place in the list
	Pace    uint16 // of a Sink: how many PaceUnits it takes a second at most; 0: all that comes
	Size    int    // bytes of a packet
	Stream  uint64 // number of the stream, unlike any other of the run
}

// PaceUnit is bytes a second.
const PaceUnit = 10_000

// PrefaceSize is the bytes of a Preface.
const PrefaceSize = 32

const (
	magic  = "adit-ld4"
	proven = 24 // bytes in front of the proof
)

// Preface is a preface as it is sent.
func (r *Ring) Preface(p Preface) []byte {
	b := append(make([]byte, 0, PrefaceSize), magic...)
	b = append(b, byte(p.Service), p.Group)
	b = binary.BigEndian.AppendUint16(b, p.Pace)
	b = binary.BigEndian.AppendUint32(b, uint32(p.Size))
	b = binary.BigEndian.AppendUint64(b, p.Stream)
	return append(b, r.proof(b)...)
}

// proof shows that whoever wrote b has the key.
func (r *Ring) proof(b []byte) []byte {
	h := hmac.New(sha256.New, []byte(r.Key))
	_, _ = h.Write(b) // never fails
	return h.Sum(nil)[:PrefaceSize-proven]
}

// ErrProof is the error of a preface that somebody without the key wrote.
var ErrProof = errors.New("the preface is not of this run: its proof is another key's")

// ParsePreface reads a preface of PrefaceSize bytes.
func (r *Ring) ParsePreface(b []byte) (Preface, error) {
	p := Preface{
		Service: Service(b[8]), Group: b[9], Pace: binary.BigEndian.Uint16(b[10:]), Size: int(binary.BigEndian.Uint32(b[12:])),
		Stream: binary.BigEndian.Uint64(b[16:]),
	}
	if string(b[:8]) != magic || p.Service > Answer || p.Size < 1 || p.Size > MaxPacket {
		return Preface{}, fmt.Errorf("no preface of adit-load: % x", b)
	}
	if !hmac.Equal(b[proven:PrefaceSize], r.proof(b[:proven])) {
		return Preface{}, ErrProof
	}
	return p, nil
}
