package engine

import (
	"testing"
	"testing/synctest"
	"time"
)

// Each expectation gives up when its time is over, and what the path costs is added once.
func TestDeadlines(t *testing.T) {
	const slack = 300 * time.Millisecond
	for name, tt := range map[string]struct {
		want time.Duration
		do   func(*T, *Tunnel)
	}{
		"a frame":            {Answer, func(_ *T, n *Tunnel) { n.Expect("it comes", CloseFor(7)) }},
		"a frame in its own": {CloseTotal, func(_ *T, n *Tunnel) { n.Expect("it comes", CloseFor(7), Within(CloseTotal)) }},
		"exactly":            {DeadPeer + Answer, func(t *T, n *Tunnel) { n.Expect("it comes", CloseFor(7), Exactly(t.Now(), DeadPeer)) }},
		"the end":            {Answer, func(_ *T, n *Tunnel) { n.ExpectClosed("it ends") }},
		"Data":               {LocalEffect, func(_ *T, n *Tunnel) { (&Conn{Tun: n, ID: 7}).ExpectData("it comes", []byte{1}) }},
		"a condition":        {LocalEffect, func(t *T, _ *Tunnel) { t.Until("it is so", func() bool { return false }) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				et, n := inbox()
				et.ctx, et.slack = t.Context(), slack
				et.opened = nil // no writer
				begun := time.Now()
				if outcome(et, func() { tt.do(et, n) }) == "" {
					t.Fatal("nothing was charged")
				}
				if took := time.Since(begun); took != tt.want+slack {
					t.Errorf("it was given up after %s; want %s", took, tt.want+slack)
				}
			})
		})
	}
}
