package session

import (
	"testing"
	"time"

	"github.com/adit-tunnel/adit/spec/wire"
)

// WIN-008 for a process: the rule chooses among the connections of all its tunnels.
func TestTheRuleChoosesAmongAllTunnels(t *testing.T) {
	cfg := extended(Server)
	cfg.Together = NewMemory(4 * small)
	onExtended(t, cfg, func(first *rig) {
		runRig(t, cfg, true, func(second *rig) {
			second.greet(peerWindow)
			// Each holds one byte, in a buffer of its own, for a visitor who takes nothing.
			stalled := func(r *rig, id uint32) {
				r.limit = 1
				r.visit(home)
				r.send(wire.AppendOpened(nil, id), data(id, "xx"))
				r.sleep(time.Second)
			}
			only := func(when string, r *rig, want ...uint32) {
				t.Helper()
				var ended []uint32
				for _, f := range r.answer() {
					if id, code, _, err := wire.ParseReset(f[wire.HeaderLen:]); wire.Type(f[1]) == wire.TypeReset && err == nil && code == wire.CodeOverBudget {
						ended = append(ended, id)
					}
				}
				if len(ended) != len(want) || len(want) > 0 && ended[0] != want[0] {
					t.Errorf("%s: over budget are %d; want %d", when, ended, want)
				}
			}
			stalled(second, 1)
			stalled(first, 1)
			stalled(second, 2)
			stalled(first, 2)
			only("just enough", first)
			only("just enough", second)
			if held := cfg.Together.Held(); held != 4*small {
				t.Errorf("%d bytes are held; want %d", held, 4*small)
			}
			stalled(first, 3)
			only("one too many", first)
			only("one too many", second, 1)
			stalled(second, 3)
			only("and another", second)
			only("and another", first, 1)
			if held := cfg.Together.Held(); held != 4*small {
				t.Errorf("%d bytes are held; want %d", held, 4*small)
			}
		})
		if held := cfg.Together.Held(); held != 2*small {
			t.Errorf("%d bytes are held with one tunnel left; want %d", held, 2*small)
		}
	})
	if held := cfg.Together.Held(); held != 0 || len(cfg.Together.tunnels) > 0 {
		t.Errorf("%d bytes are held for %d tunnels that are gone; want none", held, len(cfg.Together.tunnels))
	}
}

// While half of the memory is in use, whosever it is, nothing is read ahead of its credit.
func TestNothingIsReadAheadWhileMemoryIsScarce(t *testing.T) {
	cfg := extended(Server)
	cfg.Together = NewMemory(4 * small)
	cfg.Together.held.Store(2*small + 1) // another tunnel's
	onExtended(t, cfg, func(r *rig) {
		visitor := r.extOpened()
		visitor.Write(make([]byte, peerWindow))
		r.answer()
		visitor.Write([]byte("more"))
		r.answer()
		if held := cfg.Together.Held(); held != 2*small+1 {
			t.Errorf("%d bytes are held; want what others hold", held)
		}
		r.send(wire.AppendWindow(nil, 1, 2*peerWindow))
		r.want("now there is credit", data(1, "more"))
	})
}
