package engine

import (
	"bytes"
	"slices"
	"testing"
)

func TestCutsKeepTheOctets(t *testing.T) {
	stream := slices.Concat(
		RequestTo(7, "example.org", 80).Bytes(), KeepAlive().Bytes(), Data(7, bytes.Repeat([]byte("x"), 10_000)).Bytes(),
		Close(7).Bytes(), []byte{1, 3, 0, 0}, // and a header that does not end
	)
	for _, c := range []struct {
		cut    Cut
		pieces int
	}{
		{AsWritten, 1},
		{ByOctet, HeaderLen + 4 + 2 + 1 + 11 + HeaderLen + HeaderLen + cutPayload + 1 + HeaderLen + 4 + 4},
		{ByField, 7 + 3 + 5 + 4 + 3},
		{Joined, 1},
	} {
		frames := 0
		var got []byte
		ps := c.cut.pieces(stream, &frames)
		for _, p := range ps {
			if len(p.b) == 0 {
				t.Errorf("%q: an empty piece", c.cut)
			}
			got = append(got, p.b...)
		}
		if !bytes.Equal(got, stream) {
			t.Errorf("%q: %d octets became %d", c.cut, len(stream), len(got))
		}
		if len(ps) != c.pieces {
			t.Errorf("%q: %d pieces, want %d", c.cut, len(ps), c.pieces)
		}
	}
}

func TestCutsSpareFloods(t *testing.T) {
	frames := 0
	for range 1000 {
		ByOctet.pieces(KeepAlive().Bytes(), &frames)
	}
	if got := ByOctet.pieces(KeepAlive().Bytes(), &frames); len(got) != 1 || frames != cutFrames {
		t.Errorf("%d pieces after %d frames; want 1 after %d", len(got), frames, cutFrames)
	}
}

func TestJoinedVerdicts(t *testing.T) {
	for name, c := range map[string]struct {
		written, octets, want Verdict
		charges               bool
	}{
		"both pass":                     {Pass, Pass, Pass, false},
		"pieces make a difference":      {Pass, Fail, Fail, true},
		"the case fails in any way":     {Fail, Fail, Fail, false},
		"fails only as written":         {Fail, Pass, Fail, false},
		"too busy to tell in one way":   {Pass, Inconclusive, Inconclusive, false},
		"left out after a failure":      {NotRun, Fail, Fail, false},
		"the other way was not run":     {Pass, NotRun, Pass, false},
		"a SHOULD and a fault in parts": {PassNonstrict, Fail, Fail, true},
		"could not be started in parts": {Pass, NotTestable, Inconclusive, false},
	} {
		res := join(map[Cut]Result{AsWritten: {Verdict: c.written}, ByOctet: {Verdict: c.octets}})
		charged := slices.ContainsFunc(res.Findings, func(f Finding) bool { return f.Req == "FRAME-006" })
		if res.Verdict != c.want || charged != c.charges {
			t.Errorf("%s: %s, FRAME-006 charged: %v; want %s, %v", name, res.Verdict, charged, c.want, c.charges)
		}
	}
}
