package sample

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// switches is how often each thread of a process has changed between running
// and waiting, by the thread's number; empty where the system does not tell.
// /proc/PID/status has the first thread only.
func switches(pid int32) map[string]int64 {
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil {
		return nil
	}
	out := map[string]int64{}
	for _, name := range names {
		if data, err := os.ReadFile(name); err == nil { // else the thread has just ended
			out[name] = parseSwitches(string(data))
		}
	}
	return out
}

func parseSwitches(text string) (n int64) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		if strings.HasSuffix(name, "voluntary_ctxt_switches") { // and nonvoluntary
			v, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			n += v
		}
	}
	return n
}
