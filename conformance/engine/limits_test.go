package engine

import (
	"testing"
	"time"

	"github.com/adit-tunnel/adit/spec"
)

func TestLimitsAreThoseOfTheText(t *testing.T) {
	for name, got := range map[string]time.Duration{
		"answer": Answer, "local-effect": LocalEffect, "dial-timeout": DialTimeout, "close-drain": CloseDrain,
		"close-total": CloseTotal, "close-wait": CloseWait, "stall-limit": StallLimit, "stall-budget": StallBudget,
		"stall-window": StallWindow, "others-go-on": OthersGoOn, "frame-progress": FrameProgress,
		"keepalive-interval": KeepAliveInterval, "dead-peer-client": DeadPeer, "redial-delay": RedialDelay,
	} {
		if want := spec.LimitOf(name).Time(); got != want {
			t.Errorf("%s is %s; PROTOCOL.md says %s", name, got, want)
		}
	}
	if got, want := ConnectTimeoutMax, spec.LimitOf("connect-timeout").MaxTime(); got != want {
		t.Errorf("connect-timeout is at most %s; PROTOCOL.md says %s", got, want)
	}
	server := spec.LimitOf("dead-peer-server")
	if server.MinTime() != DeadPeer || server.MaxTime() != DeadPeerServerMax {
		t.Errorf("dead-peer-server is %s to %s; PROTOCOL.md says %s to %s", DeadPeer, DeadPeerServerMax, server.MinTime(), server.MaxTime())
	}
	for name, got := range map[string]int64{"max-payload": MaxPayload, "fair-payload": FairPayload, "owed": Owed} {
		if want := spec.LimitOf(name).Default; got != want {
			t.Errorf("%s is %d; PROTOCOL.md says %d", name, got, want)
		}
	}
	if want := spec.LimitOf("queue").Max; QueueMax != want {
		t.Errorf("queue is at most %d; PROTOCOL.md says %d", QueueMax, want)
	}
}
