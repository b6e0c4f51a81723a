package session

import (
	"testing"
	"testing/synctest"

	"github.com/adit-tunnel/adit/spec/wire"
)

func TestStats(t *testing.T) {
	inMemory(t, Config{Role: Server, FirstID: 1}, func(r *rig) {
		start := r.s.Stats().Start
		visitor := r.opened(1)
		visitor.Write([]byte("hello"))
		r.want("Data", data(1, "hello"))
		r.visit(home)
		r.want("request", request(2, 22, "127.0.0.1"))
		r.send(response(2, wire.StatusRefused), data(1, "hi"))
		synctest.Wait()
		got := r.s.Stats()
		want := Stats{
			Start: start, Active: 1, Opened: 1, Failed: 1, PayloadIn: 2, PayloadOut: 5,
		}
		if got != want {
			t.Errorf("Stats() = %+v; want %+v", got, want)
		}
	})
	inMemory(t, Config{Role: Client}, func(r *rig) {
		r.send(request(1, 22, "h"), request(2, 0, "h"))
		r.want("failure", response(2, wire.StatusGeneral))
		r.send(closeFrame(1))
		r.want("failure", response(1, wire.StatusGeneral))
		if got := r.s.Stats(); got.Failed != 2 || got.Active != 0 {
			t.Errorf("Failed, Active = %d, %d; want 2, 0", got.Failed, got.Active)
		}
	})
}
