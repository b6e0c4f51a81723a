package client

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

func TestWaitsBetweenAttempts(t *testing.T) {
	const failed, brief, long = time.Duration(0), time.Second, time.Hour
	type attempt struct {
		dialled, lived time.Duration
		least, most    time.Duration // of the wait that follows
	}
	for _, c := range []struct {
		what     string
		attempts []attempt
	}{
		{"the first loss is followed at once", []attempt{{0, long, 0, 0}}},
		{"even of a brief tunnel", []attempt{{0, brief, 0, 0}}},
		{"a second brief one is not", []attempt{{0, brief, 0, 0}, {0, brief, 1, time.Second}}},
		{"a tunnel that lived makes it the first loss again", []attempt{{0, brief, 0, 0}, {0, brief, 1, time.Second}, {0, long, 0, 0}}},
		{"a server that is not there is no loss", []attempt{{0, failed, 250 * time.Millisecond, 750 * time.Millisecond}}},
		{"waits grow", []attempt{
			{0, failed, 250 * time.Millisecond, 750 * time.Millisecond},
			{0, failed, 500 * time.Millisecond, 1500 * time.Millisecond},
			{0, failed, time.Second, 3 * time.Second},
		}},
		{"LOSS-003: 60 s from one attempt to the next", []attempt{{59800 * time.Millisecond, failed, 200 * time.Millisecond, 200 * time.Millisecond}, {2 * time.Minute, failed, 0, 0}}},
	} {
		r := newRetry(500*time.Millisecond, 30*time.Second)
		for i, a := range c.attempts {
			if got := r.next(a.dialled, a.lived); got < a.least || got > a.most {
				t.Errorf("%s: wait %d = %v; want %v to %v", c.what, i, got, a.least, a.most)
			}
		}
	}
}

func TestARefusalIsFollowedHalfAMinuteLater(t *testing.T) {
	for err, want := range map[error]bool{session.ErrWrongServer: true, session.ErrNoAuth: false, session.ErrDeadPeer: false} {
		if got := refused(fmt.Errorf("so: %w", err)); got != want {
			t.Errorf("%v is a refusal: %v; want %v", err, got, want)
		}
	}
	for code, want := range map[wire.Code]bool{wire.CodeDenied: true, wire.CodeUnsupported: true, wire.CodeTooMany: false, wire.CodeGeneral: false} {
		if got := refused(fmt.Errorf("so: %w", &session.GoAwayError{Code: code})); got != want {
			t.Errorf("GOAWAY %v is a refusal: %v; want %v", code, got, want)
		}
	}
	const took = 5 * time.Second
	least, most := time.Hour, time.Duration(0)
	for range 10_000 {
		wait := afterRefusal(took)
		least, most = min(least, wait), max(most, wait)
	}
	if least < 25*time.Second || least > 26*time.Second || most > 55*time.Second || most < 54*time.Second {
		t.Errorf("5 s after the beginning the waits are %v to %v; want 25 s to 55 s", least, most)
	}
	if got := afterRefusal(time.Hour); got != 0 {
		t.Errorf("after an hour the wait is %v; want none", got)
	}
}

func TestARefusedClientLeavesTheServerAlone(t *testing.T) {
	key := &wire.Key{ID: "home"}
	auth := &wire.Auth{Scheme: wire.SchemeHMAC}
	for what, c := range map[string]struct {
		key  *wire.Key
		says []byte
	}{
		"GOAWAY denied":             {nil, wire.AppendGoAway(nil, wire.CodeDenied, "")},
		"GOAWAY denied, with a key": {key, wire.AppendGoAway(nil, wire.CodeDenied, "")},
		"a wrong proof":             {key, wire.AppendAuth(wire.AppendHello(nil, wire.Hello{Auth: auth}, false), wire.Proof{})}, // AUTH-004
	} {
		t.Run(what, func(t *testing.T) { wantLeftAlone(t, c.key, c.says) })
	}
}

func wantLeftAlone(t *testing.T, key *wire.Key, says []byte) {
	synctest.Test(t, func(t *testing.T) {
		var dials []time.Time
		ctx, stop := context.WithCancel(t.Context())
		c := New(Config{
			Server: "server:9000", TargetHost: "127.0.0.1", ConnectTimeout: soon, RetryFirst: time.Second, RetryMost: time.Second,
			Session: session.Config{Protocol: session.Auto, Key: key},
			DialServer: func(context.Context, string) (sock.Socket, error) {
				near, far := sock.Pipe(1 << 10)
				server := far.Stream()
				server.Write(says)
				server.CloseWrite()
				if dials = append(dials, time.Now()); len(dials) == 4 {
					stop()
				}
				return near, nil
			},
		})
		c.Run(ctx)
		for i := range len(dials) - 1 {
			if gap := dials[i+1].Sub(dials[i]); gap < refusedLeast || gap > refusedMost {
				t.Errorf("attempt %d begins %v after the one before; want 30 s to 60 s", i+1, gap)
			}
		}
	})
}

func TestWaitsStayBelowTheBoundForEver(t *testing.T) {
	const most = 30 * time.Second
	for _, first := range []time.Duration{500 * time.Millisecond, most} {
		r := newRetry(first, most)
		longest, sum := time.Duration(0), time.Duration(0)
		for range 10_000 {
			wait := r.next(time.Second, 0)
			longest, sum = max(longest, wait), sum+wait
		}
		if longest > most || longest < most*9/10 || sum < 10_000*most/2 {
			t.Errorf("from %v: longest wait %v, mean %v; want the longest at most %v and near it, and waits that have grown", first, longest, sum/10_000, most)
		}
		if wait := r.next(0, time.Hour); wait != 0 {
			t.Errorf("wait after a long tunnel = %v; want none", wait)
		}
	}
}
