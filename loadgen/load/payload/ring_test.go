package payload

import (
	"bytes"
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

func TestEveryStreamHasItsOwnPayload(t *testing.T) {
	r := NewRing("7")
	seen := map[uint64]bool{}
	for stream := range uint64(1000) {
		for _, d := range []string{Up, Down} {
			seen[r.Start(stream, d)] = true
		}
	}
	if len(seen) < 1990 {
		t.Errorf("2000 streams begin at %d places", len(seen))
	}
	if !bytes.Equal(r.At(5, 0, 100), NewRing("7").At(5, 0, 100)) || bytes.Equal(r.At(5, 0, 100), NewRing("8").At(5, 0, 100)) {
		t.Error("the payload does not follow from the seed")
	}
	if !bytes.Equal(r.At(5, ringSize, 100), r.At(5, 0, 100)) || !bytes.Equal(r.At(0, ringSize-1, 2)[1:], r.At(0, 0, 1)) {
		t.Error("the ring does not close")
	}
}

func TestACheckerNamesTheFirstWrongOctet(t *testing.T) {
	v := NewVerifier(NewRing("1"), "target")
	other := v.Checker(2)
	if f := other.Check(v.At(other.start.Load(), 0, 5000), nil); f != nil {
		t.Fatal(f)
	}
	send := func(c *Checker, from, to int) []byte { return slices.Clone(v.At(c.start.Load(), int64(from), to-from)) }
	for _, tt := range []struct {
		name  string
		spoil func(c *Checker, b []byte) []byte // b is bytes 1000 to 3000
		want  Fault
	}{
		{"one octet has changed", func(_ *Checker, b []byte) []byte { b[500]++; return b }, Fault{Offset: 1500, Kind: Corrupted}},
		{"the last octet has changed", func(_ *Checker, b []byte) []byte { b[1999]++; return b }, Fault{Offset: 2999, Kind: Corrupted}},
		{"100 octets are missing", func(_ *Checker, b []byte) []byte { return append(b[:500], b[600:]...) }, Fault{Offset: 1500, Kind: Lost, Octets: 100}},
		{"200 octets came again", func(_ *Checker, b []byte) []byte { return append(b[:500:500], b[300:]...) }, Fault{Offset: 1500, Kind: Duplicated, Octets: 200}},
		{"another stream's octets", func(_ *Checker, b []byte) []byte { return append(b[:500], send(other, 5000, 6000)...) }, Fault{Offset: 1500, Kind: Crossed, Other: 2}},
		{"another stream's octets, then the right ones", func(_ *Checker, b []byte) []byte { copy(b[500:], send(other, 5000, 5100)); return b }, Fault{Offset: 1500, Kind: Crossed, Other: 2}},
		{"nobody's octets", func(_ *Checker, b []byte) []byte { return append(b[:500], bytes.Repeat([]byte("x"), 100)...) }, Fault{Offset: 1500, Kind: Corrupted}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := v.Checker(1)
			defer v.Done(c)
			if f := c.Check(send(c, 0, 1000), nil); f != nil {
				t.Fatalf("right octets: %v", f)
			}
			tt.want.Stream, tt.want.Direction, tt.want.Seen = 1, Up, "target"
			b := tt.spoil(c, send(c, 1000, 3000))
			f := c.Check(b, nil)
			for f != nil && tt.want.Kind != Corrupted && f.Offset != tt.want.Offset { // the next byte may be right by chance
				tt.want.Offset++
			}
			if f == nil || *f != tt.want || c.off.Load() != tt.want.Offset {
				t.Errorf("check = %+v, offset %d; want %+v", f, c.off.Load(), tt.want)
			}
		})
	}
}

// rest is a connection on which some bytes are still to come.
type rest struct {
	net.Conn
	io.Reader
}

func (r rest) Read(b []byte) (int, error)      { return r.Reader.Read(b) }
func (r rest) SetReadDeadline(time.Time) error { return nil }

// A stream that has ended can still lend its bytes to another one, and a fault
// may begin with the last bytes of what was read.
func TestACheckerKnowsTheOctetsOfStreamsThatHaveEnded(t *testing.T) {
	v := NewVerifier(NewRing("1"), "target")
	begun := func(stream uint64) *Checker {
		c := v.Checker(stream)
		if f := c.Check(v.At(c.start.Load(), 0, 1000), nil); f != nil {
			t.Fatal(f)
		}
		return c
	}
	old := begun(1)
	v.Done(old)
	theirs := v.At(old.start.Load(), 1000, 100)
	crossed := func(stream, other uint64, whole int) {
		t.Helper()
		c := begun(stream)
		f := c.Check(theirs[:whole], rest{Reader: bytes.NewReader(theirs[whole:])})
		if f == nil || f.Kind != Crossed || f.Other != other || f.Offset < 1000 || f.Offset > 1002 {
			t.Errorf("stream %d: %v; want it crossed with %d at 1000", stream, f, other)
		}
		v.Done(c)
	}
	crossed(2, 1, 100)
	crossed(3, 1, 5) // eleven bytes are still to come
	for stream := range uint64(remembered) {
		v.Done(v.Checker(8*stream + 4)) // of another loop
	}
	crossed(5, 0, 100)
}
