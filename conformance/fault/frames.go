package fault

import (
	"encoding/binary"
	"io"
)

// Types of section 5, and the limits of section 4, as the proxy needs them.
const (
	request   = 0x01
	response  = 0x02
	data      = 0x03
	closing   = 0x04
	keepAlive = 0x05

	reserved = 0x06 // of a later Core
	foreign  = 0x80 // that the suite uses to see unknown types ignored

	headerSize = 6
	maxPayload = 1 << 20
)

// A frame is one frame as the proxy passes it on, right or wrong.
type frame struct {
	version, typ byte
	length       uint32 // announced; the payload is absent when it is above the limit
	payload      []byte
}

func withID(typ byte, id uint32, rest ...byte) frame {
	p := append(binary.BigEndian.AppendUint32(nil, id), rest...)
	return frame{1, typ, uint32(len(p)), p}
}

// regular reports whether more frames can follow in the stream.
func (f frame) regular() bool { return f.version == 1 && f.length <= maxPayload }

// sized reports whether section 6 allows the payload's size.
func (f frame) sized() bool {
	n := len(f.payload)
	switch f.typ {
	case request:
		return n == 6 || n >= 7 && n == 7+int(f.payload[6])
	case response:
		return n == 5
	case data:
		return n >= 4
	case closing:
		return n == 4
	case keepAlive:
		return n == 0
	}
	return true
}

// core reports whether f is a well-formed frame of a Core type with an ID.
func (f frame) core() bool {
	return f.regular() && f.typ >= request && f.typ <= closing && f.sized()
}

func (f frame) id() uint32 {
	if len(f.payload) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(f.payload)
}

func (f frame) rest() []byte { return f.payload[min(4, len(f.payload)):] }

// readFrame reads a frame. Of a stream that ends within one it returns the octets that came, and the error.
func readFrame(r io.Reader) (f frame, part []byte, err error) {
	head := make([]byte, headerSize)
	if n, err := io.ReadFull(r, head); err != nil {
		return frame{}, head[:n], err
	}
	f = frame{version: head[0], typ: head[1], length: binary.BigEndian.Uint32(head[2:])}
	if !f.regular() {
		return f, nil, nil
	}
	f.payload = make([]byte, f.length)
	if n, err := io.ReadFull(r, f.payload); err != nil {
		return frame{}, append(head, f.payload[:n]...), err
	}
	return f, nil, nil
}

func (f frame) bytes() []byte {
	return append(binary.BigEndian.AppendUint32([]byte{f.version, f.typ}, f.length), f.payload...)
}
