package sample

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// A System is what the kernel and the group of processes that this one belongs
// to let programs do. What is not known is absent.
type System struct {
	Governor      string `json:"governor,omitempty"` // of CPU frequency
	ClockSource   string `json:"clock_source,omitempty"`
	CPULimit      string `json:"cpu_limit,omitempty"`    // of the cgroup: quota and period in µs, or max
	MemoryLimit   string `json:"memory_limit,omitempty"` // of the cgroup: bytes, or max
	Ports         string `json:"ports,omitempty"`        // for outgoing connections, first and last
	PortsReused   string `json:"tcp_tw_reuse,omitempty"` // 0: a port is free a minute after its connection; 1: after a second; 2: on loopback
	Somaxconn     int    `json:"somaxconn,omitempty"`
	ReceiveBuffer string `json:"tcp_rmem,omitempty"` // bytes: least, default, most
	SendBuffer    string `json:"tcp_wmem,omitempty"`
	Qdisc         string `json:"qdisc,omitempty"` // default
	Namespaces    bool   `json:"namespaces"`      // this program may make network namespaces
	Docker        bool   `json:"docker"`          // a Docker engine answers
}

// readSystem reads what /proc and /sys tell.
func readSystem() (s System) {
	s.Governor = readLine("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
	s.ClockSource = readLine("/sys/devices/system/clocksource/clocksource0/current_clocksource")
	s.CPULimit, s.MemoryLimit = readLine("/sys/fs/cgroup/cpu.max"), readLine("/sys/fs/cgroup/memory.max")
	s.Ports = readLine("/proc/sys/net/ipv4/ip_local_port_range")
	s.PortsReused = readLine("/proc/sys/net/ipv4/tcp_tw_reuse")
	s.Somaxconn, _ = strconv.Atoi(readLine("/proc/sys/net/core/somaxconn"))
	s.ReceiveBuffer, s.SendBuffer = readLine("/proc/sys/net/ipv4/tcp_rmem"), readLine("/proc/sys/net/ipv4/tcp_wmem")
	s.Qdisc = readLine("/proc/sys/net/core/default_qdisc")
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if set, ok := strings.CutPrefix(line, "CapEff:"); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(set), 16, 64)
			s.Namespaces = n>>capSysAdmin&1 == 1
		}
	}
	return s
}

const capSysAdmin = 21

// readLine is a file's content with single blanks; empty when there is none.
func readLine(name string) string {
	b, _ := os.ReadFile(name)
	return strings.Join(strings.Fields(string(b)), " ")
}

// PortsKept is how long a connection on this machine that has ended keeps its port.
func (s System) PortsKept() time.Duration {
	if s.PortsReused == "1" || s.PortsReused == "2" {
		return time.Second
	}
	return time.Minute
}

// PortCount is how many ports there are for outgoing connections to one address; 0: unknown.
func (s System) PortCount() int {
	first, last, ok := strings.Cut(s.Ports, " ")
	from, err1 := strconv.Atoi(first)
	to, err2 := strconv.Atoi(last)
	if !ok || err1 != nil || err2 != nil {
		return 0
	}
	return to - from + 1
}
