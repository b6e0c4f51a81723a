package sample

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Host is what the machine went through in a block. What the system does not
// tell is absent; shares are of all CPUs together, 0 to 1.
type Host struct {
	Seconds    float64  `json:"seconds"`               // in which the processes used what they are said to have used
	Busy       float64  `json:"busy"`                  // not idle, whoever used it
	Others     float64  `json:"others"`                // used by processes that are no part of the run
	Steal      float64  `json:"steal"`                 // kept by the hypervisor from this machine
	Pressure   *float64 `json:"pressure,omitempty"`    // time in which some task waited for a CPU (PSI)
	Load       float64  `json:"load"`                  // average of the last minute, at the end
	FreeMemory uint64   `json:"free_memory"`           // bytes that could be had, at the end
	Sockets    *int     `json:"tcp_sockets,omitempty"` // in use, at the end
	TimeWait   *int     `json:"time_wait,omitempty"`   // connections that wait for their end, at the end
}

// hostTimes is the machine's account of its CPUs, in seconds since it started.
type hostTimes struct {
	at                time.Time
	busy, idle, steal float64
	stalled           time.Duration // PSI: in which some task waited for a CPU
	known             bool          // whether stalled is
}

// since is what happened from begin to now, of which our own processes took so many CPU seconds.
func (now hostTimes) since(begin hostTimes, ours float64) Host {
	var h Host
	busy, idle, steal := now.busy-begin.busy, now.idle-begin.idle, now.steal-begin.steal
	if all := busy + idle + steal; all > 0 {
		h.Busy, h.Steal, h.Others = busy/all, steal/all, max(busy-ours, 0)/all
	}
	if took := now.at.Sub(begin.at); now.known && begin.known && took > 0 {
		h.Pressure = new(min(float64(now.stalled-begin.stalled)/float64(took), 1))
	}
	return h
}

// stalled reads the time in which some task waited for a CPU: pressure stall information.
func stalled() (time.Duration, bool) {
	data, err := os.ReadFile("/proc/pressure/cpu")
	if err != nil {
		return 0, false
	}
	return parsePressure(string(data))
}

func parsePressure(text string) (time.Duration, bool) {
	for line := range strings.Lines(text) {
		fields, some := strings.CutPrefix(line, "some ")
		_, total, ok := strings.Cut(fields, "total=")
		if !some || !ok {
			continue
		}
		us, err := strconv.ParseInt(strings.TrimSpace(total), 10, 64)
		return time.Duration(us) * time.Microsecond, err == nil
	}
	return 0, false
}

// sockets reads how many TCP sockets there are.
func sockets(h *Host) {
	data, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return
	}
	inUse, wait, ok := parseSockets(string(data))
	if ok {
		h.Sockets, h.TimeWait = new(inUse), new(wait)
	}
}

func parseSockets(text string) (inUse, wait int, ok bool) {
	for line := range strings.Lines(text) {
		var orphan int
		if n, _ := fmt.Sscanf(line, "TCP: inuse %d orphan %d tw %d", &inUse, &orphan, &wait); n == 3 {
			return inUse, wait, true
		}
	}
	return 0, 0, false
}
