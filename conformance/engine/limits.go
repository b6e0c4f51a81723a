package engine

import (
	"time"

	"github.com/adit-tunnel/adit/spec"
)

// Deadlines and bounds of PROTOCOL.md section 17, by the names of its table.
// Every deadline of a case is one of them, or a sum of some: what the text
// allows, no case may forbid.
var (
	Answer            = timeOf("answer")       // what is owed directly, closing after a tunnel error
	LocalEffect       = timeOf("local-effect") // a dial begun, octets passed on, a local socket closed
	ConnectTimeoutMin = spec.LimitOf("connect-timeout").MinTime()
	ConnectTimeoutMax = spec.LimitOf("connect-timeout").MaxTime()
	DialTimeout       = timeOf("dial-timeout")
	CloseDrain        = timeOf("close-drain")
	CloseTotal        = timeOf("close-total")
	CloseStall        = timeOf("close-stall")
	CloseWait         = timeOf("close-wait")
	StallLimit        = timeOf("stall-limit")
	StallBudget       = timeOf("stall-budget")
	StallWindow       = timeOf("stall-window")
	OthersGoOn        = timeOf("others-go-on")
	PauseSign         = timeOf("pause-sign")
	FrameProgress     = timeOf("frame-progress")
	KeepAliveInterval = timeOf("keepalive-interval")
	DeadPeer          = timeOf("dead-peer-client") // also the least silence of a client
	DeadPeerServerMax = spec.LimitOf("dead-peer-server").MaxTime()
	RedialDelay       = timeOf("redial-delay")
	OverBudgetAfter   = timeOf("over-budget-after")
	HandshakeMin      = spec.LimitOf("handshake").MinTime()
	HandshakeMax      = spec.LimitOf("handshake").MaxTime()
	SeatKept          = timeOf("seat-kept")
	BindTimeout       = timeOf("bind-timeout")
	BindAgainMin      = spec.LimitOf("bind-again").MinTime()
	BindAgainMax      = spec.LimitOf("bind-again").MaxTime()
	TakeoverProbe     = timeOf("takeover-probe")
	BindHoldMax       = spec.LimitOf("bind-hold").MaxTime()

	QueueMin    = int(spec.LimitOf("queue").Min)
	QueueMax    = int(spec.LimitOf("queue").Max)
	FairPayload = int(spec.LimitOf("fair-payload").Default)
	Owed        = int(spec.LimitOf("owed").Default)

	Seats        = int(spec.LimitOf("seats").Default)
	SeatsAddress = int(spec.LimitOf("seats-address").Default)
	SeatMemory   = int(spec.LimitOf("seat-memory").Default)

	Bindings     = int(spec.LimitOf("bindings").Default)
	GroupTunnels = int(spec.LimitOf("group").Default)
)

// What the text allows until something has to be there. A timer that has to act by its time is in time within answer after it.
var (
	OwnClose   = CloseTotal + Answer       // the subject's own Close in answer to Close (CLOSE-004)
	DialEnds   = DialTimeout + LocalEffect // a failure in answer to a request, whatever the reason (OPEN-012)
	NextTunnel = RedialDelay + Answer      // a client's next attempt (LOSS-003)
)

// What the suite chooses itself: how it paces what it does, how long it looks on. No deadline of the subject's is among them.
const (
	Apart  = time.Millisecond        // between two octets: long enough for a subject to read the first alone
	Moment = 20 * time.Millisecond   // in which a subject does a little
	Look   = 2 * time.Second         // in which a subject that does what it must not would have done it
	Nap    = 3500 * time.Millisecond // of a local peer that takes octets now and then: well below stall-limit, on a busy machine too
	Sip    = time.Second             // for which it reads then, at most: above stall-budget in each stall-window all the same

	Stopped = 800 * time.Millisecond  // without a WINDOW: the subject's local socket takes nothing any more
	Quiet   = 2500 * time.Millisecond // in which a subject that extends such a credit would do it again
	Settle  = 200 * time.Millisecond  // between FIN and the first read of a slow local peer: whether anything was queued is no race then

	// Earliness is how much too early a timer of the subject may seem: the suite
	// and the subject do not look at the clock at the same instant.
	Earliness = 100 * time.Millisecond
)

// HeldMost is how long octets wait to be joined with later ones, at most: so little of
// the shortest deadline that a subject's own, which runs meanwhile, is not missed for it.
var HeldMost = min(Answer, LocalEffect) / 10

// The rest is the engine's own, beside the cases.
const (
	SlowWait   = 60 * time.Second      // longest designed wait of a case that runs without --slow
	longWait   = 4 * time.Second       // designed wait from which on a case runs in a lane beside the other lanes, where only such cases wait
	shutTime   = time.Second           // in which a socket that is closed writes what the case joined, and a tunnel that the suite ended is ended by the subject
	grace      = 50 * time.Millisecond // in which a process whose tunnel ended is seen dead
	proofPause = time.Second           // between two proofs that a subject serves again
	retry      = 5 * time.Millisecond  // before a visitor comes again, the first time
)

// Time is a duration as a dialogue writes it, in whole milliseconds; empty for none.
func Time(d time.Duration) string {
	if d = d.Round(time.Millisecond); d <= 0 {
		return ""
	}
	return d.String()
}

// brief is d, rounded for people.
func brief(d time.Duration) string { return d.Round(time.Millisecond).String() }

func timeOf(name string) time.Duration { return spec.LimitOf(name).Time() }
