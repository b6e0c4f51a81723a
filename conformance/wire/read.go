package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// Read reads one frame. After ErrVersion and ErrLength, of which the frame
// tells the header, the rest of the stream has no meaning. An end of stream between two frames is
// io.EOF, one within a frame io.ErrUnexpectedEOF; part is what came of that frame.
func Read(r io.Reader) (f Frame, part []byte, err error) {
	head := make([]byte, HeaderLen)
	if n, err := io.ReadFull(r, head); err != nil {
		return Frame{}, head[:n], err
	}
	f = parseHeader(head)
	if err := f.Framing(); err != nil {
		return f, nil, err
	}
	f.Payload = make([]byte, f.Size)
	if n, err := io.ReadFull(r, f.Payload); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Frame{}, append(head, f.Payload[:n]...), err
	}
	return f, nil, nil
}

// Split reads the frames that b begins with; rest is what forms no whole frame.
func Split(b []byte) (frames []Frame, rest []byte) {
	r := bytes.NewReader(b)
	for r.Len() > 0 {
		rest = b[len(b)-r.Len():]
		f, _, err := Read(r)
		if err != nil {
			return frames, rest
		}
		frames = append(frames, f)
	}
	return frames, nil
}

// Shown is how many of the octets that a frame carries a Scanner keeps, and text shows.
const Shown = 24

// A Scanner finds the frames of one direction in whatever pieces its octets
// come. It keeps no payload but what a frame says itself, and skips the octets that a
// frame only carries: a receiver may act on Data that is not yet complete.
type Scanner struct {
	part []byte // of a frame whose first octets have not all come
	skip uint32 // octets of payload to pass over
	lost bool
}

// Lost reports whether octets came that are no frame: the rest has no meaning.
func (s *Scanner) Lost() bool { return s.lost }

// Carrying reports whether octets of the last frame are still to come.
func (s *Scanner) Carrying() bool { return s.skip > 0 }

// Begun reports whether some but not all of what says what a frame is has come.
func (s *Scanner) Begun() bool { return len(s.part) > 0 }

// Next goes on with b: it returns what is left of it, and the frame that
// began, if one did. The frame's payload is valid until the next call.
func (s *Scanner) Next(b []byte) (rest []byte, f Frame, ok bool) {
	if s.skip > 0 {
		n := min(uint32(len(b)), s.skip)
		s.skip -= n
		return b[n:], Frame{}, false
	}
	if len(s.part) == 0 && len(b) >= HeaderLen {
		if need := needs(b); len(b) >= need {
			return b[need:], s.begin(b, need), true
		}
	}
	for len(b) > 0 {
		n := min(len(b), needs(s.part)-len(s.part))
		s.part, b = append(s.part, b[:n]...), b[n:]
		if len(s.part) >= HeaderLen && len(s.part) == needs(s.part) {
			f = s.begin(s.part, len(s.part))
			s.part = s.part[:0]
			return b, f, true
		}
	}
	return b, Frame{}, false
}

// begin is the frame that b begins with, of which the first need octets are taken.
func (s *Scanner) begin(b []byte, need int) Frame {
	f := parseHeader(b)
	f.Payload = b[HeaderLen:min(len(b), max(need, HeaderLen+int(min(f.Size, 4+Shown))))]
	s.lost = f.Framing() != nil
	if !s.lost {
		s.skip = f.Size - uint32(need-HeaderLen)
	}
	return f
}

// needs is how many octets a frame that begins with b needs before it can be
// told what it is, as far as b itself can tell.
func needs(b []byte) int {
	if len(b) < HeaderLen {
		return HeaderLen
	}
	s := shapes()[b[1]]
	size := binary.BigEndian.Uint32(b[2:])
	if s == nil || b[0] != Version || size > MaxPayload {
		return HeaderLen
	}
	return HeaderLen + int(min(size, s.prefix))
}
