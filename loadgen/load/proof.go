package load

import "github.com/adit-tunnel/adit/loadgen/load/payload"

// A Tally is streams that ended in order, as one end of them has it. Both ends'
// are the same; else somebody between them made something up. So thousands of
// short streams are compared one by one without a list of them.
type Tally struct {
	Streams int64  `json:"streams"` // that carried anything
	Up      int64  `json:"up"`      // bytes
	Down    int64  `json:"down"`
	Digest  uint64 `json:"digest"` // of each stream's number and bytes, in any order
	Cut     int64  `json:"cut"`    // streams that ended with a reset; here the ends may differ
}

// Add counts a stream. One that carried nothing may never have got to the other end.
func (t *Tally) Add(stream uint64, up, down int64, reset bool) {
	if up == 0 && down == 0 {
		return
	}
	cut := int64(0)
	if reset {
		cut = 1
	}
	mix := uint64(0)
	for _, v := range []uint64{stream, uint64(up), uint64(down)} {
		mix = (mix ^ v) * 0x9e3779b97f4a7c15
		mix ^= mix >> 29
	}
	t.Join(Tally{1, up, down, mix, cut})
}

// Join adds the streams of another tally.
func (t *Tally) Join(o Tally) {
	t.Streams, t.Up, t.Down, t.Digest, t.Cut = t.Streams+o.Streams, t.Up+o.Up, t.Down+o.Down, t.Digest+o.Digest, t.Cut+o.Cut
}

// same reports whether the streams are the same, however they ended.
func (t Tally) same(o Tally) bool {
	t.Cut = o.Cut
	return t == o
}

// Disproved compares what generators say of a block's streams with what the
// target says of them once all have ended, and returns what cannot be true:
// neither end can have received what the other did not send, and of a stream
// that ended in order both must say the same. cut is how many streams ended with
// a reset at the target when their generators had ended them in order.
func Disproved(near []Results, far Reported) (out []*payload.Fault, cut int64) {
	theirs := map[uint64]Stream{}
	for _, s := range far.Streams {
		theirs[s.ID] = s
	}
	said, had := Tally{}, far.Past
	unknown := int64(0) // streams that may be among those of Past, though they did not end well here
	for _, r := range near {
		for _, g := range r.Groups {
			said.Join(g.Done)
			for _, ends := range [][]End{g.Ends, g.Stood} {
				for _, e := range ends {
					s, known := theirs[e.Stream]
					if e.Stream == 0 || !known && far.Past.Streams > 0 {
						unknown += min(int64(e.Stream), 1)
						continue
					}
					delete(theirs, e.Stream)
					if s.Reset && e.How == "" && e.Sent == s.In && e.In == s.Out {
						cut++
					}
					out = append(out, forged(e.Stream, s.In-e.Sent, e.In-s.Out-s.Under, e)...)
				}
			}
		}
	}
	for _, s := range theirs {
		had.Add(s.ID, s.In, s.Out, s.Reset)
	}
	cut += max(had.Cut-said.Cut-unknown, 0)
	if more := had.Streams - said.Streams; had.same(said) || unknown > 0 && more >= 0 && more <= unknown && had.Up >= said.Up && had.Down >= said.Down {
		return out, cut
	}
	surplus := forged(0, had.Up-said.Up, said.Down-had.Down, End{})
	if surplus == nil {
		surplus = []*payload.Fault{{Direction: payload.Down, Kind: payload.Forged, Octets: said.Down, Seen: "generator"}}
	}
	return append(out, surplus...), cut
}

// forged is so many bytes up, or down, that came and had not been sent.
func forged(stream uint64, up, down int64, e End) (out []*payload.Fault) {
	if up > 0 {
		out = append(out, &payload.Fault{Stream: stream, Direction: payload.Up, Offset: e.Sent, Kind: payload.Forged, Octets: up, Seen: "target"})
	}
	if down > 0 {
		out = append(out, &payload.Fault{Stream: stream, Direction: payload.Down, Offset: max(e.In-down, 0), Kind: payload.Forged, Octets: down, Seen: "generator"})
	}
	return out
}
