package wire

import (
	"bytes"
	"testing"
)

func TestTagged(t *testing.T) {
	for name, tt := range map[string]struct {
		f    Frame
		from string
		ok   bool
	}{
		"a HELLO that states nothing":            {Hello(), "client", true},
		"an unknown tag twice":                   {Hello(TLV{Tag: 0x30}, TLV{Tag: 0x30}), "client", true},
		"a known tag twice":                      {Hello(U32(TagWindow, 1), U32(TagWindow, 1)), "server", false},
		"a tag of another size":                  {Hello(U16(TagWindow, 1)), "client", false},
		"a tag that is the client's alone":       {Hello(TLV{Tag: TagInstance}), "server", true},
		"and of another size":                    {Hello(TLV{Tag: TagInstance}), "client", false},
		"an origin of 18 octets":                 {Open(1, TLV{TagOrigin, make([]byte, 18)}), "server", true},
		"and of 7":                               {Open(1, TLV{TagOrigin, make([]byte, 7)}), "server", false},
		"what is cut in the tag":                 {Raw(TypeOpened, 0, 0, 0, 1, 9), "client", false},
		"a frame that has none":                  {Fin(1), "client", true},
		"OPEN from a client, which nobody knows": {Open(1, U32(TagPort, 1)), "client", true},
	} {
		if err := tt.f.Tagged(tt.from); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefused(t *testing.T) {
	if tag, ok := Open(1, TLV{Tag: 0x7FFF}, TLV{Tag: 0x9001}).Refused("server"); !ok || tag != 0x9001 {
		t.Errorf("refused for %s, %t; want 0x9001", tag, ok)
	}
	if tag, ok := Hello(TLV{Tag: 0x7FFF}).Refused("client"); ok {
		t.Errorf("refused for %s", tag)
	}
}

func TestWith(t *testing.T) {
	f := Open(9, U16(TagPort, 22), Text(TagHost, "h")).With(func(v TLV) TLV {
		if v.Tag == TagPort {
			return U16(TagPort, 80)
		}
		return v
	})
	if want := Open(9, U16(TagPort, 80), Text(TagHost, "h")); !bytes.Equal(f.Bytes(), want.Bytes()) {
		t.Errorf("%s; want %s", f, want)
	}
	bad := Raw(TypeHello, 1)
	if got := bad.With(func(TLV) TLV { return TLV{} }); !bytes.Equal(got.Bytes(), bad.Bytes()) {
		t.Errorf("what has no TLVs became %s", got)
	}
}
