package wire_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/spec"
	"github.com/adit-tunnel/adit/spec/wire"
)

// decode parses the frame at the front of b and encodes it again.
// rest is what follows the frame.
func decode(b []byte) (again, rest []byte, err error) {
	h, err := wire.ParseHeader(b)
	if err != nil {
		return nil, nil, err
	}
	if err := h.CheckLength(); err != nil {
		return nil, nil, err
	}
	if len(b) < wire.HeaderLen+int(h.Length) {
		return nil, nil, wire.ErrShort
	}
	p, rest := b[wire.HeaderLen:][:h.Length], b[wire.HeaderLen+int(h.Length):]
	again, err = encodeAgain(h.Type, p)
	return again, rest, err
}

// encodeAgain parses a payload and encodes the frame again.
func encodeAgain(typ wire.Type, p []byte) ([]byte, error) {
	switch typ {
	case wire.TypeConnectRequest:
		r, err := wire.ParseConnectRequest(p)
		if err != nil {
			return nil, err
		}
		return wire.AppendConnectRequest(nil, r), nil
	case wire.TypeConnectResponse:
		id, status, err := wire.ParseConnectResponse(p)
		return wire.AppendConnectResponse(nil, id, status), err
	case wire.TypeData:
		id, data, err := wire.ParseData(p)
		return wire.AppendData(nil, id, data), err
	case wire.TypeClose:
		id, err := wire.ParseClose(p)
		return wire.AppendClose(nil, id), err
	}
	return append(wire.AppendHeader(nil, typ, len(p)), p...), nil
}

var images = []struct {
	name  string
	image string
	frame []byte
}{
	{"addressed request", "01 01 00000010 00000001 0016 09 3132372e302e302e31", wire.AppendConnectRequest(nil, wire.ConnectRequest{ID: 1, Port: 22, Host: "127.0.0.1"})},
	{"addressed request, no host", "01 01 00000007 00000001 0016 00", wire.AppendConnectRequest(nil, wire.ConnectRequest{ID: 1, Port: 22})},
	{"short request", "01 01 00000006 ffffffff 0050", wire.AppendConnectRequest(nil, wire.ConnectRequest{ID: 1<<32 - 1, Port: 80, Short: true})},
	{"response", "01 02 00000005 00000002 02", wire.AppendConnectResponse(nil, 2, wire.StatusRefused)},
	{"data", "01 03 00000006 00000003 6869", wire.AppendData(nil, 3, []byte("hi"))},
	{"empty data", "01 03 00000004 00000003", wire.AppendData(nil, 3, nil)},
	{"close", "01 04 00000004 00000004", wire.AppendClose(nil, 4)},
	{"keepalive", "01 05 00000000", wire.AppendKeepAlive(nil)},
}

