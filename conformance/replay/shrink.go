package replay

import (
	"context"
	"fmt"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// Limits bound a Shrink.
type Limits struct {
	Plays int           // against the subject; 0: 40
	For   time.Duration // 0: 30 s
}

// A Shrinker makes files smaller.
type Shrinker struct {
	Subject engine.Subject
	// Right is a subject that conforms. What it fails too is no failure, but
	// what is left when the cause was removed: a frame that nothing asks for
	// does not come.
	Right engine.Subject
	Limits

	plays int
}

// haste is how long a search waits for what must come within longer; the end
// result is played with the file's own time.
const haste = 1500 * time.Millisecond

// hasty is f with that little time for its symptom.
func (f *File) hasty() *File {
	quick := f.clone()
	if y := quick.Symptom.Step; y != nil && y.Early == 0 {
		y.Within = min(y.Within, engine.Duration(haste))
	}
	return quick
}

// Shrink is the smallest file that it finds that fails as f does, and what it
// did in words. Where nothing smaller does it is f itself. An error says that
// f does not fail, or that nobody can be reached.
func (s *Shrinker) Shrink(ctx context.Context, f *File) (*File, string, error) {
	if s.Plays == 0 {
		s.Plays = 40
	}
	if s.For == 0 {
		s.For = 30 * time.Second
	}
	if y := f.Symptom.Step; y != nil && wait(*y) > s.For/2 {
		return f, fmt.Sprintf("not shrunk: its symptom takes %s to show", wait(*y)), nil
	}
	s.plays = 0
	ctx, cancel := context.WithTimeout(ctx, s.For)
	defer cancel()
	o, err := Play(ctx, f.hasty(), s.Subject, Lag{})
	if err != nil {
		return nil, "", err
	}
	if o.Answer != Reproduced {
		return nil, "", fmt.Errorf("it did not come again: %s: %s", o.Answer, o.Why)
	}
	if !s.sound(ctx, f) {
		return f, "not shrunk: the suite's own peer does not pass it either, so nothing tells a smaller failure from none", nil
	}
	best := s.steps(ctx, f)
	best = s.inside(ctx, best)
	if best == f {
		return f, fmt.Sprintf("nothing smaller fails (%d plays)", s.plays), nil
	}
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), s.For) // the time is up, these plays are not
	defer stop()
	for _, c := range []*File{best.hasty(), best} {
		if o, err := Play(last, c, s.Subject, Lag{}); err != nil || o.Answer != Reproduced {
			return f, "not shrunk: what is smaller does not fail each time", nil
		}
	}
	return best, fmt.Sprintf("shrunk from %d steps to %d, %d octets of notation to %d (%d plays)", len(f.Steps), len(best.Steps), f.size(), best.size(), s.plays), nil
}

// size is how much there is to read.
func (f *File) size() int {
	n := 0
	for _, s := range f.Steps {
		n += len(s.Octets)
	}
	return n
}

// lags are how the right subject is asked: where the order in which octets
// of tunnels and local sockets arrive makes a difference, a file proves nothing.
var lags = []Lag{{}, {Tunnels: 30 * time.Millisecond}, {Locals: 30 * time.Millisecond}}

// sound reports whether the right subject passes f, whatever is late.
func (s *Shrinker) sound(ctx context.Context, f *File) bool {
	if f.Symptom.Dies || f.Symptom.RSS > 0 { // nothing makes a right subject die
		return true
	}
	for _, lag := range lags {
		if o, err := Play(ctx, f, s.Right, lag); err != nil || o.Answer != Gone {
			return false
		}
	}
	return true
}

// fails reports whether f, smaller than what is known to fail, does too.
func (s *Shrinker) fails(ctx context.Context, f *File) bool {
	if f == nil || s.plays >= s.Plays || ctx.Err() != nil || f.Check() != nil {
		return false
	}
	if !s.sound(ctx, f) {
		return false
	}
	s.plays++
	o, err := Play(ctx, f.hasty(), s.Subject, Lag{})
	return err == nil && o.Answer == Reproduced
}

// steps leaves out steps: half of them, then smaller and smaller parts. A step
// that waits goes with the deed that it follows, never alone: it is what makes the next one certain.
func (s *Shrinker) steps(ctx context.Context, f *File) *File {
	for n := max(len(f.deeds())/2, 1); ; n /= 2 {
		for i := 0; i < len(f.deeds()); {
			at := append(f.deeds(), len(f.Steps))
			to := at[min(i+n, len(at)-1)]
			if c := f.without(at[i], to-at[i]); c != nil && s.fails(ctx, c) {
				f = c
			} else {
				i += n
			}
		}
		if n <= 1 {
			return f
		}
	}
}

// inside leaves out frames and octets of what is left.
func (s *Shrinker) inside(ctx context.Context, f *File) *File {
	for k := range f.Steps {
		if f.Steps[k].Do != "send" {
			continue
		}
		all, _ := frames(f.Steps[k].Octets)
		for n := len(all) / 2; n > 0; n /= 2 {
			for i := len(all) - n; i >= 0; i -= n {
				if c := f.withoutFrames(k, i, n); len(all) > n && s.fails(ctx, c) {
					f = c
					all, _ = frames(f.Steps[k].Octets)
				}
			}
		}
	}
	for _, group := range f.runs() {
		for n := 16; n < times(group); n *= 16 {
			if c := f.shorter(group, n); s.fails(ctx, c) {
				f = c
				break
			}
		}
	}
	return f
}