func TestImages(t *testing.T) {
	for _, c := range images {
		want, err := hex.DecodeString(strings.ReplaceAll(c.image, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(c.frame, want) {
			t.Errorf("%s: encoded %x; want %x", c.name, c.frame, want)
		}
		again, rest, err := decode(want)
		if err != nil || !bytes.Equal(again, want) || len(rest) != 0 {
			t.Errorf("%s: decode(%x) = %x, %x, %v; want itself", c.name, want, again, rest, err)
		}
		for n := range want {
			if _, _, err := decode(want[:n]); err == nil {
				t.Errorf("%s: the first %d bytes decode; every truncation is an error", c.name, n)
			}
		}
	}
}

func TestViolations(t *testing.T) {
	for _, c := range []struct{ image, req string }{
		{"00 05 00000000", "FRAME-002"},
		{"02 05 ffffffff", "FRAME-002"},
		{"47 45 54202f20", "FRAME-002"},
		{"01 03 00100001", "FRAME-004"},
		{"01 05 00100001", "FRAME-004"},
		{"01 80 ffffffff", "FRAME-004"},
		{"01 01 00000005 0000000000", "FRAME-008"},
		{"01 01 00000007 00000001001601", "FRAME-008"},
		{"01 01 00000008 0000000100160061", "FRAME-008"},
		{"01 02 00000004 00000001", "FRAME-008"},
		{"01 02 00000006 000000010000", "FRAME-008"},
		{"01 03 00000003 000000", "FRAME-008"},
		{"01 04 00000003 000000", "FRAME-008"},
		{"01 04 00000005 0000000000", "FRAME-008"},
		{"01 05 00000001 00", "FRAME-008"},
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(c.image, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = decode(b)
		if v, ok := errors.AsType[*wire.Violation](err); !ok || v.Req != c.req || v.Scope != wire.ScopeTunnel {
			t.Errorf("decode(%s) = %v; want a tunnel error of %s", c.image, err, c.req)
		}
	}
}

func TestNoAllocationOnTheDataPath(t *testing.T) {
	data := make([]byte, 1000)
	buf := make([]byte, 0, 2000)
	if n := testing.AllocsPerRun(100, func() {
		buf = wire.AppendData(buf[:0], 7, data)
		wire.PutData(buf[:10], 7, len(data))
		h, err := wire.ParseHeader(buf)
		if err != nil || h.CheckLength() != nil {
			t.Fatal(err)
		}
		if _, _, err := wire.ParseData(buf[wire.HeaderLen:]); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a Data frame there and back allocates %v times; want 0", n)
	}
}

// addSeeds adds the images above and the frames of the vectors that are short.
func addSeeds(f *testing.F) {
	for _, c := range images {
		f.Add(c.frame)
	}
	n := 0
	for v := range spec.Vectors("frame") {
		if b := v.Octets.Bytes(); len(b) < 1000 {
			f.Add(b)
			n++
		}
	}
	if n == 0 {
		f.Fatal("no vectors to start from")
	}
}

// FuzzMalleability: whatever parses encodes to the same bytes again, every
// truncation of it is an error, and what does not parse says which requirement it breaks.
func FuzzMalleability(f *testing.F) {
	addSeeds(f)
	f.Add([]byte("\x01\x03\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		again, rest, err := decode(b)
		if err != nil {
			if _, ok := errors.AsType[*wire.Violation](err); !ok && !errors.Is(err, wire.ErrShort) {
				t.Fatalf("decode(%x) = %v; want a Violation or ErrShort", b, err)
			}
			return
		}
		frame := b[:len(b)-len(rest)]
		if !bytes.Equal(again, frame) {
			t.Fatalf("%x encodes again to %x", frame, again)
		}
		for n := range frame {
			if _, _, err := decode(frame[:n]); err == nil {
				t.Fatalf("the first %d bytes of %x decode", n, frame)
			}
		}
	})
}

// FuzzAllocation: no input, given to any parser, makes it allocate what a payload may have, whatever it announces.
func FuzzAllocation(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		h, err := wire.ParseHeader(b)
		_ = h.CheckLength()
		_, _ = wire.ParseConnectRequest(b)
		_, _, _ = wire.ParseConnectResponse(b)
		_, _, _ = wire.ParseData(b)
		_, _ = wire.ParseClose(b)
		runtime.ReadMemStats(&after)
		if err == nil && h.Length > wire.MaxPayload {
			t.Fatalf("ParseHeader(%x) accepts a length of %d", b, h.Length)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > wire.MaxPayload {
			t.Fatalf("parsing %x allocates %d bytes", b, n)
		}
	})
}

func ExampleParseHeader() {
	b := wire.AppendData(nil, 7, []byte("hello"))
	h, _ := wire.ParseHeader(b)
	id, data, _ := wire.ParseData(b[wire.HeaderLen:][:h.Length])
	fmt.Println(h.Type, h.Length, id, string(data))
	// Output: Data 9 7 hello
}

// OPEN-009.
func TestHostsThatCanBeDialled(t *testing.T) {
	label := strings.Repeat("a", 63)
	for host, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "localhost": true, "db.example.": true, "_sip.a-b.C9": true, "1.2.3": true, "256.1.1.1": true, label: true,
		strings.Join([]string{label, label, label, label[:61]}, "."): true, strings.Join([]string{label, label, label, label[:61]}, ".") + ".": true,
		"": false, ".": false, "a..b": false, "a..": false, ".a": false, "-a": false, "a-": false, "a b": false, "a\n": false, "h\u00f4te": false, "[::1]": false,
		label + "a": false, strings.Join([]string{label, label, label, label[:62]}, "."): false,
	} {
		if got := wire.ValidHost(host); got != want {
			t.Errorf("ValidHost(%q) = %v; want %v", host, got, want)
		}
	}
}
